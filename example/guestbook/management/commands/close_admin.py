"""``manage.py close_admin``: the account for the admin is removed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ...account import close_account


class Command(BaseCommand):
    """Removes the account that the example has made for its admin."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove it."""
        close_account()
