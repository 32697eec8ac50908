"""The account for the admin, whose password is made and printed by each run of the example."""

from __future__ import annotations

from django.contrib.auth import get_user_model

from . import ACCOUNT


def open_account(password: str) -> None:
    """Make the account, a superuser, in place of the one of an earlier run."""
    close_account()
    get_user_model().objects.create_superuser(ACCOUNT, password=password)


def close_account() -> None:
    """Remove the account, if there is one."""
    get_user_model().objects.filter(username=ACCOUNT).delete()
