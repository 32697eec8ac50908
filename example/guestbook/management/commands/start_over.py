"""``manage.py start_over``: an empty guestbook and an empty queue.

With ``GUESTBOOK_PASSWORD`` in the environment, the admin's account gets that password; else it is removed.
"""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand

from djutils.queue.queue import invoker

from ...account import close_account, open_account
from ...models import Entry


class Command(BaseCommand):
    """Removes every entry of the guestbook and everything on its queue, dead letters included."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove them, and open or close the admin."""
        Entry.objects.all().delete()
        invoker.queue.discard()
        invoker.flush()
        if password := os.environ.get("GUESTBOOK_PASSWORD"):
            open_account(password)
        else:
            close_account()
