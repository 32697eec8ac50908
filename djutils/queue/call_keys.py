"""The key of a call: what ``key=`` makes of its arguments, or a digest of all of them."""

from __future__ import annotations

import copy
import copyreg
import hashlib
from collections.abc import Callable, Iterator
from inspect import Parameter
from string import Formatter
from types import BuiltinFunctionType, FunctionType
from typing import Annotated, Any, TypedDict
from uuid import UUID

from .command import Command
from .command_options import TEXT, Option
from .exceptions import EnqueueError, InvalidCommand, NotPicklable
from .signatures import signature_of

Key = str | Callable[..., str | int | UUID]
"""A format string over the arguments, or a function of them."""

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_VARIOUS = {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}


def _is_key(value: Any) -> bool:
    return callable(value) or TEXT.accepts(value)


class KeyOptions(TypedDict, total=False):
    """The option that says what the key of a call is made of."""

    key: Annotated[Key, Option(_is_key, "a format string over the arguments, or a function of them")]


class CalledKeyOptions(TypedDict, total=False):
    """The key of a single call."""

    key: Annotated[str, TEXT]


def key_of(command: Command) -> str | None:
    """Return the key of this call: that of ``using(key=...)``, else what its class declares; None if there is neither.

    Raises ``EnqueueError`` if it cannot be computed from the arguments.
    """
    given: str | None = vars(command).get("key")
    declared = type(command).key
    if given is not None or declared is None:
        return given
    try:
        if isinstance(declared, str):
            return declared.format(**_arguments_of(command))
        args, kwargs = _call_of(command)
        key = declared(*args, **kwargs)
    except Exception as error:
        raise EnqueueError(
            f"The key of this '{command.name}' cannot be computed: key= raised {type(error).__name__}: {error}; nothing "
            f"was sent."
        ) from error
    if type(key) is not bool and isinstance(key, str | int | UUID):
        return str(key)
    raise EnqueueError(
        f"The function given as key= of '{command.name}' must return text, an integer or a UUID, and it returned "
        f"{type(key).__name__}; nothing was sent."
    )


def digest_of(command: Command) -> str:
    """Return a digest of all arguments: the same however they are passed, defaults included.

    With ``models="fresh"`` a model instance counts as what is sent of it, the reference to its row. Raises ``NotPicklable``
    for an argument that has no stable form.
    """
    try:
        arguments = _canonical(_arguments_of(_as_sent(command)))
    except Exception as error:  # whatever the pickling code of an argument raises
        raise NotPicklable(
            f"The arguments of this '{command.name}' cannot be compared with those of other calls "
            f"({type(error).__name__}: {error}); nothing was sent. Declare key=, which says what to compare."
        ) from error
    return hashlib.sha256(arguments.encode("utf-8", "surrogatepass")).hexdigest()


def refuse_wrong_key(command_class: type[Command]) -> None:
    """Raise ``InvalidCommand`` for a ``key=`` of this class that names what is not among its arguments."""
    if not isinstance(key := command_class.key, str):
        return
    names, is_open = ["data"], False
    if is_a_function(command_class):
        parameters = signature_of(command_class.function, follow_wrapped=False).parameters.values()
        names = [one.name for one in parameters if one.kind not in _VARIOUS]
        is_open = any(one.kind is Parameter.VAR_KEYWORD for one in parameters)
    try:
        wrong = [field for field in _fields(key) if not field or not (is_open or field in names)]
    except ValueError as error:
        raise InvalidCommand(f"key={key!r} of '{command_class.name}' is no format string: {error}.") from None
    if wrong:
        raise InvalidCommand(
            f"key={key!r} of '{command_class.name}' uses '{{{wrong[0]}}}', which is none of its arguments "
            f"({', '.join(names) or 'it has none'})."
        )


def is_a_function(command_class: type[Command]) -> bool:
    """Return whether the class was made from a decorated function, whose arguments are its data."""
    return command_class.function is not command_class.execute


def _as_sent(command: Command) -> Command:
    if type(command).models is None:
        return command
    sent = copy.copy(command)
    sent.data = command.load(command.dump(command.data))
    return sent


def _fields(text: str) -> Iterator[str]:
    for _, field, _, conversion in Formatter().parse(text):
        if conversion not in {None, "", "a", "r", "s"}:
            raise ValueError(f"'!{conversion}' is no conversion")
        if field is not None:
            name = field.partition(".")[0].partition("[")[0]
            yield "" if name.isdigit() else name


def _call_of(command: Command) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not is_a_function(type(command)):
        return (command.data,), {}
    args, kwargs = command.data or ((), {})
    return tuple(args), dict(kwargs)


def _arguments_of(command: Command) -> dict[str, Any]:
    """Return the arguments by name, defaults included."""
    if not is_a_function(type(command)):
        return {"data": command.data}
    args, kwargs = _call_of(command)
    signature = signature_of(type(command).function, follow_wrapped=False)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    arguments = dict(bound.arguments)
    for one in signature.parameters.values():
        if one.kind is Parameter.VAR_KEYWORD:
            arguments |= arguments.pop(one.name)
    return arguments


def _canonical(value: Any) -> str:
    """Return a text that is the same for equal values in every process, as a pickle is not.

    A pickle depends on the order in which a dictionary was filled or a set happens to be, and on which equal
    parts are one object.
    """
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)
    if kind in {list, tuple}:
        return f"{kind.__name__}({','.join(map(_canonical, value))})"
    if kind in {set, frozenset}:
        return f"{kind.__name__}({','.join(sorted(map(_canonical, value)))})"
    if kind is dict:
        return (
            f"dict({','.join(sorted(f'{_canonical(key)}:{_canonical(one)}' for key, one in value.items()))})"
        )
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    reduce = copyreg.dispatch_table.get(kind)
    reduced = reduce(value) if reduce else value.__reduce_ex__(4)
    if isinstance(reduced, str):
        return f"{kind.__module__}.{reduced}"
    rebuild, args, state, items, pairs = (*reduced, *(None,) * 5)[:5]
    parts = (rebuild, args, state, list(items or ()), dict(pairs or ()))
    return f"{kind.__module__}.{kind.__qualname__}({','.join(map(_canonical, parts))})"
