"""Which middleware there is, djutils' own and the project's, and what of it a class of commands passes through.

From the outside in: ``expires``, limits, ``fuse``, ``time_limit``, what ``QUEUE_MIDDLEWARE`` names, in its order, ``atomic``, ``models`` and
``at_most_once``, which is acknowledged when everything else is ready.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from .call_keys import CalledKeyOptions, KeyOptions, refuse_wrong_key
from .command import Command
from .command_options import CallOptions, CoreOptions, Option, check_options, options_of
from .conf import settings
from .exceptions import ConfigurationError, EnqueueError, InvalidCommand
from .keeping import ResultOptions
from .message import Message
from .middleware.at_most_once import AtMostOnce, AtMostOnceOptions, refuse_retries
from .middleware.atomic import Atomic, AtomicOptions
from .middleware.base import Layer, Middleware, awaited_layer_of, defines, layer_of
from .middleware.expires import Expires, ExpiresOptions
from .middleware.fresh_models import FreshModels, ModelOptions
from .middleware.fuse import FuseOptions, Fuses, check_fuse
from .middleware.limits import LimitOptions, Limits, check_limits
from .middleware.time_limit import TimeLimit, TimeLimitOptions
from .retry import exception_classes
from .uniqueness import IdempotencyOptions, UniqueOptions, check_unique, refuse_idle_ttl


class DeclaredOptions(
    CoreOptions,
    TimeLimitOptions,
    AtomicOptions,
    ResultOptions,
    ExpiresOptions,
    AtMostOnceOptions,
    ModelOptions,
    KeyOptions,
    UniqueOptions,
    LimitOptions,
    FuseOptions,
    total=False,
):
    """All options of djutils that are given where a command is declared."""


class CalledOptions(CallOptions, ExpiresOptions, CalledKeyOptions, IdempotencyOptions, total=False):
    """All options of djutils that are given to a single call, with ``using()``."""


DECLARED = options_of(DeclaredOptions)
CALLED = options_of(CalledOptions)
USE_THE_KEY = ("unique", "concurrency", "rate", "ordered")
"""The declared options that the key of a call is for; where none of them is given, a key is refused."""


class Chain(NamedTuple):
    """What the commands of one class pass through, with the outermost first."""

    sent: tuple[Middleware, ...]
    layers: tuple[Layer, ...]
    awaited_layers: tuple[Layer, ...]
    """The same around a command that is awaited."""


@cache
def every_middleware() -> tuple[Middleware, ...]:
    """Return every middleware of this process. Raises ``ConfigurationError`` for a wrong ``QUEUE_MIDDLEWARE``."""
    paths = settings.QUEUE_MIDDLEWARE
    if not isinstance(paths, list | tuple):
        raise ConfigurationError(
            f"QUEUE_MIDDLEWARE must be a list of dotted paths, as MIDDLEWARE is; it is of the type {type(paths).__name__}."
        )
    own = (Atomic(), FreshModels(), AtMostOnce())
    return (Expires(), Limits(), Fuses(), TimeLimit(), *(_made(*one) for one in enumerate(paths)), *own)


_chains: dict[tuple[type[Command], bool], Chain] = {}


def chain_of(command_class: type[Command], *, carries: bool = False) -> Chain:
    """Return what the commands of this class pass through. Raises ``ConfigurationError`` as ``every_middleware``.

    ``carries``: if the call has options, or the message extras, so that more may act on it than on others of its class.
    """
    return _chains.get((command_class, carries)) or _make_chain(command_class, carries)


def _make_chain(command_class: type[Command], carries: bool) -> Chain:
    own = [one for one in every_middleware() if one.applies_to(command_class) or (carries and one.extras)]
    chain = _chains[command_class, carries] = Chain(
        tuple(one for one in own if defines(one, "sent")),
        tuple(layer_of(one) for one in own if defines(one, "run")),
        tuple(awaited_layer_of(one) for one in own if defines(one, "run")),
    )
    return chain


def pass_through(sent: tuple[Middleware, ...], command: Command, message: Message) -> Message:
    """Return the message that is to be sent for ``command``.

    Raises ``ConfigurationError`` for a middleware that returns none, or changes more than the extras.
    """
    for one in sent:
        changed: Any = one.sent(command, message)
        if not isinstance(changed, Message) or changed[:-1] != message[:-1]:
            name = type(one).__qualname__
            raise ConfigurationError(
                f"{name}.sent() must return the message that it was given, or message.with_extras(...), and it "
                f"returned {'another' if isinstance(changed, Message) else type(changed).__name__}; nothing was sent."
            )
        message = changed
    return message


def check_declared(options: Mapping[str, Any], where: str, known: dict[str, Option] = DECLARED) -> None:
    """Raise ``InvalidCommand`` for options that are neither ``known`` nor a middleware's, or an invalid value."""
    _check(options, known, "options", where)


def check_together(command_class: type[Command], where: str) -> None:
    """Raise ``InvalidCommand`` for options of a class, its own or inherited, that contradict each other."""
    refuse_retries(command_class, where)
    check_unique(command_class, where)
    refuse_wrong_key(command_class)
    if command_class.key is not None and not _uses_the_key(command_class):
        raise InvalidCommand(
            f"key has no effect on {where} without {' or '.join(USE_THE_KEY)}: add it, or leave key out."
        )
    check_limits(command_class, where)
    check_fuse(command_class, where)
    if command_class.models is None and command_class.on_missing != Command.on_missing:
        raise InvalidCommand(
            f"on_missing of {where} is for models='fresh': add that, or leave on_missing out."
        )
    if both := {*exception_classes(command_class.retry_on)} & {*exception_classes(command_class.discard_on)}:
        names = ", ".join(sorted(one.__name__ for one in both))
        raise InvalidCommand(
            f"retry_on and discard_on of {where} both have {names}: leave it in one of them. A subclass of it may be in the other."
        )


def refuse_idle_options(command: Command) -> None:
    """Raise ``EnqueueError`` for options of this call that would have no effect."""
    refuse_idle_ttl(command)
    if vars(command).get("key") is not None and not _uses_the_key(type(command)):
        raise EnqueueError(
            f"using(key=...) has no effect on '{command.name}', which is declared without {' or '.join(USE_THE_KEY)}; nothing "
            f"was sent. Declare it so, or leave key out."
        )


def _uses_the_key(command_class: type[Command]) -> bool:
    return any(getattr(command_class, option) for option in USE_THE_KEY)


def check_called(options: Mapping[str, Any], where: str) -> None:
    """Raise ``InvalidCommand`` for options that ``using()`` does not take, or an invalid value."""
    _check(options, CALLED, "call_options", where)


def called_options() -> dict[str, Option]:
    """Return every option of a single call, djutils' own and those of the project's middleware."""
    return CALLED | dict(_added("call_options"))


def _check(options: Mapping[str, Any], own: dict[str, Option], kind: str, where: str) -> None:
    # The settings are read only for an option that djutils does not have.
    known = own if options.keys() <= own.keys() else own | dict(_added(kind))
    check_options(options, known, where)


def _added(kind: str) -> Iterator[tuple[str, Option]]:
    for one in every_middleware():
        if fields := getattr(one, kind):
            yield from options_of(fields).items()


def _made(number: int, path: Any) -> Middleware:
    """Return the middleware at ``path``, which no error shows unless it was found: it may be a secret in the wrong place."""
    which = f"QUEUE_MIDDLEWARE[{number}]"
    try:
        made = import_string(path)()
    except ImportError as error:
        if error.name and not str(path).startswith(error.name):
            raise ConfigurationError(f"{which} needs '{error.name}', which cannot be imported.") from error
        raise ConfigurationError(
            f"{which} is not found. Name a class by its dotted path, such as 'shop.middleware.CarryTenant'; is "
            f"its module on the path of this process?"
        ) from None  # its message names the path
    except Exception as error:  # the project's code may raise anything
        raise ConfigurationError(
            f"{which} cannot be made ({type(error).__name__}: {error}). It must name a class that is called without arguments."
        ) from error
    if not isinstance(made, Middleware):
        raise ConfigurationError(f"{which} is no subclass of djutils.queue.Middleware.")
    return made


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "QUEUE_MIDDLEWARE":
        every_middleware.cache_clear()
        _chains.clear()


setting_changed.connect(_forget)
