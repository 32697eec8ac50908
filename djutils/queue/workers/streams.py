"""The standard streams of the consumer's processes: the same in a daemon, at a terminal and in a container."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

_STDIN, _STDERR = 0, 2


def open_standard_streams() -> None:
    """Lead those of the three standard streams that are closed to ``/dev/null``.

    A file opened later would otherwise get the number of a closed one, and whatever is printed
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
    """In a process just forked: read nothing, and print line by line.

    stdin is ``/dev/null``. All three reach the programs that a command starts.
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
    """Write out what was printed; an output that cannot be written is passed over."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
