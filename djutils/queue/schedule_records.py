"""What the store beside a queue remembers of each schedule: its last run, and what did not run because of it.

Each fact has a separate key, because different processes write them: no write undoes another one. All are small texts
and JSON; nothing here is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from .stores.base import Store

_KEPT = 10 * 366 * 24 * 3600.0
"""Seconds: longer than from one leap day to the next but one."""


class Run(NamedTuple):
    """The last run of a schedule that the clocks know of."""

    minute: int
    """The minute in which it was due, as the number since the beginning of 1970; what was due until then is settled."""
    id: str = ""
    """The message that was sent for it; empty if none has been sent yet."""
    what: str = ""
    """The schedule as text: another one starts from the present."""


class Remembered(NamedTuple):
    """What the store knows of some schedules, by their names."""

    runs: dict[str, Run]
    passed: dict[str, int]
    """The last minute for which nothing was sent, because the run before it had not ended."""


class Records:
    """Reads and writes what ``store`` remembers of schedules. Every method raises ``BackendError``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, names: Iterable[str]) -> Remembered:
        """Return what is known of the schedules ``names``, in one round trip."""
        names = list(names)
        kept = self._store.get([key(name) for name in names for key in (_run, _passed)])
        told = Remembered({}, {})
        for name in names:
            # What another program has written there is as if nothing were known.
            with suppress(ValueError, TypeError, KeyError):
                told.runs[name] = _as_run(kept[_run(name)])
            with suppress(ValueError, KeyError):
                told.passed[name] = int(kept[_passed(name)])
        return told

    def begin(self, name: str, run: Run) -> None:
        """Note ``run``, of which nothing has been sent, unless something is known of ``name``."""
        self._store.add(_run(name), json.dumps(run).encode(), _KEPT)

    def note(self, name: str, run: Run) -> None:
        """Note the last run of ``name``."""
        self._store.set({_run(name): json.dumps(run).encode()}, _KEPT)

    def note_passed(self, name: str, minute: int) -> None:
        """Note that nothing was sent for ``minute``, because the last run had not ended."""
        self._store.set({_passed(name): b"%d" % minute}, _KEPT)


def _as_run(data: bytes) -> Run:
    minute, id, what = json.loads(data)
    return Run(int(minute), str(id), str(what))


def _run(name: str) -> str:
    return f"schedule run {name}"


def _passed(name: str) -> str:
    return f"schedule passed {name}"
