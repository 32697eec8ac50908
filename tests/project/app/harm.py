"""Commands that do to their process what no command should."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import threading
from pathlib import Path

from djutils.queue.decorators import queue_command

from .files import write

_AGAIN = {"max_attempts": 2, "backoff": 0.05}


class Unpicklable(Exception):
    """Holds what cannot travel."""

    def __init__(self) -> None:
        super().__init__("a lock in hand")
        self.lock = threading.Lock()


class Unprintable(Exception):
    """Cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words for it")

    __repr__ = __str__


RAISED = {
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "BaseException": BaseException,
    "Unpicklable": Unpicklable,
    "Unprintable": Unprintable,
}


@queue_command(**_AGAIN)
def throw(name: str) -> None:
    """End in something that is not an ordinary exception."""
    raise RAISED[name]


@queue_command(**_AGAIN)
def exhaust() -> None:
    """Ask for more memory than this process may have."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, before[1]))
    try:
        b"x" * (2 << 30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@queue_command
def fork(path: str) -> None:
    """Have a child that ends at once, as subprocess and multiprocessing do."""
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)
    write(path, "forked")


@queue_command
def fork_and_return(path: str) -> None:
    """Have a child and forget to end it: it returns into the worker's code as we do."""
    if os.fork():
        write(path, "forked")


@queue_command
def wander(path: str) -> None:
    """Go to a directory and take it away."""
    place = Path(f"{path}.{os.getpid()}")
    place.mkdir(exist_ok=True)
    os.chdir(place)
    place.rmdir()
    write(path, "wandered")


@queue_command
def close_files(path: str) -> None:
    """Close what others have opened, as a daemon does."""
    os.closerange(3, 1024)
    write(path, "closed")


@queue_command
def deafen(path: str) -> None:
    """Have this process ignore SIGTERM, in a way that Python does not know of."""
    ctypes.CDLL(None).signal(int(signal.SIGTERM), ctypes.c_void_p(1))  # SIG_IGN
    write(path, "deaf")


@queue_command
def block_signals(path: str) -> None:
    """Have this thread hear no signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    write(path, "blocked")


@queue_command(max_attempts=1)
def hold_the_interpreter(path: str, gate: str) -> None:
    """Let no other thread of the process run, as a long regular expression does, until the FIFO ``gate`` is written to."""
    descriptor = os.open(gate, os.O_RDWR)
    write(path, "began")
    ctypes.PyDLL(None).read(descriptor, ctypes.create_string_buffer(1), 1)
    os.close(descriptor)
    write(path, "ended")
