"""The consumer's command line: ``consumer.py start|stop|restart|status|run``.

Run it by path, as ``python -m djutils.queue.bin.consumer``, or as ``djutils-consumer``, with
``DJANGO_SETTINGS_MODULE`` set.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__" and not __package__:
    # Run by path: the modules beside this file must not pass for others of their names.
    _here = Path(__file__).resolve().parent
    sys.path[:] = [*(entry for entry in sys.path if Path(entry) != _here), str(_here.parents[2])]
    # Another project has our import name: its package cannot even be imported here, so it is only read.
    _found = find_spec("djutils")
    if not (_found and _found.origin and "__version__" in Path(_found.origin).read_text(encoding="utf-8")):
        sys.stderr.write(
            f"{_found and _found.origin} is another project's package of the name djutils. Nothing was started. "
            "Run: pip uninstall djutils djutils-queue; then install djutils-queue.\n"
        )
        sys.exit(os.EX_CONFIG)

from djutils import __version__
from djutils.queue.backends import load_backend
from djutils.queue.backends.base import LeasedQueue
from djutils.queue.bin import daemonize, logs, preflight, streams, terminal
from djutils.queue.bin.options import CANNOT_WRITE, Options, default_logfile, default_pidfile, parse
from djutils.queue.bin.pidfile import Holder, Pidfile, already_running, read, remove_stale
from djutils.queue.bin.safe_files import last_lines, size
from djutils.queue.bin.status import describe
from djutils.queue.bin.stopping import end
from djutils.queue.conf import settings
from djutils.queue.exceptions import ConsumerError
from djutils.queue.registry import registry
from djutils.queue.workers.channel import LeasedChannel, PopChannel
from djutils.queue.workers.options import ConsumerOptions, Hooks, nothing
from djutils.queue.workers.os_signals import end_at_sigterm
from djutils.queue.workers.streams import flush_standard_streams
from djutils.queue.workers.supervisor import Supervisor

logger = logging.getLogger("djutils.queue.bin.consumer")

NOT_RUNNING = 3
_STALE = 1
_INTERRUPTED = 130


class QueueDaemon:
    """A consumer, seen from the command line. Each action answers an exit code.

    What goes wrong is raised as ``ConsumerError``, which knows its exit code; news go to ``out``.
    """

    def __init__(self, options: Options, out: streams.Out | None = None) -> None:
        self._options = options
        self._out = out
        self._checked = False

    def start(self) -> int:
        """Leave a daemon behind; answers when its workers are up and its pidfile is written."""
        self._refuse_to_run_twice()
        self._check()
        for path in (self._pidfile, self._logfile):
            if path not in (self._options.pidfile, self._options.logfile):
                _make_directory(path.parent)
        logged = size(self._logfile)
        preflight.close_connections()
        try:
            daemonize.spawn(partial(self._live, logged))
        except EOFError:
            raise ConsumerError(f"The consumer died while starting.{self._last_words(logged)}") from None
        holder = read(self._pidfile)
        who = f"process {holder.pid}" if holder else "already ended"
        self._say(f"Started: {who}.\n  pidfile  {self._pidfile}\n  log      {self._logfile}")
        return 0

    def stop(self) -> int:
        """End the daemon and every process of it, and remove its pidfile; 3 if it does not run."""
        holder = read(self._pidfile)
        if holder is None:
            self._say(f"Not running: there is no pidfile {self._pidfile}.")
            return NOT_RUNNING
        if not holder.alive:
            remove_stale(self._pidfile)
            self._say(
                f"Not running: the consumer that was process {holder.pid} ended without removing the "
                f"pidfile {self._pidfile}, which is removed now."
            )
            return NOT_RUNNING
        if warning := end(self._pidfile, self._options.timeout):
            streams.warn(warning)
        remove_stale(self._pidfile)
        self._say(f"Stopped: process {holder.pid}.")
        return 0

    def restart(self) -> int:
        """Stop the daemon if it runs, then start. One that could not start is not stopped for it."""
        self._check()
        self.stop()
        return self.start()

    def status(self) -> int:
        """Tell what the daemon does: 0 if it runs, 3 if not, 1 if it died and left its pidfile."""
        holder = read(self._pidfile)
        if holder is None:
            self._say(f"Not running: there is no pidfile {self._pidfile}.")
            return NOT_RUNNING
        if not holder.alive:
            self._say(f"Not running: process {holder.pid} died and left the pidfile {self._pidfile}.")
            return _STALE
        self._say(f"Running: {describe(holder)}")
        return 0

    def run(self) -> int:
        """Consume in the foreground until a signal or the end of its terminal; return the supervisor's exit code."""
        end_at_sigterm()
        self._check()
        preflight.close_connections()
        with ExitStack() as stack:
            pidfile = None
            if self._options.pidfile:
                pidfile = stack.enter_context(self._make_pidfile())
            hooks = Hooks(forked=pidfile.let_go if pidfile else nothing, terminal_is_gone=terminal.watch())
            if self._options.logfile is None:
                logs.to_stderr(self._options.log_level)
            else:
                log = logs.to_file(self._options.logfile, self._options.log_level)
                hooks = replace(hooks, hangup=log.hangup)
            return self._serve(pidfile, hooks)

    # In the daemon.

    def _live(self, logged: int, readiness: daemonize.Readiness) -> int:
        """Be the daemon, and say on ``readiness`` when it is up or why it will not be."""
        os.umask(daemonize.UMASK)
        log = logs.to_file(self._logfile, self._options.log_level)
        logs.silence_streams()
        pidfile = self._make_pidfile()
        with daemonize.detached(pidfile, log.output):
            log.take_standard_streams()
            pidfile.rewrite(session=os.getsid(0))

            def forked() -> None:
                pidfile.let_go()
                readiness.let_go()

            code = self._serve(pidfile, Hooks(ready=readiness.ok, hangup=log.hangup, forked=forked))
        if readiness.is_awaited:
            reason = "Its worker processes cannot start." if code else "It was stopped while it was starting."
            readiness.failed(ConsumerError(f"{reason}{self._last_words(logged)}", code or 1))
        return code

    def _serve(self, pidfile: Pidfile | None, hooks: Hooks) -> int:
        """Supervise in this process until the end."""
        consumer = self._consumer
        _introduce(consumer, self._options)

        def note_workers(pids: Sequence[int]) -> None:
            try:
                if pidfile:
                    pidfile.rewrite(workers=list(pids))
            except OSError as error:
                logger.warning("The pidfile %s cannot be rewritten: %s", self._options.pidfile, error)

        return Supervisor(consumer, replace(hooks, workers_changed=note_workers)).run()

    # What the command line and the settings come to.

    @property
    def _consumer(self) -> ConsumerOptions:
        named = self._options.consumer
        return named if named.queues else replace(named, queues=(preflight.default_queue(),))

    @property
    def _pidfile(self) -> Path:
        return self._options.pidfile or default_pidfile(self._consumer.queues)

    @property
    def _logfile(self) -> Path:
        return self._options.logfile or default_logfile(self._consumer.queues)

    def _make_pidfile(self) -> Pidfile:
        consumer = self._consumer
        return Pidfile(
            self._pidfile,
            queues=consumer.queues,
            processes=consumer.processes,
            threads=consumer.threads,
            grace=consumer.grace,
            workers=[],
        )

    def _refuse_to_run_twice(self) -> None:
        holder: Holder | None = read(self._pidfile)
        if holder and holder.alive:
            raise already_running(self._pidfile, holder)

    def _check(self) -> None:
        """Load the project and ask its backend, once."""
        if not self._checked:
            _current_directory()
            preflight.load_project()
            preflight.reach_backend(self._consumer.queues)
            self._checked = True

    def _last_words(self, since: int) -> str:
        """Return the end of what was logged after the first ``since`` bytes."""
        lines = last_lines(self._logfile, since)
        return "\n".join([f" See {self._logfile}; it ends with:", *lines] if lines else [""])

    def _say(self, text: str) -> None:
        streams.say(text, self._out)


def _introduce(consumer: ConsumerOptions, options: Options) -> None:
    """Log what starts here, and what it promises."""
    shown = ", ".join(f"{name}={value}" for name, value in vars(consumer).items() if name != "queues")
    level = options.log_level or logging.getLevelName(logger.getEffectiveLevel())
    logger.info("djutils %s, process %d: %s, log level %s", __version__, os.getpid(), shown, level)
    backend = load_backend(settings.QUEUE_BACKEND)
    queues = ", ".join(consumer.queues)
    if issubclass(backend, LeasedQueue):
        logger.info("Queues: %s; %s: %s.", queues, backend.__name__, LeasedChannel.guarantee)
    else:
        logger.warning("Queues: %s; %s: %s.", queues, backend.__name__, PopChannel.guarantee)
    names = [command.name for command in registry]
    logger.info("Commands (%d): %s", len(names), ", ".join(names) or "none: is there a commands.py?")


def act(daemon: QueueDaemon, action: str) -> int:
    """Do ``action`` and answer the exit code."""
    actions: dict[str, Callable[[], int]] = {
        "start": daemon.start,
        "stop": daemon.stop,
        "restart": daemon.restart,
        "status": daemon.status,
        "run": daemon.run,
    }
    return actions[action]()


def main(argv: Sequence[str] | None = None) -> int:
    """Do what ``argv`` asks and return the exit code; errors are printed to stderr."""
    streams.make_safe()
    try:
        options = parse(argv)
        _make_importable()
        return act(QueueDaemon(options), options.action)
    except ConsumerError as error:
        streams.warn(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        streams.warn("Interrupted: check with status what was done.")
        return _INTERRUPTED
    finally:
        flush_standard_streams()


def _make_importable() -> None:
    """Let the project be found in the current directory; by root only if nobody else can write there."""
    with suppress(OSError):
        here = os.getcwd()  # noqa: PTH109  (entries of sys.path are texts)
        found = Path(here).stat()
        closed = found.st_uid == 0 and not found.st_mode & 0o022
        if (os.geteuid() or closed) and not sys.flags.safe_path and here not in sys.path:
            sys.path.append(here)


def _current_directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise ConsumerError(
            f"The current directory is gone ({error.strerror}). Change to one that exists, and try again.",
            CANNOT_WRITE,
        ) from error


def _make_directory(path: Path) -> None:
    """Make a directory that is only ours, and those above it."""
    try:
        for missing in reversed([one for one in (path, *path.parents) if not one.exists()]):
            missing.mkdir(exist_ok=True)
            missing.chmod(0o700)
    except OSError as error:
        raise ConsumerError(
            f"Cannot make the directory {path}: {error.strerror}. Name other places with -p and -l.",
            CANNOT_WRITE,
        ) from error


if __name__ == "__main__":
    sys.exit(main())
