"""The standard streams of the consumer's processes: the same in a daemon, at a terminal and in a container."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

_STDIN, _STDERR = 0, 2


def open_standard_streams() -> None:
    """Open each closed standard stream as ``/dev/null``.

    A file opened later would otherwise get the descriptor of a closed stream, and printed text
    would end up in it. Must be called before this program opens any file.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(fd, True)
    os.close(fd)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def take_standard_streams() -> None:
    """Set up the standard streams of a newly forked process: stdin is ``/dev/null``, output is line-buffered.

    Programs that a command starts inherit all three.
    """
    open_standard_streams()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, _STDIN)
    os.close(null)
    for fd in range(_STDERR + 1):
        os.set_inheritable(fd, True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def flush_standard_streams() -> None:
    """Flush printed output; ignore a stream that cannot be written."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
