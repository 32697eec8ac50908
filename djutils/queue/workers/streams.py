"""The standard streams of the consumer's processes: the same in a daemon, at a terminal and in a container."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

from djutils.queue.current import Running, running

_STDIN, _STDERR = 0, 2


class CommandOutput(io.TextIOWrapper):
    """Standard output of a worker process: each line that a command prints begins with its id and its name."""

    def __init__(self, plain: io.TextIOWrapper) -> None:
        self._plain = plain  # it would close the stream that both share when it is collected
        self._inside: Running | None = None
        """The run whose last line has not ended yet."""
        super().__init__(
            plain.buffer,
            encoding=plain.encoding,
            errors=plain.errors,
            line_buffering=True,
            write_through=plain.write_through,
        )

    def write(self, text: str) -> int:
        """Write ``text``, and return its length."""
        if not text:
            return 0
        run = running.get()
        inside, self._inside = self._inside, None
        if run is None:
            return super().write(text)
        label = f"{run.message.id} {run.message.command}: "
        *lines, rest = text.split("\n")
        labelled = "".join(f"{label}{line}\n" for line in lines) + (label + rest if rest else "")
        if inside is run:
            labelled = labelled.removeprefix(label)
        elif inside is not None:  # another command, in this thread or another one, has printed half a line
            labelled = f"\n{labelled}"
        if rest:
            self._inside = run
        super().write(labelled)
        return len(text)


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

    What a command prints is labelled. Programs that it starts inherit all three streams, without labels.
    """
    open_standard_streams()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, _STDIN)
    os.close(null)
    for fd in range(_STDERR + 1):
        os.set_inheritable(fd, True)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
            setattr(sys, name, CommandOutput(stream))


def flush_standard_streams() -> None:
    """Flush printed output; ignore a stream that cannot be written."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
