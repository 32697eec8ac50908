"""The stamps of :mod:`bench.stamps` for a peer that runs commands in several processes or threads.

Each thread of each process writes its own file; the reader adds them up.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.stamps import Stamps


class Slots:
    """The writing side. ``hit()`` costs about half a microsecond."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._local = threading.local()
        self._kept = False
        os.register_at_fork(after_in_child=self._forget)

    def hit(self, count: int = 1) -> None:
        """Note that a command has begun, or ``count`` of them."""
        try:
            stamps = self._local.stamps
        except AttributeError:
            stamps = self._claim()
        stamps.hit(count)

    def keep_over_fork(self) -> None:
        """For a worker that forks for each command, one after another: the children write in its slot."""
        self._claim()
        self._kept = True

    def _claim(self) -> Stamps:
        self._folder.mkdir(exist_ok=True)
        name = f"{os.getpid()}-{threading.get_native_id()}"
        self._local.stamps = Stamps(self._folder / name)
        return self._local.stamps

    def _forget(self) -> None:
        if not self._kept:
            self._local = threading.local()


class Tally:
    """The reading side, in another process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._slots: dict[str, Stamps] = {}
        self._all_began: tuple[float, int] | None = None

    def look(self) -> None:
        """Find the slots that are new."""
        if self._folder.is_dir():
            new = {path.name: path for path in self._folder.iterdir() if path.name not in self._slots}
            self._slots |= {name: Stamps(path) for name, path in new.items()}

    @property
    def count(self) -> int:
        return sum(slot.count for slot in self._slots.values())

    @property
    def first(self) -> float:
        return min(slot.first for slot in self._slots.values() if slot.count)

    @property
    def last(self) -> float:
        return max(slot.last for slot in self._slots.values())

    @property
    def processes(self) -> int:
        """How many processes have run commands."""
        return len({name.partition("-")[0] for name, slot in self._slots.items() if slot.count})

    def wait_for(
        self,
        count: int,
        patience: float,
        processes: int = 1,
        pause: float = 0.005,
        check: Callable[[], object] = bool,
    ) -> None:
        """Return when ``count`` commands have begun; ``TimeoutError`` after ``patience`` seconds without one.

        Notes on the way when ``processes`` were at work: until then the store had less to do than it will.
        ``check`` is called in between, to raise what makes waiting futile.
        """
        seen, deadline = -1, time.monotonic() + patience
        while (began := self._update()) < count:
            if began > seen:
                seen, deadline = began, time.monotonic() + patience
            if time.monotonic() > deadline:
                raise TimeoutError(f"{began} of {count} commands began, and none for {patience:.0f} s")
            if self._all_began is None and processes > 1 and self.processes >= processes:
                self._all_began = self.last, began
            check()
            time.sleep(pause)

    def _update(self) -> int:
        self.look()
        return self.count

    def per_second(self, batch: int) -> float:
        """Commands per second while all processes were at work.

        ``batch`` were received before the first one began: receiving them is not in the time, so they are
        not counted either.
        """
        if self._all_began is not None and self._all_began[1] < self.count / 2:
            began, before = self._all_began
            return (self.count - before) / (self.last - began)
        return (self.count - batch) / (self.last - self.first)
