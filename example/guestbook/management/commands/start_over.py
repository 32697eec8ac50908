"""``manage.py start_over``: an empty guestbook and an empty queue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from djutils.queue.queue import invoker

from ...models import Entry


class Command(BaseCommand):
    """Forgets every entry of the guestbook and everything on its queue, dead letters too."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Forget them."""
        Entry.objects.all().delete()
        invoker.queue.discard()
        invoker.flush()
