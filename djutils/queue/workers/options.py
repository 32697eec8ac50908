"""The options of a consumer, from its command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from djutils.queue.backends.border import nothing


@dataclass(frozen=True)
class ConsumerOptions:
    """What a consumer does, and how much at a time. Durations are in seconds."""

    queues: tuple[str, ...]
    """The queues it empties; if several have messages, in this order unless they have weights."""
    weights: tuple[int, ...] = ()
    """The share of the commands that each queue gets while all of them have messages; empty: in order."""
    processes: int = 1
    """Worker processes."""
    threads: int = 1
    """Commands that run at the same time in each process, apart from coroutines."""
    coroutines: int = 0
    """``async def`` commands that run at the same time in each process, in one event loop; 0: in threads."""
    delay: float = 0.02
    """The first wait when a queue is empty."""
    backoff: float = 1.15
    """What each further wait is multiplied by."""
    max_delay: float = 0.5
    """The longest wait between two polls of an empty queue."""
    periodic: bool = True
    """Whether to enqueue periodic commands."""
    grace: float = 25.0
    """How long running commands may go on after a request to stop."""
    max_commands: int = 0
    """The number of commands after which a worker process is replaced; 0: never."""
    max_memory: int = 0
    """The resident size in MiB above which a worker process is replaced; 0: never."""
    lease: float = 30.0
    """How long a beat counter must not advance before its owner counts as dead."""

    @property
    def at_once(self) -> int:
        """How many commands run at the same time in each process."""
        return self.threads + self.coroutines

    @property
    def beat_every(self) -> float:
        """Seconds between two beats, and the longest time a worker goes without calling its backend."""
        return self.lease / 6


@dataclass(frozen=True)
class Hooks:
    """Callbacks of the supervisor."""

    ready: Callable[[], None] = nothing
    """Called when every worker process is up and has reached the backend for the first time."""
    workers_changed: Callable[[Sequence[int]], None] = lambda pids: None
    """Called with the current process ids of the workers."""
    hangup: Callable[[], None] = nothing
    """Called after SIGHUP, in every process of the consumer: reopen the log."""
    terminal_is_gone: Callable[[], bool] = lambda: False
    """Called after SIGHUP, in the supervisor: return whether the terminal was closed. Then the consumer ends."""
    forked: Callable[[], None] = nothing
    """Called first in every new child: close what only the supervisor may hold."""
