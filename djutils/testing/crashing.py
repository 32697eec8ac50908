"""Playing the death of a worker in a test, at a chosen moment of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

Moment = Literal["before_run", "after_run"]
"""Lent and not begun; or run to its end, and not yet settled."""

_planned: list[Moment] = []


@contextmanager
def crash(at: Moment = "after_run", *, times: int = 1) -> Iterator[None]:
    """Let the worker die ``times`` times while ``drain()`` runs commands in this context.

    ``after_run`` is the moment that decides whether a command may run twice: it has done its work, and its
    message is not settled yet. At ``before_run`` nothing has begun. Each death takes the next command that is run. As in
    production, the message then goes to another worker, with a crash counted and no attempt spent, and ``drain()``
    goes on; a queue with four methods has lost it. What the command raised dies with its worker. A command with ``atomic=True``
    has committed its acknowledgement together with its writes, so that it does not run again.

    Raises ``ValueError`` for another moment or number, and ``AssertionError`` if no command was run in the context, or
    too few: a crash that did not happen has tested nothing.
    """
    if at not in get_args(Moment):
        raise ValueError(f"crash(at={at!r}): the moments are {', '.join(get_args(Moment))}.")
    if type(times) is not int or times < 1:
        raise ValueError(f"crash(times={times!r}): the number of deaths is 1 or more.")
    outer = [*_planned]
    _planned[:] = [at] * times
    try:
        yield
        if _planned:
            raise AssertionError(
                f"crash(at={at!r}): {len(_planned)} of {times} did not happen, because drain() ran no more commands here."
            )
    finally:
        _planned[:] = outer


def dies_now(moment: Moment) -> bool:
    """Return whether the worker dies at this moment; each planned death is told of once."""
    if _planned and _planned[0] == moment:
        _planned.pop(0)
        return True
    return False
