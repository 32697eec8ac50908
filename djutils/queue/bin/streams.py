"""The standard streams: output that cannot be written never stops an action."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import Any, Protocol

from djutils.queue.workers.streams import open_standard_streams


class Out(Protocol):
    """Where output is written: a stream, or the wrapper that Django gives a management command."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class _Lenient(io.FileIO):
    """A file that drops what it cannot write: on a full disk, a broken pipe, a closed terminal."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except BlockingIOError:
            raise
        except OSError:
            return memoryview(data).nbytes


def make_safe() -> None:
    """Keep the standard streams of this process from failing; ``print`` in the project's code also uses them.

    Streams that the caller has replaced are left alone.
    """
    open_standard_streams()
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            safe = _lenient(stream, number)
            setattr(sys, name, safe)
            setattr(sys, f"__{name}__", safe)


def say(text: str, out: Out | None = None) -> None:
    """Write a line to ``out`` (stdout); drop it if it cannot be written."""
    stream: Out = sys.stdout if out is None else out
    with suppress(OSError, ValueError):
        try:
            stream.write(f"{text}\n")
        except UnicodeEncodeError as error:
            stream.write(f"{text}\n".encode(error.encoding, "backslashreplace").decode(error.encoding))
        stream.flush()


def warn(text: str) -> None:
    """Write a line to stderr; drop it if it cannot be written."""
    say(text, sys.stderr)


def _lenient(stream: io.TextIOWrapper, number: int) -> io.TextIOWrapper:
    with suppress(OSError, ValueError):
        stream.flush()
    raw = _Lenient(number, "w", closefd=False)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
