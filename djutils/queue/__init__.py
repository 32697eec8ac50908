"""The queue: ``from djutils import queue; queue.autodiscover()``."""

from __future__ import annotations

from django.utils.module_loading import autodiscover_modules


def autodiscover() -> None:
    """Import every installed app's ``commands.py``, which fills the registry.

    An app without one is fine; an error inside one comes out as it is.
    """
    autodiscover_modules("commands")
