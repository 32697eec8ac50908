"""The command line of the consumer, shared by the script, the console script and ``manage.py``."""

from __future__ import annotations

import math
import os
import re
import zlib
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from djutils import __version__
from djutils.queue.bin import queue_names
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
  150 for status: running, but a schedule is overdue
"""


class Usage(ConsumerError):
    """Invalid command line."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 2)


@dataclass(frozen=True)
class Options:
    """The parsed command line."""

    action: str
    consumer: ConsumerOptions
    """How the consumer runs; ``queues`` is empty when the command line names none."""
    logfile: Path | None = None
    pidfile: Path | None = None
    timeout: float | None = None
    """Seconds that ``stop`` waits before it kills; None: the consumer's grace period and some more."""
    log_level: str | None = None
    """None: the level of the logger ``djutils`` in the project's LOGGING, or INFO."""
    watch: float | None = None
    """Seconds for which ``status`` watches for beats; None: as many as needed, if no consumer is known to be running."""
    format: str = "text"
    """The output format of ``status``: ``text`` or ``json``."""
    umask: int | None = None
    """None: the caller's."""
    user: str | None = None
    group: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    """The options that were on the command line, by argparse name."""
    log_is_given: bool = True
    """Whether the caller chose the path of the log or left it out; False when it was taken over."""

    def over(self, words: Sequence[str]) -> Options:
        """Return these options merged over others, which are given as command-line words.

        Raises ``Usage`` if those are not valid options.
        """
        parser = _Strict(add_help=False)
        add_arguments(parser)
        try:
            before = _given(vars(parser.parse_args(words)))
        except ConsumerError as error:
            raise Usage(
                f"The options of the consumer cannot be taken over ({error}): stop it, then start it."
            ) from error
        taken = "logfile" in before and "logfile" not in self.given
        return replace(_make(self.action, {**before, **self.given}), log_is_given=not taken)

    def words(self, **more: Any) -> list[str]:
        """Return the command-line words that start a consumer with these options and ``more``.

        Options for a single call are left out: ``--pidfile``, ``--timeout``, ``--watch`` and ``--format``.
        """
        given = {**self.given, **more}
        found: list[str] = []
        for name, option in _WORDS.items():
            values = given.get(name, ())
            for value in values if isinstance(values, list | tuple) else [values]:
                found += [f"{option}={value:o}" if name == "umask" else f"{option}={value}"]
        if "periodic" in given:
            found.append("--periodic" if given["periodic"] else "--no-periodic")
        return found


def recorded_words(info: Mapping[str, Any]) -> list[str]:
    """Return the options recorded in a state file, or an older pidfile, as command-line words."""
    words = info.get("options")
    if isinstance(words, list):
        return [word for word in words if isinstance(word, str)]
    queues = info.get("queues")
    found = [f"--queue={name}" for name in queues] if isinstance(queues, list) else []
    return found + [
        f"{_WORDS[name]}={info[name]}"
        for name in ("processes", "threads", "coroutines", "grace")
        if name in info
    ]


class _Strict(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Usage(message)


def parse(argv: Sequence[str] | None = None) -> Options:
    """Return the options in ``argv``; a usage error ends the process with code 2, as with argparse."""
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
    """Add to ``parser`` every option that the script and ``manage.py`` share; options not given are None."""
    count, natural = _whole_number(1), _whole_number(0)
    seconds, factor = _number(0.0), _number(1.0)
    add, how = parser.add_argument, ConsumerOptions(())
    add("-l", "--logfile", type=_path, metavar="LOG", help="log file; run logs to stderr without it")
    add("-p", "--pidfile", type=_path, metavar="PID", help="pidfile; run has none without it")
    add(
        "-q",
        "--queue",
        action="append",
        type=queue_names.checked,
        dest="queues",
        metavar="QUEUE",
        help=_HELP_QUEUE,
    )
    add("-w", "--processes", type=count, help=f"worker processes ({how.processes})")
    add("-t", "--threads", type=count, help=f"threads in each process ({how.threads})")
    add("--coroutines", type=natural, metavar="N", help=f"{_HELP_COROUTINES} ({how.coroutines})")
    add("-d", "--delay", type=seconds, help=f"seconds to wait when a queue is empty ({how.delay})")
    add("-b", "--backoff", type=factor, help=f"what each further wait is multiplied by ({how.backoff})")
    add("-m", "--max-delay", type=seconds, help=f"the longest wait in seconds ({how.max_delay})")
    add("-n", "--no-periodic", action="store_false", default=None, dest="periodic", help=_HELP_NO_PERIODIC)
    add(
        "--periodic", action="store_true", default=None, help="enqueue periodic commands (unless -n is given)"
    )
    add("--grace", type=seconds, metavar="SECONDS", help=f"{_HELP_GRACE} ({how.grace})")
    add("--lease", type=_number(0.1), metavar="SECONDS", help=f"{_HELP_LEASE} ({how.lease})")
    add("--timeout", type=seconds, metavar="SECONDS", help=_HELP_TIMEOUT)
    add("--watch", type=seconds, metavar="SECONDS", help=_HELP_WATCH)
    add("--format", choices=("text", "json"), help="status: for people or for programs (text)")
    add("--max-commands", type=natural, metavar="N", help=_HELP_MAX_COMMANDS)
    add("--max-memory", type=natural, metavar="MIB", help=_HELP_MAX_MEMORY)
    add("--umask", type=_umask, metavar="OCTAL", help=_HELP_UMASK)
    add("--user", metavar="USER", help=_HELP_USER)
    add("--group", metavar="GROUP", help="root only: the group to run as (the primary one of --user)")
    add("--log-level", type=str.upper, choices=LEVELS, help=_HELP_LOG_LEVEL)


_HELP_QUEUE = (
    "a queue to empty, NAME or NAME:WEIGHT, where * and ? in NAME stand for several; may be given several times "
    "(the project's default queue)"
)
_HELP_COROUTINES = "async def commands that run at the same time in each process, beside its threads"
_HELP_NO_PERIODIC = "leave out periodic commands"
_HELP_GRACE = "how long running commands may go on after a request to stop"
_HELP_LEASE = "how long another consumer must be silent before its messages are reassigned"
_HELP_TIMEOUT = "stop, restart: after this, kill (10 s more than the grace period)"
_HELP_WATCH = (
    "status: seconds to watch which worker processes beat (until all did, 6 at most; 0 with a pidfile)"
)
_HELP_MAX_COMMANDS = "replace a worker process after this many commands (never)"
_HELP_LOG_LEVEL = "level of this log (that of the logger djutils in LOGGING, or INFO)"
_HELP_MAX_MEMORY = "replace a worker process that uses more memory (never)"
_HELP_UMASK = "for files that commands make, such as 022 (the caller's)"
_HELP_USER = "root only: the user to run as, a name or a number"
_OF_STATUS = ("watch", "format")
_WORDS = {
    "queues": "--queue",
    "processes": "--processes",
    "threads": "--threads",
    "coroutines": "--coroutines",
    "delay": "--delay",
    "backoff": "--backoff",
    "max_delay": "--max-delay",
    "grace": "--grace",
    "lease": "--lease",
    "max_commands": "--max-commands",
    "max_memory": "--max-memory",
    "umask": "--umask",
    "user": "--user",
    "group": "--group",
    "log_level": "--log-level",
    "logfile": "--logfile",
}


def to_options(parsed: Mapping[str, Any]) -> Options:
    """Return the options from argparse's result; raise ``Usage`` when two of them contradict each other."""
    given = _given(parsed)
    if parsed["verbose"]:
        given["log_level"] = "DEBUG"
    return _make(parsed["action"], given)


def _given(parsed: Mapping[str, Any]) -> dict[str, Any]:
    known = (*_WORDS, "periodic", "pidfile", "timeout", *_OF_STATUS)
    given = {name: parsed[name] for name in known if parsed.get(name) is not None}
    for name in ("logfile", "pidfile"):
        if name in given:
            given[name] = _absolute(given[name])
    return given


def _make(action: str, given: Mapping[str, Any]) -> Options:
    how = {name: given[name] for name in vars(ConsumerOptions(())) if name in given}
    consumer = ConsumerOptions(**{**how, **queue_names.parsed(given.get("queues", ()))})
    if consumer.max_delay < consumer.delay:
        raise Usage(
            f"--max-delay (-m) is {consumer.max_delay:g} s, shorter than --delay (-d) with "
            f"{consumer.delay:g} s: make -m at least as long as -d."
        )
    for option in _OF_STATUS:
        if option in given and action != "status":
            raise Usage(f"--{option} is an option of status: leave it out of {action}.")
    names = ("logfile", "pidfile", "timeout", "log_level", "umask", "user", "group", *_OF_STATUS)
    return Options(action, consumer, given=given, **{name: given[name] for name in names if name in given})


def default_pidfile(queues: Sequence[str], root: bool | None = None) -> Path:
    """Return the default path of the pidfile of a consumer of ``queues``."""
    return _home("/var/run", root) / f"djutils-{file_name(queues)}.pid"


def default_logfile(queues: Sequence[str], root: bool | None = None) -> Path:
    """Return the default path of the log of a consumer of ``queues``."""
    return _home("/var/log", root) / f"djutils-{file_name(queues)}.log"


def file_name(queues: Sequence[str]) -> str:
    """Return the names of ``queues`` as part of a file name; different queues give different names."""
    name = "+".join(queues)
    safe = re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII)[:_LONGEST_NAME]
    return safe if safe == name else f"{safe}-{zlib.crc32(name.encode()):08x}"


def _home(of_root: str, root: bool | None) -> Path:
    # Not XDG_RUNTIME_DIR: it is emptied at the last logout, and does not exist under cron.
    if os.geteuid() == 0 if root is None else root:
        return Path(of_root)
    state = os.environ.get("XDG_STATE_HOME")
    if state:
        return Path(state) / "djutils"
    try:
        return Path.home() / ".local" / "state" / "djutils"
    except RuntimeError as error:
        raise ConsumerError(
            "Your home directory is not known: set HOME, or name the pidfile and the log with -p and -l.",
            CANNOT_WRITE,
        ) from error


def _path(text: str) -> str:
    if not text:
        raise ArgumentTypeError("must be the path of a file, not ''")
    return text


def _absolute(path: str) -> Path:
    """Return ``path`` as absolute: a daemon may have changed its directory when it uses the path."""
    try:
        return Path(path).expanduser().absolute()
    except (OSError, RuntimeError) as error:
        reason = (
            "your home directory is not known"
            if isinstance(error, RuntimeError)
            else "the current directory is gone"
        )
        raise ConsumerError(
            f"The path '{path}' leads nowhere: {reason}. Name an absolute one.", CANNOT_WRITE
        ) from error


def _umask(text: str) -> int:
    try:
        value = int(text, 8)
    except ValueError:
        value = -1
    if not 0 <= value <= 0o777:
        raise ArgumentTypeError(f"must be an octal number such as 022, not '{text}'")
    return value


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
