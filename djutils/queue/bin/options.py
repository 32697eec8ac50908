"""The command line of the consumer: one for the script, the console script and ``manage.py``."""

from __future__ import annotations

import math
import os
import re
import zlib
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from djutils import __version__
from djutils.queue.exceptions import ConsumerError
from djutils.queue.workers.options import ConsumerOptions

ACTIONS = ("start", "stop", "restart", "status", "run")
CANNOT_WRITE = 73
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_LONGEST_NAME = 100
_EPILOG = """\
exit codes:
  0   done; for status: running
  1   failed; for status: dead, but its pidfile is still there
  2   wrong use of this command line
  3   not running
  70  the worker processes cannot start
  73  the pidfile or the log cannot be written
  75  already running
  78  the project's configuration is broken
"""


class Usage(ConsumerError):
    """Invalid command line."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 2)


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    action: str
    consumer: ConsumerOptions
    """How it runs; ``queues`` is empty when the command line names none."""
    logfile: Path | None = None
    pidfile: Path | None = None
    timeout: float | None = None
    """Seconds ``stop`` waits before it kills; None: what the consumer needs, and some more."""
    log_level: str | None = None
    """None: what the project's LOGGING says of the logger ``djutils``, else INFO."""


def parse(argv: Sequence[str] | None = None) -> Options:
    """Return what ``argv`` says; a usage error ends the process with code 2, as argparse does."""
    parser = ArgumentParser(
        description="Run the commands of a queue.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=ACTIONS, help="run stays in the foreground")
    parser.add_argument("-v", "--verbose", action="store_true", help="the same as --log-level DEBUG")
    parser.add_argument("--version", action="version", version=f"djutils {__version__}")
    add_arguments(parser)
    return to_options(vars(parser.parse_args(argv)))


def add_arguments(parser: ArgumentParser) -> None:
    """Give ``parser`` every option that the script and ``manage.py`` share."""
    count, natural = _whole_number(1), _whole_number(0)
    seconds, factor = _number(0.0), _number(1.0)
    add, how = parser.add_argument, ConsumerOptions(())
    add("-l", "--logfile", type=_path, metavar="LOG", help="log file; run logs to stderr without it")
    add("-p", "--pidfile", type=_path, metavar="PID", help="pidfile; run has none without it")
    add("-q", "--queue", action="append", type=_name, dest="queues", metavar="QUEUE", help=_HELP_QUEUE)
    add("-w", "--processes", type=count, default=how.processes, help="worker processes (%(default)s)")
    add("-t", "--threads", type=count, default=how.threads, help="threads in each process (%(default)s)")
    add("-d", "--delay", type=seconds, default=how.delay, help=_HELP_DELAY)
    add("-b", "--backoff", type=factor, default=how.backoff, help=_HELP_BACKOFF)
    add("-m", "--max-delay", type=seconds, default=how.max_delay, help=_HELP_MAX_DELAY)
    add("-n", "--no-periodic", action="store_true", help="leave out periodic commands")
    add("--grace", type=seconds, default=how.grace, metavar="SECONDS", help=_HELP_GRACE)
    add("--lease", type=_number(0.1), default=how.lease, metavar="SECONDS", help=_HELP_LEASE)
    add("--timeout", type=seconds, metavar="SECONDS", help=_HELP_TIMEOUT)
    add("--max-commands", type=natural, default=0, metavar="N", help=_HELP_MAX_COMMANDS)
    add("--max-memory", type=natural, default=0, metavar="MIB", help=_HELP_MAX_MEMORY)
    add("--log-level", type=str.upper, choices=LEVELS, help=_HELP_LOG_LEVEL)


_HELP_QUEUE = "a queue to empty, may be given several times (the project's default queue)"
_HELP_DELAY = "seconds to wait when a queue is empty (%(default)s)"
_HELP_BACKOFF = "what each further wait is multiplied by (%(default)s)"
_HELP_MAX_DELAY = "the longest wait in seconds (%(default)s)"
_HELP_GRACE = "how long running commands may go on after a request to stop (%(default)s)"
_HELP_LEASE = "how long another consumer must be silent before its messages are taken (%(default)s)"
_HELP_TIMEOUT = "stop, restart: after this, kill (10 s more than the grace period)"
_HELP_MAX_COMMANDS = "replace a worker process after so many commands (never)"
_HELP_LOG_LEVEL = "of this log (what LOGGING says of the logger djutils, else INFO)"
_HELP_MAX_MEMORY = "replace a worker process that uses more (never)"


def to_options(parsed: Mapping[str, Any]) -> Options:
    """Return what argparse found; ``Usage`` when two options contradict each other."""
    first, longest = parsed["delay"], parsed["max_delay"]
    if longest < first:
        raise Usage(
            f"--max-delay (-m) is {longest:g} s, shorter than --delay (-d) with {first:g} s: make -m at "
            f"least as long as -d."
        )
    consumer = ConsumerOptions(
        queues=tuple(dict.fromkeys(parsed["queues"] or ())),
        processes=parsed["processes"],
        threads=parsed["threads"],
        delay=first,
        backoff=parsed["backoff"],
        max_delay=longest,
        periodic=not parsed["no_periodic"],
        grace=parsed["grace"],
        max_commands=parsed["max_commands"],
        max_memory=parsed["max_memory"],
        lease=parsed["lease"],
    )
    return Options(
        action=parsed["action"],
        consumer=consumer,
        logfile=_absolute(parsed["logfile"]),
        pidfile=_absolute(parsed["pidfile"]),
        timeout=parsed["timeout"],
        log_level="DEBUG" if parsed["verbose"] else parsed["log_level"],
    )


def default_pidfile(queues: Sequence[str], root: bool | None = None) -> Path:
    """Return where the pidfile of a consumer of ``queues`` lies when nobody says."""
    return _home("/var/run", root) / f"djutils-{file_name(queues)}.pid"


def default_logfile(queues: Sequence[str], root: bool | None = None) -> Path:
    """Return where the log of a consumer of ``queues`` lies when nobody says."""
    return _home("/var/log", root) / f"djutils-{file_name(queues)}.log"


def file_name(queues: Sequence[str]) -> str:
    """Return the names of ``queues`` as a part of a file name; different queues, different names."""
    name = "+".join(queues)
    safe = re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII)[:_LONGEST_NAME]
    return safe if safe == name else f"{safe}-{zlib.crc32(name.encode()):08x}"


def _home(of_root: str, root: bool | None) -> Path:
    # Not XDG_RUNTIME_DIR: it is emptied at the last logout, and cron does not have it at all.
    if os.geteuid() == 0 if root is None else root:
        return Path(of_root)
    state = os.environ.get("XDG_STATE_HOME")
    if state:
        return Path(state) / "djutils"
    try:
        return Path.home() / ".local" / "state" / "djutils"
    except RuntimeError as error:
        raise ConsumerError(
            "Your home directory is not known: set HOME, or say with -p and -l where the pidfile and the log are.",
            CANNOT_WRITE,
        ) from error


def _path(text: str) -> str:
    if not text:
        raise ArgumentTypeError("must be the path of a file, not ''")
    return text


def _absolute(path: str | None) -> Path | None:
    """A daemon may be elsewhere by the time it is used."""
    try:
        return Path(path).expanduser().absolute() if path else None
    except (OSError, RuntimeError) as error:
        reason = (
            "your home directory is not known"
            if isinstance(error, RuntimeError)
            else "the current directory is gone"
        )
        raise ConsumerError(
            f"The path '{path}' leads nowhere: {reason}. Name an absolute one.", CANNOT_WRITE
        ) from error


def _name(text: str) -> str:
    if not text.strip():
        raise ArgumentTypeError("must be the name of a queue, not ''")
    return text


def _whole_number(least: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise ArgumentTypeError(f"must be a whole number of at least {least}, not '{text}'")
        return value

    return convert


def _number(least: float) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= least):
            raise ArgumentTypeError(f"must be a number of at least {least:g}, not '{text}'")
        return value

    return convert
