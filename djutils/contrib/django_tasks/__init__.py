"""Django's own tasks on the queues of djutils, for Django 6.0 and later.

``TASKS = {"default": {"BACKEND": "djutils.contrib.django_tasks.DjutilsBackend"}}``. Each task is a command that is named by its
module path and keeps its result; arguments and results travel as JSON.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

try:
    from .backend import DjutilsBackend
    from .commands import DjutilsTask
except ModuleNotFoundError as error:
    if not str(error.name).startswith(("django.tasks", "django.utils.json")):
        raise
    raise ImproperlyConfigured(
        "djutils.contrib.django_tasks needs Django 6.0 or later, which has django.tasks. Upgrade Django, or "
        "declare commands with @queue_command."
    ) from error

__all__ = ["DjutilsBackend", "DjutilsTask"]
