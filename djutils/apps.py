"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjutilsConfig(AppConfig):
    """``INSTALLED_APPS += ["djutils"]``."""

    name = "djutils"
    label = "djutils"
    verbose_name = _("djutils")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from . import checks, store_checks  # noqa: F401, PLC0415  (Django's own idiom: apps must be loaded first)
