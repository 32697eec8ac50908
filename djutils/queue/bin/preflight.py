"""Checks before a consumer starts: the project can be loaded and its backend responds.

Every function here raises ``ConsumerError``, whose message says what to do.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from contextlib import closing

import django
from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import ERROR, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from djutils.queue import autodiscover
from djutils.queue.backends import explain_absence, queues
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.bin import children, queue_names
from djutils.queue.conf import settings
from djutils.queue.exceptions import ConfigurationError, ConsumerError
from djutils.queue.ids import new_id
from djutils.queue.registry import registry
from djutils.queue.workers.options import ConsumerOptions

CONFIGURATION = 78


def default_queue() -> str:
    """Return the name of the project's default queue; only its settings are loaded."""
    if not (django_settings.configured or os.environ.get("DJANGO_SETTINGS_MODULE")):
        raise ConsumerError(
            "DJANGO_SETTINGS_MODULE is not set. Name the project's settings, and have the project on "
            "PYTHONPATH:\n  export DJANGO_SETTINGS_MODULE=mysite.settings PYTHONPATH=/path/to/project",
            CONFIGURATION,
        )
    try:
        return settings.queue_name
    except Exception as error:  # settings are code and may raise anything
        module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
        reason = f"\n\n{traceback.format_exc()}"
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            reason = f" {error}. Is the directory that holds it on PYTHONPATH?"
            if not os.geteuid():
                reason += " Root does not look into a current directory that others can write to."
        raise ConsumerError(f"The settings '{module}' cannot be imported:{reason}", CONFIGURATION) from error


def load_django() -> None:
    """Set Django up, unless that has been done."""
    default_queue()
    try:
        if not apps.ready:
            django.setup()
    except Exception as error:  # an app's code may raise anything
        raise ConsumerError(f"Django cannot start:\n\n{traceback.format_exc()}", CONFIGURATION) from error


def load_project() -> None:
    """Set Django up, check the settings, and import every app's ``commands.py``."""
    load_django()
    check_settings()
    try:
        autodiscover()
    except (Exception, SystemExit) as error:  # a commands.py may raise anything
        raise ConsumerError(
            f"The commands cannot be imported:\n\n{traceback.format_exc()}", CONFIGURATION
        ) from error
    registry.mark_all_findable()


def check_settings() -> None:
    """Refuse settings that djutils' system checks call an error, and a project without djutils in INSTALLED_APPS."""
    if not apps.is_installed("djutils"):
        raise ConsumerError(explain_absence(), CONFIGURATION)
    try:
        bool(django_settings.SECRET_KEY)
    except ImproperlyConfigured as error:  # it is empty, and messages are signed with it
        raise ConsumerError(str(error), CONFIGURATION) from error
    found = run_checks(tags=["djutils"])
    errors = [error for error in found if error.is_serious(ERROR) and not error.is_silenced()]
    if errors:
        texts = [f"{error.msg} {error.hint or ''}".rstrip() for error in errors]
        raise ConsumerError("\n".join(texts), CONFIGURATION)


def with_known_queues(consumer: ConsumerOptions) -> ConsumerOptions:
    """Return ``consumer`` with the queues that its patterns match now; the project is loaded."""
    return queue_names.expanded(consumer, registry.queue_names())


def reach_backend(names: Sequence[str]) -> None:
    """Send the backend a cheap query about each queue.

    A backend with leases is queried in this process: once closed, it leaves behind only memory, which the
    forked processes share. It is unknown what the driver of another backend leaves behind: a child process
    queries it, so that none of its sockets, pools or threads stays in this process.
    """
    close_connections()
    for name in names:
        try:
            has_leases = queues.fresh(name).supports_leases
        except ConfigurationError as error:
            raise ConsumerError(str(error), CONFIGURATION) from error
        if failure := _query(name) if has_leases else _query_in_a_child(name):
            raise ConsumerError(*failure)


def _query(name: str) -> tuple[str, int] | None:
    """Return what is wrong with the queue ``name`` and the exit code, or None."""
    try:
        queue = queues.fresh(name)
        if isinstance(queue, LeasedQueue):
            with closing(queue):
                queue.open()
                queue.owners()
                queue.held(new_owner(), [new_id()])  # counting a large backlog may take minutes
        else:
            len(queue)
    except ConfigurationError as error:
        return str(error), CONFIGURATION
    except Exception as error:  # noqa: BLE001  (a third-party backend may raise anything)
        backend = settings.place_of(name)[0].rpartition(".")[2]
        return f"The queue '{name}' is out of reach ({backend}): {type(error).__name__}: {error}", 1
    return None


def _query_in_a_child(name: str) -> tuple[str, int] | None:
    try:
        failure = children.call(lambda: _query(name))
    except EOFError:
        return f"{settings.place_of(name)[0]} ended the process that queried a queue's length.", 1
    return failure and tuple(failure)


def close_connections() -> None:
    """Close every database connection of this process, pools included: neither survives a fork."""
    if (
        not django_settings.configured
    ):  # and accessing them would load the settings, perhaps as root, which is not wanted
        return
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        if close_pool := getattr(connection, "close_pool", None):
            close_pool()
