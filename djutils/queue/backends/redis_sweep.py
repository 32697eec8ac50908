"""Finds messages of a RedisQueue that no list names, a few at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

_PAGE = 1000
_MOST_REMEMBERED = 100_000
_MOST_COMPARISONS = 500_000


class RedisSweep:
    """Gives back messages that would otherwise never be lent, and counts each as a redelivery.

    An operator may delete a key, another program may write into one, and a script may fail after it
    has removed an id from the list. The script that gives a message back first searches every list
    for it: the message cannot be anywhere else at that moment. It also deletes the keys in the hash ``unique``
    whose message is gone.

    ``run`` runs a script on the keys of one queue, ``call`` runs a command on one named key.
    """

    def __init__(self, run: Callable[..., Any], call: Callable[..., Any], unique: str) -> None:
        self._run = run
        self._call = call
        self._unique = (unique,)
        self._round = self._search()

    def go_on(self, seconds: float) -> int:
        """Search for about ``seconds``, starting where the last call ended; return how many came back."""
        deadline, back = time.monotonic() + seconds, 0
        for came_back in self._round:
            back += came_back
            if time.monotonic() > deadline:
                return back
        self._round = self._search()
        return back

    def _search(self) -> Iterator[int]:
        """Look for lost messages, in steps of a few round trips; yield how many each step gave back."""
        yield from self._pages("sweep_lent")
        yield from self._pages("sweep_keys", self._unique)
        if not self._run("sweep_count"):
            return
        yield from self._pages("sweep_dead")
        length = self._call("LLEN", "ready")
        # Only an id's hash is remembered, and only a part of a long list at a time.
        parts = 1 + length // _MOST_REMEMBERED
        for part in range(parts):
            waiting: set[int] = set()
            for ids in self._ready_ids():
                waiting.update(key for key in map(hash, ids) if key % parts == part)
                yield 0
            for ids in self._pages("sweep_find"):
                yield self._give_back(
                    [id for id in ids if hash(id) % parts == part and hash(id) not in waiting], length
                )

    def _ready_ids(self) -> Iterator[Sequence[bytes]]:
        # From the tail: messages added meanwhile only push ids towards the following pages.
        for start in count(0, _PAGE):
            if not (ids := self._call("LRANGE", "ready", start, start + _PAGE - 1)):
                return
            yield ids

    def _give_back(self, ids: Sequence[bytes], length: int) -> int:
        at_once = max(1, _MOST_COMPARISONS // (length + 1))
        parts = (ids[at : at + at_once] for at in range(0, len(ids), at_once))
        return sum(self._run("sweep_back", *part) for part in parts)

    def _pages(self, script: str, keys: tuple[str, ...] = ()) -> Iterator[Any]:
        cursor = b"0"
        while True:
            cursor, found = self._run(script, cursor, keys=keys)
            yield found
            if cursor == b"0":
                return
