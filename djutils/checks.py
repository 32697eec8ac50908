"""System checks: invalid settings, misspelt ones, and the other project with our name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from unicodedata import category

from django.apps import AppConfig
from django.conf import global_settings
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register

from .queue import autodiscover
from .queue.backends import RESULT_STORES, is_result_store, queues
from .queue.chain import every_middleware
from .queue.command_options import is_ttl
from .queue.conf import NAMES, PLACES, are_places, settings
from .queue.crontab import Crontab
from .queue.dead_letters import as_age
from .queue.exceptions import ConfigurationError
from .queue.keys import is_weak, secrets_in_use
from .queue.middleware.carry import CarryContext, carriers
from .queue.registry import registry
from .queue.retry import RetryPolicy, is_backoff
from .queue.signatures import signature_of
from .queue.stores.base import LARGEST

_FORMER = {"QUEUE_CLASS": "QUEUE_BACKEND", "QUEUE_ALWAYS_EAGER": "QUEUE_EAGER"}
"""Settings of later 2011 versions of djutils, and their present names."""
_NEARLY = 0.85
"""How similar a name that does not begin with QUEUE_ must be to one of ours to count as misspelt; 1: identical."""


@register("djutils")
def check_names(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a ``QUEUE_*`` setting that djutils does not read, and of a name that nearly matches one of ours."""
    found: list[CheckMessage] = []
    for name in sorted(set(dir(django_settings)) - set(dir(global_settings))):
        bare = name.removeprefix("DJUTILS_")
        ours = bare.startswith("QUEUE_")
        near = get_close_matches(bare, NAMES, n=1, cutoff=0.6 if ours else _NEARLY)
        if name not in NAMES and (ours or near):
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(NAMES))}."
            if name in _FORMER:
                hint = f"It is called {_FORMER[name]} now."
            found.append(Warning(f"{name} is not a setting of djutils.", hint=hint, id="djutils.W001"))
    return found


@register("djutils")
def check_backend(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a backend that cannot be loaded, or a database alias that does not exist; no connection is made."""
    found: list[CheckMessage] = []
    for name in ("", *settings.listed_queues):
        try:
            _ = queues.fresh(name or settings.queue_name).transaction_alias
        except ConfigurationError as error:
            where = f"QUEUES[{name!r}]: " if name else ""
            found.append(Error(f"{where}{error}", id="djutils.E001"))
    return found


@register("djutils")
def check_middleware(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a ``QUEUE_MIDDLEWARE`` that cannot be loaded: without it no command could be sent or run."""
    try:
        every_middleware()
    except ConfigurationError as error:
        return [Error(str(error), id="djutils.E003")]
    return []


@register("djutils")
def check_carry(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a wrong ``QUEUE_CARRY``, and warn of one that no middleware reads."""
    try:
        listed = carriers()
    except ConfigurationError as error:
        return [Error(str(error), id="djutils.E060")]
    with suppress(ConfigurationError):  # reported by check_middleware
        if listed and not any(isinstance(one, CarryContext) for one in every_middleware()):
            path = f"{CarryContext.__module__}.{CarryContext.__qualname__}"
            return [
                Warning(
                    "QUEUE_CARRY is set, and nothing is carried: CarryContext is not in QUEUE_MIDDLEWARE.",
                    hint=f"Add '{path}' to QUEUE_MIDDLEWARE.",
                    id="djutils.W060",
                )
            ]
    return []


@register("djutils")
def check_values(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse values of the wrong type or range. Values are not shown: any of them may contain a secret."""
    return [
        Error(
            f"{name} must be {rule}. Its value is not, and is not shown; its type is {type(value).__name__}.",
            hint=f"The default is {getattr(type(settings), name)!r}.{_hint_at_text(name, value)}",
            id="djutils.E002",
        )
        for name, (fits, rule) in _RULES.items()
        if not fits(value := getattr(settings, name))
    ]


@register("djutils")
def check_schedules(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a periodic command that runs more often than its ``crontab`` suggests."""
    with suppress(
        Exception, SystemExit
    ):  # the consumer, which cannot start without them, reports what is wrong
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
    """Refuse empty keys, with which anyone could sign."""
    try:
        secrets_in_use()
    except ConfigurationError as error:
        return [Error(str(error), id="djutils.E030")]
    return []


@register("djutils", deploy=True)
def check_strength_of_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of keys that are easy to guess."""
    try:
        secrets = secrets_in_use()
    except ConfigurationError:
        return []
    return [
        Warning(
            f"{name} is weak, and anyone who guesses it can sign messages and so run code in your workers.",
            hint="Use 50 random characters: django.core.management.utils.get_random_secret_key().",
            id="djutils.W030",
        )
        for name, secret in secrets.items()
        if is_weak(secret)
    ]


@register("djutils")
def check_distribution(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Detect the other project whose distribution is named ``djutils``; it has the same import name."""
    try:
        other = distribution("djutils")
    except PackageNotFoundError:
        return []
    if any(script.name == "djutils-consumer" for script in other.entry_points):
        return []  # ours, from before the distribution was renamed to djutils-queue
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


def _hint_at_text(name: str, value: Any) -> str:
    """Return what to do with text: values from the environment are text, not numbers."""
    converted = _CONVERTED.get(name)
    if not (converted and isinstance(value, str)):
        return ""
    return f" Write it without quotes; what comes from the environment is text, so convert it: {converted}."


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_age_or_none(value: Any) -> bool:
    try:
        return value is None or bool(as_age(value))
    except ValueError:
        return False


def _is_usable_backoff(value: Any) -> bool:
    if not is_backoff(value):
        return False
    try:
        if callable(value):
            signature_of(value).bind(1)
        else:
            RetryPolicy(2, value).delay_after(1)
    except (TypeError, OverflowError):
        return False
    except ValueError:  # a builtin without a signature
        pass
    return True


def _is_text(value: Any, longest: int = 200) -> bool:
    return isinstance(value, str) and len(value) <= longest


def _is_name(value: Any) -> bool:
    return _is_text(value) and not any(category(letter) == "Cc" for letter in value)


_COUNT = (_is_count, "an integer, 1 or more")
_BOOLEAN = (lambda value: isinstance(value, bool), "True or False")
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "QUEUE_MAX_ATTEMPTS": _COUNT,
    "QUEUE_MAX_CRASHES": _COUNT,
    "QUEUE_MAX_MESSAGE_SIZE": _COUNT,
    "QUEUE_BACKOFF": (
        _is_usable_backoff,
        "seconds, (seconds, longest), or a function from the attempt to seconds",
    ),
    "QUEUES": (are_places, PLACES),
    "QUEUE_NAME": (_is_name, "text of at most 200 characters, without control characters"),
    "QUEUE_CONNECTION": (lambda value: _is_text(value, 4000), "text of at most 4000 characters"),
    "QUEUE_DEAD_LETTERS_KEPT": (_is_age_or_none, "None, a timedelta, seconds, or text such as '30d'"),
    "QUEUE_EAGER": _BOOLEAN,
    "QUEUE_RESULTS": _BOOLEAN,
    "QUEUE_RESULT_TTL": (is_ttl, "seconds or a timedelta, above 0"),
    "QUEUE_MAX_RESULT_SIZE": (
        lambda value: _is_count(value) and value <= LARGEST,
        f"an integer, 1 to {LARGEST}",
    ),
    "QUEUE_RESULT_STORE": (is_result_store, RESULT_STORES),
    "QUEUE_SCHEDULE_GRACE": (
        lambda value: value is None or is_ttl(value),
        "None, seconds or a timedelta, above 0",
    ),
}
_COUNTED = "int(os.environ['NAME'])"
_TRUE = "os.environ['NAME'] == 'True'"
_CONVERTED = {
    "QUEUE_MAX_ATTEMPTS": _COUNTED,
    "QUEUE_MAX_CRASHES": _COUNTED,
    "QUEUE_MAX_MESSAGE_SIZE": _COUNTED,
    "QUEUE_BACKOFF": "float(os.environ['NAME'])",
    "QUEUE_EAGER": _TRUE,
    "QUEUE_RESULTS": _TRUE,
    "QUEUE_MAX_RESULT_SIZE": _COUNTED,
    "QUEUE_RESULT_TTL": "float(os.environ['NAME'])",
}
"""How to convert the text of an environment variable to the value of a setting."""
