"""What the example prints: its steps, the progress bar, the figures at the end."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from processes import Trouble, tail

PATIENCE = 60.0
"""Seconds without any progress after which something must be wrong."""


def say(text: str, end: str = "\n") -> None:
    """Print ``text``; if the terminal is closed, the example goes on."""
    with suppress(OSError):
        print(text, end=end, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what is being done, and how long it took."""
    say(f"{what:<26}", end="")
    began = time.monotonic()
    try:
        yield
    except BaseException:
        say("")
        raise
    say(f"{time.monotonic() - began:6.1f} s")


class Figures(NamedTuple):
    """How far everything is, or was at the end."""

    visitors: int
    """How many are to sign; each means three commands. A reader who signs comes on top."""
    signed: int
    posting: float
    """Seconds until the last visitor had signed."""
    seconds: float
    """Seconds until now, or until the last command was done."""
    status: dict[str, Any]
    """What the site says."""

    @property
    def commands(self) -> int:
        """How many are done."""
        done: int = self.status["checked"] + self.status["thumbnails"] + self.status["mailed"]
        return done

    @property
    def total(self) -> int:
        """How many there will be."""
        count: int = 3 * max(self.visitors, self.status["entries"])
        return count

    @property
    def waiting(self) -> int:
        """How many are in the queue, those that run and those that wait in a lane included."""
        count: int = sum(self.status["queue"].values()) - self.dead
        return count

    @property
    def dead(self) -> int:
        """How many are dead letters."""
        count: int = self.status["queue"]["dead"]
        return count

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.signed == self.visitors and not self.waiting

    @property
    def complete(self) -> bool:
        """Whether every entry has what it should have; refused mails are the only dead letters there may be."""
        status = self.status
        mails = status["mailed"] + status["refused"]
        return {status["checked"], status["thumbnails"], mails} == {status["entries"]} and (
            self.dead <= status["refused"]
        )


def watch(ask: Callable[[], dict[str, Any]], signing: Sequence[Future[None]], log: Path) -> Figures:
    """Draw the progress until all is done, and return the figures.

    On a terminal in one line, elsewhere a line each second. Raises ``Trouble`` when a visitor is
    turned away or nothing moves any more.
    """
    began = moved = time.monotonic()
    drawn = began - 1  # the first line is printed at once
    posting, seen, previous = 0.0, (0, 0), None
    interactive = sys.stdout.isatty()
    while True:
        signed = sum(_has_signed(visitor) for visitor in signing)
        now = time.monotonic()
        if signed == len(signing) and not posting:
            posting = now - began
        figures = Figures(len(signing), signed, posting, now - began, ask())
        if (signed, figures.commands) != seen:
            moved, seen = now, (signed, figures.commands)
        # Twice the same: a reader who signs at this moment is waited for.
        finished, previous = figures.finished and figures.status == previous, figures.status
        if interactive or finished or now - drawn >= 1:
            _draw(figures, interactive, last=finished)
            drawn = now
        if finished:
            return figures._replace(seconds=max(moved - began, 0.001))
        if now - moved > PATIENCE:
            words = tail(log.read_text(errors="replace")) if log.exists() else ""
            raise Trouble(
                f"\nNothing has moved for {PATIENCE:.0f} s. The daemon's log, {log}, ends with:\n\n{words}"
            )
        time.sleep(0.1)


def _has_signed(visitor: Future[None]) -> bool:
    if not visitor.done():
        return False
    if error := visitor.exception():
        raise Trouble(f"\nA visitor was turned away: {error}\nThe site's log, site.log, may say more.")
    return True


def _draw(figures: Figures, interactive: bool, last: bool) -> None:
    total = figures.total
    rate = figures.commands / max(figures.seconds, 0.001)
    digits = len(str(total))
    words = (
        f" {figures.commands:>{digits}}/{total} done, {figures.waiting:>{digits}} waiting, {rate:3.0f}/s,"
        f" {figures.signed:>{digits}}/{figures.visitors} signed, {figures.dead} dead"
    )
    width = min(40, shutil.get_terminal_size().columns - len(words) - 12)
    full = round(max(0, width) * figures.commands / total)
    bar = "█" * full + "░" * (width - full)
    line = f"commands {bar}{words}"
    if interactive:
        say(f"\r{line}\033[K", end="\n" if last else "")
    else:
        say(line)


def summary(figures: Figures, out: Path) -> tuple[str, bool]:
    """Return what was done and how fast, and whether it is all that should have been done.

    Thumbnails and mails are counted in their folders, not in the database.
    """
    status, count = figures.status, figures.visitors
    thumbnails = len(list(out.glob("media/thumbnails/*.jpg")))
    mails = len(list(out.glob("mails/*/*.log")))
    lines = (
        (
            "entries",
            status["entries"],
            f"posted in {figures.posting:.1f} s ({count / figures.posting:.1f} posts/s)",
        ),
        (
            "commands",
            figures.commands,
            f"done in {figures.seconds:.1f} s ({figures.commands / figures.seconds:.1f} commands/s)",
        ),
        ("thumbnails", thumbnails, f"two sizes each, in {out / 'media' / 'thumbnails'}"),
        ("mails", mails, f"in {out / 'mails'}"),
        ("spam", status["spam"], "found"),
        ("retries", status["retries"], "the mail server was down for a moment"),
        ("dead letters", figures.dead, "the admin shows why, and replays them"),
    )
    stored = thumbnails >= status["thumbnails"] * 2 and mails >= status["mailed"]
    text = "\n".join(f"{what:<14}{number:>6}  {how}" for what, number, how in lines)
    return text, figures.complete and stored
