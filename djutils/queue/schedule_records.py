"""What the store beside a queue remembers of each schedule: its last run, and what did not run because of it.

Each fact has a separate key, because different processes write them: no write undoes another one. All are small texts
and JSON; nothing here is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from .exceptions import ScheduleError
from .stores.base import Store

_KEPT = 10 * 366 * 24 * 3600.0
"""Seconds: longer than from one leap day to the next but one."""
_ON, _OFF = b"on", b"off"


class Run(NamedTuple):
    """The last run of a schedule that the clocks know of."""

    minute: int
    """The minute in which it was due, as the number since the beginning of 1970; what was due until then is settled."""
    id: str = ""
    """The message that was sent for it; empty if none has been sent yet."""
    what: str = ""
    """The schedule as text: another one starts from the present."""


MOST_MADE = 500
"""Most schedules of one queue that are made at run time: their names are read at once."""


class Remembered(NamedTuple):
    """What the store knows of some schedules, by their names."""

    runs: dict[str, Run]
    passed: dict[str, int]
    """The last minute for which nothing was sent, because the run before it had not ended."""
    switches: dict[str, bool]
    """Whether an operator has switched it on or off; nothing for one that is as it was declared."""


class Records:
    """Reads and writes what ``store`` remembers of schedules. Every method raises ``BackendError``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, names: Iterable[str]) -> Remembered:
        """Return what is known of the schedules ``names``, in one round trip."""
        names = list(names)
        kept = self._store.get([key(name) for name in names for key in (_run, _passed, _switch)])
        told = Remembered({}, {}, {})
        for name in names:
            # What another program has written there is as if nothing were known.
            with suppress(ValueError, TypeError, KeyError):
                told.runs[name] = _as_run(kept[_run(name)])
            with suppress(ValueError, KeyError):
                told.passed[name] = int(kept[_passed(name)])
            if _switch(name) in kept:
                told.switches[name] = kept[_switch(name)] == _ON
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

    def switch(self, name: str, *, on: bool) -> None:
        """Switch ``name`` on or off."""
        self._store.set({_switch(name): _ON if on else _OFF}, _KEPT)

    def made(self) -> dict[str, bytes]:
        """Return what ``add_made`` has kept, by name."""
        names = {value.decode(errors="replace") for value in self._slots().values()}
        kept = self._store.get([_made(name) for name in names])
        return {name: kept[_made(name)] for name in sorted(names) if _made(name) in kept}

    def add_made(self, name: str, definition: bytes, *, replace: bool) -> bool:
        """Keep ``definition``; return False, and change nothing, if there is one and it is not to be replaced.

        Raises ``ScheduleError`` if there are too many. Of several processes that add one name, one gets True.
        """
        if not self._store.add(_made(name), definition, _KEPT):
            # One that is in no slot was left by a process that was killed while it added it.
            if name.encode() in self._slots().values() and not replace:
                return False
            self._store.set({_made(name): definition}, _KEPT)
        self._take_slot(name)
        return True

    def remove_made(self, name: str) -> None:
        """Forget ``name``, which was made at run time."""
        slots = [slot for slot, value in self._slots().items() if value == name.encode()]
        self._store.delete([*slots, *(key(name) for key in (_made, _run, _passed, _switch))])

    def _slots(self) -> dict[str, bytes]:
        """Return the names that were made at run time. A store lists no keys, so each is in one of so many."""
        return self._store.get([_slot(number) for number in range(MOST_MADE)])

    def _take_slot(self, name: str) -> None:
        taken = self._slots()
        if name.encode() in taken.values():
            return
        for slot in map(_slot, range(MOST_MADE)):
            if slot not in taken and self._store.add(slot, name.encode(), _KEPT):
                return
        self._store.delete([_made(name)])
        raise ScheduleError(
            f"There are {MOST_MADE} schedules already that were made at run time; '{name}' was not added. Keep so many in a "
            f"model, and let one periodic command look which of them are due."
        )


def _as_run(data: bytes) -> Run:
    minute, id, what = json.loads(data)
    return Run(int(minute), str(id), str(what))


def _run(name: str) -> str:
    return f"schedule run {name}"


def _passed(name: str) -> str:
    return f"schedule passed {name}"


def _switch(name: str) -> str:
    return f"schedule switch {name}"


def _made(name: str) -> str:
    return f"schedule made {name}"


def _slot(number: int) -> str:
    return f"schedule slot {number}"
