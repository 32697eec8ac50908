"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class GuestbookConfig(AppConfig):
    """A visitor leaves a comment with a photo."""

    name = "guestbook"
