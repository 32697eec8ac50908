"""Ending a consumer, for certain: nothing of it is left, and nothing else was touched."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from djutils.queue.bin import processes
from djutils.queue.bin.pidfile import Holder, read
from djutils.queue.exceptions import ConsumerError

_MORE_THAN_GRACE = 10.0
_GRACE = 25.0
_TO_DIE = 10.0
_LOOK_EVERY = 0.02


def end(path: Path, timeout: float | None) -> str:
    """End the consumer that holds the pidfile at ``path``, and wait until nothing of it is left.

    After ``timeout`` seconds (None: its grace period and some more) all of it is killed. Answers
    a warning if it was, else ''. Raises ``ConsumerError`` if it is not ours to end.
    """
    holder = read(path)
    if holder is None or not holder.alive:
        return ""
    if not holder.pid:
        raise ConsumerError(f"The pidfile {path} is locked, but names no process: end its owner by hand.")
    if timeout is None:
        timeout = float(holder.info.get("grace", _GRACE)) + _MORE_THAN_GRACE
    try:
        with processes.Process(holder.pid) as process:
            if not _is_still(path, holder):
                return ""
            return _end(process, _finder(holder), timeout)
    except ProcessLookupError:
        return ""
    except PermissionError as error:
        raise ConsumerError(f"Process {holder.pid} belongs to another user: stop it as that user.") from error


def _is_still(path: Path, holder: Holder) -> bool:
    """Answer whether the process whose handle was just opened is the one that holds the lock."""
    now = read(path)
    if now is None or not now.alive or now.pid != holder.pid:
        return False
    recorded = now.info.get("birth", "")
    return not recorded or processes.birth(holder.pid) in {recorded, ""}


def _finder(holder: Holder) -> Callable[[], list[int]]:
    """Answer what finds the living processes of the consumer.

    A daemon has its session to itself. One in the foreground shares it with a shell: there it is
    what descends from it, remembered, for its children are not its any more when it is gone.
    """
    workers = holder.info.get("workers", [])
    if session := holder.info.get("session"):
        return lambda: processes.members(session, (holder.pid, *workers))
    seen = {pid: processes.birth(pid) for pid in processes.family(holder.pid, workers)}

    def find() -> list[int]:
        roots = [pid for pid, born in seen.items() if processes.birth(pid) == born]
        living = {pid for root in roots for pid in processes.family(root)}
        seen.update({pid: processes.birth(pid) for pid in living - seen.keys()})
        return list(living)

    return find


def _end(process: processes.Process, find: Callable[[], list[int]], timeout: float) -> str:
    deadline = time.monotonic() + timeout
    process.signal(signal.SIGTERM)
    process.wait(timeout)
    left = _wait_until_gone(find, deadline)
    if not left:
        return ""
    if stubborn := _wait_until_gone(find, time.monotonic() + _TO_DIE, kill=True):
        raise ConsumerError(f"Killed, but still there: {_list(stubborn)}.")
    return f"Warning: not ended after {timeout:g} s and killed: {_list(left)}. What ran will run again."


def _wait_until_gone(find: Callable[[], list[int]], deadline: float, kill: bool = False) -> list[int]:
    while (left := find()) and time.monotonic() < deadline:
        if kill:
            _kill(left, find)
        time.sleep(_LOOK_EVERY)
    return left


def _kill(pids: Iterable[int], find: Callable[[], list[int]]) -> None:
    with ExitStack() as stack:
        handles = []
        for pid in pids:
            with suppress(ProcessLookupError):
                handles.append(stack.enter_context(processes.Process(pid)))
        # Found again with the handle open, it is the one that was meant.
        still = set(find())
        for handle in [handle for handle in handles if handle.pid in still]:
            handle.signal(signal.SIGKILL)


def _list(pids: Iterable[int]) -> str:
    return ", ".join(str(pid) for pid in sorted(pids))
