"""How a consumer runs: values from its command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ConsumerOptions:
    """What a consumer does and how much at a time. Durations are in seconds."""

    queues: tuple[str, ...]
    """The queues it empties, in this order when several have messages."""
    processes: int = 1
    """Worker processes."""
    threads: int = 1
    """Commands that run at the same time in each process."""
    delay: float = 0.02
    """The first wait after an empty queue."""
    backoff: float = 1.15
    """What each further wait is multiplied by."""
    max_delay: float = 0.5
    """The longest wait between two looks at an empty queue."""
    periodic: bool = True
    """Whether to enqueue periodic commands."""
    grace: float = 25.0
    """How long running commands may go on after a request to stop."""
    max_commands: int = 0
    """After how many commands a worker process is replaced; 0: never."""
    max_memory: int = 0
    """Above how many MiB resident a worker process is replaced; 0: never."""
    lease: float = 30.0
    """How long a beat counter must stand still before its owner counts as dead."""

    @property
    def beat_every(self) -> float:
        """Seconds between two beats, and the longest a worker goes without asking its backend something."""
        return self.lease / 6


def nothing() -> None:
    """Do nothing: a hook nobody needs."""


@dataclass(frozen=True)
class Hooks:
    """What the supervisor tells whoever runs it."""

    ready: Callable[[], None] = nothing
    """Every worker process is up and has reached the backend for the first time."""
    workers_changed: Callable[[Sequence[int]], None] = lambda pids: None
    """The process ids of the workers are now these."""
    hangup: Callable[[], None] = nothing
    """SIGHUP came; called in every process of the consumer: reopen the log."""
    terminal_is_gone: Callable[[], bool] = lambda: False
    """SIGHUP came; called in the supervisor: is it because the terminal was closed? Then the consumer ends."""
    forked: Callable[[], None] = nothing
    """Called first thing in every new child: let go of what only the supervisor may hold."""
