"""A consumer as a child process, and what all of its processes use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 30.0


@contextmanager
def consumer(folder: Path, *, delay: float | None = None) -> Iterator[int]:
    """Run a consumer inside the block; answers its process id when it is ready to work."""
    log, ready = folder / "consumer.log", folder / "consumer.ready"
    log.unlink(missing_ok=True)
    ready.unlink(missing_ok=True)
    pace = [] if delay is None else ["--delay", str(delay)]
    process = subprocess.Popen([sys.executable, "-m", "bench.consumer", str(log), *pace])
    try:
        _wait_until_ready(ready, process)
        yield process.pid
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait_until_ready(ready: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the consumer did not start; see {ready.with_suffix('.log')}")
        time.sleep(0.02)


def cpu_seconds(pid: int) -> float:
    """Processor time used so far by ``pid`` and every process under it."""
    # Linux: the clock of another process, in nanoseconds; /proc counts in hundredths of a second.
    return sum(time.clock_gettime(~one << 3 | 2) for one in family(pid))


def family(pid: int) -> list[int]:
    """``pid`` and every process under it."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def is_linux() -> bool:
    return os.path.isdir("/proc/self")  # noqa: PTH112
