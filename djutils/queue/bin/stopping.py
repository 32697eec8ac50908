"""Ending a consumer reliably: none of its processes is left, and no other process is touched."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from djutils.queue.bin import processes
from djutils.queue.bin.pidfile import Holder, read
from djutils.queue.exceptions import ConsumerError

_MORE_THAN_GRACE = 10.0
_GRACE = 25.0
_TO_DIE = 10.0
_LOOK_EVERY = 0.02
_REMEMBER_EVERY = 0.2


class Ending(NamedTuple):
    """How a consumer ended."""

    warning: str = ""
    """What had to be killed, and the consequence; empty if nothing was killed."""
    left: Sequence[str] = ()
    """Programs started by its commands that are still running: pid and name."""
    orphans: Sequence[int] = ()
    """Its worker processes that survived it and were ended."""


def was_started_by(holder: Holder) -> bool:
    """Return whether this process was started by a command of that consumer, or is part of it."""
    session = holder.info.get("session")
    ours = bool(session) and os.getsid(0) == session
    return ours or holder.pid in {os.getpid(), *processes.ancestors(os.getpid())}


def refuse_within(holder: Holder, to_restart: bool = False) -> None:
    """Raise ``ConsumerError`` where not even a detached process can end the consumer."""
    if os.getpid() in {holder.pid, *holder.info.get("workers", ())}:
        raise ConsumerError(
            "A worker process cannot stop the consumer it is part of. Run djutils-consumer as a program: "
            "subprocess.run(['djutils-consumer', 'restart', …])."
        )
    if holder.pid == 1 and to_restart:
        raise ConsumerError("This consumer is process 1 of its container: restart the container.")


class _Family:
    """The processes of a consumer, recorded while it runs: later they cannot be told apart from others.

    Its own processes are the supervisor and those it has forked: the workers, as recorded, and the
    maintainer, which is in its process group. All other descendants, and all other processes in the
    daemon's session, are programs that commands have started.
    """

    def __init__(self, holder: Holder, own: Mapping[int, str]) -> None:
        self._supervisor = holder.pid if holder.alive else 0
        self._session = holder.info.get("session")
        self._own = dict(own)
        self._programs: dict[int, tuple[str, str]] = {}
        self.workers = {pid for pid in holder.info.get("workers", ()) if isinstance(pid, int)}

    def remember(self) -> None:
        """Record the processes that exist now."""
        everyone = processes.everyone()
        if not everyone:  # no /proc: only the recorded processes are known
            self._own |= dict.fromkeys(self.workers, "")
            return
        children: dict[int, list[int]] = {}
        for pid, its in everyone.items():
            children.setdefault(its.parent, []).append(pid)
        living = self.living()
        if self._supervisor in living:
            group = everyone[self._supervisor].group if self._supervisor in everyone else 0
            for pid in children.get(self._supervisor, ()):
                if pid in self.workers or everyone[pid].group == group:
                    self._own.setdefault(pid, everyone[pid].birth)
        found = [
            *self.living(),
            *(pid for pid, (born, _) in self._programs.items() if processes.is_same(pid, born)),
        ]
        found += [pid for pid, its in everyone.items() if self._session and its.session == self._session]
        for parent in found:  # grows while it is walked
            found += [child for child in children.get(parent, ()) if child not in found]
        for pid in set(found) & everyone.keys() - self._own.keys() - {os.getpid()}:
            self._programs[pid] = everyone[pid].birth, everyone[pid].name

    def living(self) -> list[int]:
        """Return the consumer's own processes that have not ended."""
        return [pid for pid, born in self._own.items() if processes.is_same(pid, born)]

    def programs(self) -> list[str]:
        """Return pid and name of the programs started by its commands that are still running."""
        living = [(pid, name) for pid, (born, name) in self._programs.items() if processes.is_same(pid, born)]
        return [f"{pid} ({name})" for pid, name in sorted(living)]


def end(path: Path, timeout: float | None) -> Ending:
    """End the consumer that holds the pidfile at ``path``, and wait until none of its processes is left.

    After ``timeout`` seconds (None: its grace period and some more) they are killed. Programs that
    commands have started are neither waited for nor killed. Raises ``ConsumerError`` if this user
    may not end the consumer.
    """
    holder = read(path)
    if holder is None or not holder.alive:
        return Ending()
    if not holder.pid:
        raise ConsumerError(f"The pidfile {path} is locked, but names no process: end its owner by hand.")
    try:
        with processes.Process(holder.pid) as process:
            if not _is_still(path, holder):
                return Ending()
            return _end(path, process, holder, _limit(holder, timeout))
    except ProcessLookupError:
        return Ending()
    except PermissionError as error:
        raise ConsumerError(f"Process {holder.pid} belongs to another user: stop it as that user.") from error


def end_orphans(holder: Holder, timeout: float | None) -> Ending:
    """End the worker processes of a consumer that was killed, and wait for them as ``end()`` does.

    They would end by themselves once their running commands have ended.
    """
    births = holder.info.get("births")
    recorded = births.items() if isinstance(births, dict) else ()
    known = {int(pid): str(born) for pid, born in recorded if pid.isdecimal() and born}
    own = {pid: born for pid, born in known.items() if _is_his(pid, born, holder.owner)}
    if not own:
        return Ending()
    family, limit = _Family(holder, own), _limit(holder, timeout)
    deadline = time.monotonic() + limit
    family.remember()
    _signal(own, family, signal.SIGTERM)
    return _finish(family, holder, deadline, limit)._replace(orphans=sorted(own))


def _is_still(path: Path, holder: Holder) -> bool:
    """Return whether the process whose handle was just opened is still the one that holds the lock."""
    now = read(path)
    if now is None or not now.alive or now.pid != holder.pid:
        return False
    return processes.is_same(holder.pid, str(now.info.get("birth", "")))


def _end(path: Path, process: processes.Process, holder: Holder, timeout: float) -> Ending:
    family = _Family(holder, {holder.pid: processes.birth(holder.pid)})
    deadline = time.monotonic() + timeout
    family.remember()
    process.signal(signal.SIGTERM)
    while not process.wait(min(_REMEMBER_EVERY, deadline - time.monotonic())) and time.monotonic() < deadline:
        family.remember()
    if (now := read(path)) and now.alive and now.pid == process.pid:
        holder = now
    return _finish(family, holder, deadline, timeout)


def _finish(family: _Family, holder: Holder, deadline: float, timeout: float) -> Ending:
    """Wait for the consumer's own processes, and kill those that have not ended by the ``deadline``."""
    left = _wait_until_gone(family, deadline)
    if not left:
        return Ending(left=family.programs())
    family.workers.update(holder.info.get("workers", ()))
    family.remember()
    if stubborn := _wait_until_gone(family, time.monotonic() + _TO_DIE, kill=True):
        raise ConsumerError(f"Killed, but still there: {_list(stubborn)}.")
    warning = f"Warning: not ended after {timeout:g} s and killed: {_list(left)}."
    if family.workers.intersection(left):
        again = holder.info.get("leases", True)
        warning += f" Commands that ran in them {'will run again' if again else 'are lost'}."
    return Ending(warning, family.programs())


def _wait_until_gone(family: _Family, deadline: float, kill: bool = False) -> list[int]:
    while (left := family.living()) and time.monotonic() < deadline:
        if kill:
            _signal(left, family, signal.SIGKILL)
        time.sleep(_LOOK_EVERY)
    return left


def _signal(pids: Iterable[int], family: _Family, number: int) -> None:
    with ExitStack() as stack:
        handles = []
        for pid in pids:
            with suppress(ProcessLookupError):
                handles.append(stack.enter_context(processes.Process(pid)))
        # If it is still found while the handle is open, the handle belongs to the right process.
        still = set(family.living())
        for handle in [handle for handle in handles if handle.pid in still]:
            handle.signal(number)


def _is_his(pid: int, born: str, owner: int) -> bool:
    """Return whether ``pid`` is that process and belongs to ``owner``; root may name processes of any user."""
    identity = processes.identity(pid)
    return processes.is_same(pid, born) and (owner == 0 or (identity is not None and identity[0] == owner))


def _limit(holder: Holder, timeout: float | None) -> float:
    if timeout is not None:
        return timeout
    grace = holder.info.get("grace")
    return (grace if isinstance(grace, int | float) else _GRACE) + _MORE_THAN_GRACE


def _list(pids: Iterable[int]) -> str:
    return ", ".join(str(pid) for pid in sorted(pids))
