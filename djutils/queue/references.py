"""Model instances as references: ``app_label.model:pk@alias`` travels in the place of the row."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from . import codec


class Reference(NamedTuple):
    """A model instance among the arguments of a call, as it travels; it is equal to that instance."""

    model: str
    """``app_label.model``, in lower case."""
    key: str
    """The primary key as text; of a composite one, its values as JSON."""
    alias: str
    """The database that the instance was loaded from or saved to."""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Model) and is_saved(other):
            other = reference_to(other)
        return isinstance(other, Reference) and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return tuple.__hash__(self)

    def __repr__(self) -> str:
        return f"{self.model}:{self.key}@{self.alias}"


def is_saved(instance: Model) -> bool:
    """Return whether ``instance`` has a row, as far as it knows itself."""
    # A key alone shows nothing: a UUID is there before the row is.
    key = instance.pk
    return not (instance._state.adding or key is None or (isinstance(key, tuple) and None in key))


def reference_to(instance: Model) -> Reference:
    """Return the reference to ``instance``. Raises ``ValueError`` unless it is saved."""
    meta = instance._meta
    if not is_saved(instance):
        raise ValueError(
            f"models='fresh' sends a reference to its row, and this {meta.object_name} is not saved, or was "
            f"deleted; nothing was sent. Save it first."
        )
    alias = instance._state.db or DEFAULT_DB_ALIAS
    return Reference(meta.label_lower, meta.pk.value_to_string(instance), alias)


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        if type(value) is Reference:  # of a call that is sent on without having run
            return tuple(value)
        return tuple(reference_to(value)) if isinstance(value, Model) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, body: bytes, look_up: Callable[[Reference], Any]) -> None:
        super().__init__(io.BytesIO(body))
        self._look_up = look_up

    def persistent_load(self, id: Any) -> Any:
        return self._look_up(Reference(*id))


def _pickled(data: object) -> bytes:
    file = io.BytesIO()
    _Pickler(file, protocol=5).dump(data)
    return file.getvalue()


def dump(data: object) -> bytes:
    """Return ``data`` pickled, with a reference in the place of each model instance.

    Raises ``NotPicklable``, which names the part that cannot be pickled, also for an instance that is not saved.
    """
    try:
        return _pickled(data)
    except Exception as error:  # as there, a __reduce__ may raise anything
        raise codec.not_picklable(data, error, _pickled) from error


def _itself(reference: Reference) -> Reference:
    return reference


def load(body: bytes, look_up: Callable[[Reference], Any] = _itself) -> Any:
    """Unpickle ``body``, with what ``look_up`` returns in the place of each model instance: by default its reference.

    ``body`` must come from a verified message. No database is asked, unless by ``look_up``. Raises ``NotUnpicklable``.
    """
    return codec.load(body, lambda data: _Unpickler(data, look_up).load())


def references_in(body: bytes) -> set[Reference]:
    """Return the references in ``body``; otherwise as ``load``."""
    found: set[Reference] = set()

    def note(reference: Reference) -> Reference:
        found.add(reference)
        return reference

    load(body, note)
    return found
