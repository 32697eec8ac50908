"""What a store is: small values by key, each of which expires by itself.

A store never interprets a value. What each method must do, in executable form, is
``djutils.testing.contract_store.StoreContract``.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote

from djutils.queue.exceptions import BackendError, NotStorable

T = TypeVar("T")

LARGEST = 1024 * 1024
"""Most bytes of one value: every server that we know takes a mebibyte in its default configuration."""
_LONGEST_LIFE = 100 * 366 * 24 * 3600
_MOST = 1 << 63
_LONGEST_KEY = 255
_COUNT = re.compile(rb"-?[0-9]{1,19}")
AT_ONCE = 500
"""Most keys to name in one call or statement: SQLite counts them, MariaDB and MySQL count their bytes."""
_BYTES = 2 * LARGEST


class Store:
    """Opaque values by key, each with a time to live.

    A key is any text; keys compare exactly (case, accents, blanks at the end), however long they are, and each
    store name has its own. A value is up to 1 MiB of bytes. A time to live is a number of seconds, a fraction
    included, by the clock of the store: when it is over, the key is absent for every method.

    Errors of the driver are raised as ``BackendError``; ``BackendUnavailable`` means that calling again later
    may help, and that the call may or may not have taken effect. Setting and deleting again are harmless; an
    ``add`` or ``increment`` whose reply was lost is not to be repeated blindly. ``NotStorable`` is raised for
    what no store keeps, and then nothing was changed.
    """

    def __init__(self, name: str) -> None:
        """Remember the store's name; connect only when needed."""
        self.name = name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def get(self, keys: Collection[str]) -> dict[str, bytes]:
        """Return the values of ``keys``; those that are absent or have expired are left out.

        The value of a counter is its decimal digits.
        """
        asked = {self.stored_key(key): key for key in several(keys)}
        return {asked[stored]: value for stored, value in self._get(list(asked)).items()} if asked else {}

    def set(self, values: Mapping[str, bytes], ttl: float) -> None:
        """Keep ``values`` for ``ttl`` seconds, in the place of whatever their keys had.

        In a database all of them or none. Elsewhere, after an error, any of them may have been set.
        """
        lifetime = checked_ttl(ttl)
        stored = {self.stored_key(key): checked_value(value) for key, value in values.items()}
        if stored:
            self._set(stored, lifetime)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        """Keep ``value`` for ``ttl`` seconds unless ``key`` is there; return whether it was added.

        Atomic: of any number of callers with one key, exactly one gets True until it expires or is deleted.
        """
        return self._add(self.stored_key(key), checked_value(value), checked_ttl(ttl))

    def increment(self, key: str, by: int, ttl: float) -> int:
        """Add ``by``, which may be negative, to the counter ``key`` and return what it is now; atomic.

        A counter that is absent starts at 0 and expires ``ttl`` seconds after it was made; counting does not
        prolong its life. It has 64 bits. Raises ``BackendError`` if the count would not fit or the value
        is no counter; then nothing was changed.
        """
        if type(by) is not int or not -_MOST < by < _MOST:
            raise NotStorable(
                f"A counter counts by an integer of 64 bits, not by {by!r}; nothing was changed."
            )
        return self._increment(self.stored_key(key), by, checked_ttl(ttl))

    def delete(self, keys: Collection[str]) -> int:
        """Delete ``keys`` and return how many of them were there."""
        stored = list(dict.fromkeys(map(self.stored_key, several(keys))))
        return self._delete(stored) if stored else 0

    def remove_expired(self, count: int) -> int:
        """Free the space of up to ``count`` keys that have expired, of any store in the same place; return how many.

        A chore of the consumer calls it. Returns 0 where the store does that by itself.
        """
        return 0

    def stored_key(self, key: str) -> str:
        """Return the text under which this store keeps ``key``; raise ``NotStorable`` if ``key`` is no text."""
        return stored_key(self.name, key)

    # What a store defines. Keys are those of ``stored_key``; there is at least one, and none twice.

    def _get(self, keys: list[str]) -> dict[str, bytes]:
        raise NotImplementedError

    def _set(self, values: dict[str, bytes], ttl: float) -> None:
        raise NotImplementedError

    def _add(self, key: str, value: bytes, ttl: float) -> bool:
        raise NotImplementedError

    def _increment(self, key: str, by: int, ttl: float) -> int:
        raise NotImplementedError

    def _delete(self, keys: list[str]) -> int:
        raise NotImplementedError


def stored_key(name: str, key: str) -> str:
    """Return the text under which a store called ``name`` keeps ``key``: different for every pair.

    At most 255 printable ASCII characters: anything else is kept under its SHA-256.
    """
    if not isinstance(key, str):
        raise NotStorable(f"A key must be text, not of type {type(key).__name__}; nothing was changed.")
    text = f"{_quoted(name)}:{key}"
    if len(text) <= _LONGEST_KEY and text.isascii() and text.isprintable():
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=1024)
def _quoted(name: str) -> str:
    return quote(name, safe=" ", errors="surrogatepass")


def several(keys: Collection[str]) -> Collection[str]:
    """Return ``keys``; raise ``NotStorable`` for a single text, whose letters would be taken for keys."""
    if isinstance(keys, str):
        raise NotStorable(f"Name several keys, as in [{keys!r}]; nothing was changed.")
    return keys


def checked_ttl(ttl: float) -> float:
    """Return ``ttl``; raise ``NotStorable`` if it is not a number of seconds between 0 and 100 years."""
    if type(ttl) in {int, float} and 0 < ttl <= _LONGEST_LIFE:
        return ttl
    raise NotStorable(
        f"A time to live is a number of seconds above 0, up to 100 years, not {ttl!r}; nothing was changed."
    )


def checked_value(value: bytes) -> bytes:
    """Return ``value``; raise ``NotStorable`` if it is not bytes, or has too many of them."""
    if not isinstance(value, bytes):
        raise NotStorable(f"A value must be bytes, not of type {type(value).__name__}; nothing was changed.")
    if len(value) > LARGEST:
        raise NotStorable(
            f"A value has {len(value):,} bytes; a store takes up to {LARGEST:,}. Nothing was changed. Keep the data "
            f"elsewhere (a row, a file), and a reference to it here."
        )
    return value


def as_bytes(stored: object) -> bytes:
    """Return what a server gave for bytes: SQLite keeps any type in a column of bytes, a cache its own numbers."""
    return bytes(stored) if isinstance(stored, bytes | memoryview) else str(stored).encode()


def milliseconds(ttl: float) -> int:
    """Return ``ttl`` in milliseconds, rounded up: no value lives for less than was asked."""
    return math.ceil(ttl * 1000)


def counted(value: bytes, by: int) -> int:
    """Return the counter ``value`` plus ``by``; raise ``BackendError`` if it is none, or would not fit."""
    if not _COUNT.fullmatch(value):
        raise BackendError("The value of this key is not a counter; nothing was changed.")
    count = int(value) + by
    if not -_MOST <= count < _MOST:
        raise BackendError("This counter would exceed 64 bits; nothing was changed.")
    return count


def parts(values: Mapping[str, bytes], most: int = AT_ONCE) -> Iterator[dict[str, bytes]]:
    """Yield ``values`` in parts for one call each: up to ``most``, limited by their bytes, at least one each."""
    part: dict[str, bytes] = {}
    size = 0
    for key, value in values.items():
        if part and (len(part) >= most or size + len(value) > _BYTES):
            yield part
            part, size = {}, 0
        part[key] = value
        size += len(value)
    if part:
        yield part


def looked_up(keys: Collection[str], look: Callable[[list[str]], Iterable[bytes | None]]) -> dict[str, bytes]:
    """Return the values that ``look`` returns for parts of ``keys``, in their order; it returns None for one that is absent."""
    pairs = (pair for some in slices(keys) for pair in zip(some, look(some), strict=True))
    return {key: value for key, value in pairs if value is not None}


def slices(keys: Collection[T]) -> Iterator[list[T]]:
    """Yield ``keys`` without duplicates, in parts for one call or statement each."""
    each = [*dict.fromkeys(keys)]
    for start in range(0, len(each), AT_ONCE):
        yield each[start : start + AT_ONCE]
