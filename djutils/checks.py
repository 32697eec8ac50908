"""System checks: settings that cannot work, misspelt ones, and the other project of our name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register

from .queue import autodiscover
from .queue.backends import load_backend
from .queue.conf import NAMES, settings
from .queue.crontab import Crontab
from .queue.dead_letters import as_age
from .queue.exceptions import ConfigurationError
from .queue.keys import is_weak, secrets_in_use
from .queue.registry import registry
from .queue.retry import is_backoff


@register("djutils")
def check_names(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a ``QUEUE_*`` setting nobody reads."""
    found: list[CheckMessage] = []
    for name in dir(django_settings):
        if name.startswith("QUEUE_") and name not in NAMES:
            near = get_close_matches(name, NAMES, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(NAMES))}."
            found.append(Warning(f"{name} is not a setting of djutils.", hint=hint, id="djutils.W001"))
    return found


@register("djutils")
def check_backend(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a backend that cannot be loaded; nothing is connected to."""
    try:
        load_backend(settings.QUEUE_BACKEND)(settings.queue_name, settings.QUEUE_CONNECTION)
    except ConfigurationError as error:
        return [Error(str(error), id="djutils.E001")]
    return []


@register("djutils")
def check_values(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse values of the wrong type or range."""
    wrong = {
        "QUEUE_MAX_ATTEMPTS": not _is_count(settings.QUEUE_MAX_ATTEMPTS),
        "QUEUE_MAX_CRASHES": not _is_count(settings.QUEUE_MAX_CRASHES),
        "QUEUE_MAX_MESSAGE_SIZE": not _is_count(settings.QUEUE_MAX_MESSAGE_SIZE),
        "QUEUE_BACKOFF": not is_backoff(settings.QUEUE_BACKOFF),
        "QUEUE_NAME": not _is_text(settings.QUEUE_NAME),
        "QUEUE_DEAD_LETTERS_KEPT": not _is_age_or_none(settings.QUEUE_DEAD_LETTERS_KEPT),
        "QUEUE_CONNECTION": not _is_text(settings.QUEUE_CONNECTION, 4000),
    }
    return [
        Error(
            f"{name} = {getattr(settings, name)!r} cannot work.",
            hint=f"The default is {getattr(type(settings), name)!r}.",
            id="djutils.E002",
        )
        for name, bad in wrong.items()
        if bad
    ]


@register("djutils")
def check_schedules(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a periodic command that runs more often than its ``crontab`` looks like."""
    with suppress(Exception, SystemExit):  # the consumer, which cannot go on without them, says what is wrong
        autodiscover()
    found: list[CheckMessage] = []
    for command_class in registry:
        schedule = getattr(command_class, "validate_datetime", None)
        if isinstance(schedule, Crontab) and schedule.left_out:
            found.append(
                Warning(
                    f"The periodic command '{command_class.name}' runs in every {schedule.left_out} that its "
                    f"other fields allow, because its crontab() leaves {schedule.left_out} out.",
                    hint="Say which, such as minute=0; or write '*' to say that you mean every one.",
                    obj=command_class.source(),
                    id="djutils.W020",
                )
            )
    return found


@register("djutils")
def check_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse keys that anyone could guess because they are empty."""
    try:
        secrets_in_use()
    except ConfigurationError as error:
        return [Error(str(error), id="djutils.E030")]
    return []


@register("djutils", deploy=True)
def check_strength_of_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of keys that may be guessed."""
    try:
        secrets = secrets_in_use()
    except ConfigurationError:
        return []
    return [
        Warning(
            f"{name} is weak, and whoever guesses it can sign messages and so run code in your workers.",
            hint="Use 50 random characters: django.core.management.utils.get_random_secret_key().",
            id="djutils.W030",
        )
        for name, secret in secrets.items()
        if is_weak(secret)
    ]


@register("djutils")
def check_distribution(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Recognise the other project whose distribution is named ``djutils``; its import name is ours as well."""
    try:
        other = distribution("djutils")
    except PackageNotFoundError:
        return []
    if any(script.name == "djutils-consumer" for script in other.entry_points):
        return []  # ours, from the time before its distribution was named djutils-queue
    ours, theirs = Path(__file__).parent, Path(str(other.locate_file("djutils")))
    if not theirs.is_dir():
        return []
    named = f"The distribution 'djutils' {other.version} is another project, not djutils-queue;"
    hint = "Run: pip uninstall djutils djutils-queue; then install djutils-queue again."
    if theirs.samefile(ours):
        return [Error(f"{named} the files of both are mixed in {ours}.", hint=hint, id="djutils.E010")]
    return [
        Warning(
            f"{named} a process that finds its {theirs} before {ours} will not start.",
            hint=hint,
            id="djutils.W010",
        )
    ]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_age_or_none(value: Any) -> bool:
    try:
        return value is None or bool(as_age(value))
    except ValueError:
        return False


def _is_text(value: Any, longest: int = 200) -> bool:
    return isinstance(value, str) and len(value) <= longest
