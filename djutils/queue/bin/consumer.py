"""The consumer's command line: ``consumer.py start|stop|restart|status|run``.

Run it by path, as ``python -m djutils.queue.bin.consumer``, or as ``djutils-consumer``, with
``DJANGO_SETTINGS_MODULE`` set.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__" and not __package__:
    # When run by path, the modules beside this file must not shadow others with the same names.
    _here = Path(__file__).resolve().parent
    sys.path[:] = [*(entry for entry in sys.path if Path(entry) != _here), str(_here.parents[2])]
    # Another project has our import name: its package cannot be imported here, so only its location is read.
    _found = find_spec("djutils")
    if not (_found and _found.origin and "__version__" in Path(_found.origin).read_text(encoding="utf-8")):
        sys.stderr.write(
            f"{_found and _found.origin} is another project's package named djutils. Nothing was started. "
            "Run: pip uninstall djutils djutils-queue; then install djutils-queue.\n"
        )
        sys.exit(os.EX_CONFIG)

from djutils.queue.backends.border import nothing
from djutils.queue.bin import daemonize, logs, preflight, privileges, processes, streams, terminal
from djutils.queue.bin.introduction import have_leases, introduce
from djutils.queue.bin.options import Options, default_logfile, default_pidfile, parse, recorded_words
from djutils.queue.bin.pidfile import Holder, Pidfile, already_running, read, remove_stale
from djutils.queue.bin.project import Project
from djutils.queue.bin.queue_names import as_words
from djutils.queue.bin.safe_files import last_lines, size
from djutils.queue.bin.status import in_words, is_overdue, name, report
from djutils.queue.bin.stopping import Ending, end, end_orphans, refuse_within, was_started_by
from djutils.queue.bin.surroundings import make_directory
from djutils.queue.exceptions import ConsumerError
from djutils.queue.workers.options import ConsumerOptions, Hooks
from djutils.queue.workers.os_signals import end_at_sigterm
from djutils.queue.workers.streams import flush_standard_streams
from djutils.queue.workers.supervisor import Supervisor

logger = logging.getLogger("djutils.queue.bin.consumer")

NOT_RUNNING = 3
OVERDUE = 150
_STALE = 1
_INTERRUPTED = 130


class QueueDaemon:
    """A consumer, as controlled from the command line. Each action returns an exit code.

    Failures are raised as ``ConsumerError``, which has an exit code; output goes to ``out``
    (stdout). Output that cannot be written does not stop an action.
    """

    def __init__(self, options: Options, out: streams.Out | None = None, search_here: bool = False) -> None:
        self._options = options
        self._out = out
        self._project = Project(privileges.find(options.user, options.group), search_here)

    def start(self) -> int:
        """Start a daemon; return when its workers are up and its pidfile is written."""
        self._refuse_to_run_twice()
        self._warn_root()
        self._project.check(self._consumer)
        self._warn_of_remarks()
        for path in (self._pidfile, self._logfile):
            if path not in (self._options.pidfile, self._options.logfile):
                make_directory(path.parent)
        if self._project.account and self._options.log_is_given:
            privileges.prepare_log(self._logfile, self._project.account)
        logged = size(self._logfile)
        preflight.close_connections()
        try:
            daemonize.spawn(partial(self._live, logged))
        except EOFError:
            raise ConsumerError(f"The consumer died while starting.{self._last_words(logged)}") from None
        holder = read(self._pidfile)
        who = f"process {holder.pid}" if holder else "already ended"
        self._say(
            f"Started: {who}.\n  pidfile  {self._pidfile}\n  log      {self._logfile}\n"
            f"  options  {shlex.join(self._words(None))}"
        )
        return 0

    def stop(self) -> int:
        """End the daemon and all its processes, and remove its pidfile; return 3 if it is not running.

        When a command of the same consumer calls this, it returns at once, and the consumer is stopped
        when that command has ended.
        """
        holder = read(self._pidfile)
        if holder and holder.alive and was_started_by(holder):
            refuse_within(holder)
            return self._do_apart("stopped", self._stop)
        return self._stop()

    def restart(self) -> int:
        """Stop the daemon if it is running, then start it; options that are not given stay as they were.

        If the new one could not start, the old one is not stopped.
        """
        holder = read(self._pidfile)
        if holder:
            self._adopt(holder)
        self._project.check(self._consumer)
        if holder and holder.alive and was_started_by(holder):
            refuse_within(holder, to_restart=True)
            return self._do_apart("restarted", self._stop_and_start)
        return self._stop_and_start()

    def status(self) -> int:
        """Report the daemon's state: return 0 if it is running, 3 if not, 1 if it died and left its pidfile.

        If it is running and a schedule is overdue, return 150.
        """
        options, holder = self._options, read(self._pidfile)
        asked = partial(report, holder, self._pidfile, options.consumer.queues, options.watch)
        told = self._project.call(asked)
        self._say(json.dumps(told, indent=2) if options.format == "json" else in_words(told))
        if holder and holder.alive:
            return OVERDUE if is_overdue(told) else 0
        return _STALE if holder else NOT_RUNNING

    def run(self) -> int:
        """Consume in the foreground until a signal arrives or the terminal closes; return the supervisor's exit code."""
        end_at_sigterm()
        self._project.check(self._consumer)
        if self._project.account and self._options.logfile:
            privileges.prepare_log(self._options.logfile, self._project.account)
        with ExitStack() as stack:
            pidfile = None
            if self._options.pidfile:
                pidfile = stack.enter_context(self._make_pidfile(self._options.logfile))
            self._move_in()
            hooks = Hooks(forked=pidfile.let_go if pidfile else nothing, terminal_is_gone=terminal.watch())
            if self._options.logfile is None:
                logs.to_stderr(self._options.log_level)
            else:
                self._warn_root()
                self._warn_of_remarks()
                log = logs.to_file(self._options.logfile, self._options.log_level)
                hooks = replace(hooks, hangup=log.hangup)
            return self._serve(pidfile, hooks)

    # In the daemon.

    def _live(self, logged: int, readiness: daemonize.Readiness) -> int:
        """Run as the daemon, and report on ``readiness`` when it is up or why it cannot start."""
        pidfile = self._make_pidfile(self._logfile)
        with daemonize.detached(pidfile):
            pidfile.rewrite(session=os.getsid(0))
            self._move_in()
            log = logs.to_file(self._logfile, self._options.log_level)
            logs.silence_streams()
            log.take_standard_streams()

            def forked() -> None:
                pidfile.let_go()
                readiness.let_go()

            code = self._serve(pidfile, Hooks(ready=readiness.ok, hangup=log.hangup, forked=forked))
        if readiness.is_awaited:
            reason = "Its worker processes cannot start." if code else "It was stopped while it was starting."
            readiness.failed(ConsumerError(f"{reason}{self._last_words(logged)}", code or 1))
        return code

    def _move_in(self) -> None:
        """Become the user who runs the commands, set the umask and load the project."""
        if self._options.umask is not None:
            os.umask(self._options.umask)
        self._project.move_in(self._consumer)

    def _serve(self, pidfile: Pidfile | None, hooks: Hooks) -> int:
        """Supervise in this process until everything has ended."""
        consumer = preflight.with_known_queues(self._consumer)
        introduce(consumer, self._options, self._project.remarks)

        def note(**info: object) -> None:
            try:
                if pidfile:
                    pidfile.rewrite(**info)
            except OSError as error:
                logger.warning("The state file of %s cannot be written: %s", pidfile and pidfile.path, error)

        note(queues=consumer.queues, leases=have_leases(consumer.queues))
        hooks = replace(
            hooks,
            workers_changed=lambda pids: note(
                workers=list(pids), births={pid: processes.birth(pid) for pid in pids}
            ),
        )
        return Supervisor(consumer, hooks).run()

    # Stopping and starting.

    def _stop(self) -> int:
        holder = read(self._pidfile)
        if holder is None:
            self._say(f"Not running: there is no pidfile {self._pidfile}.")
            return NOT_RUNNING
        if not holder.alive:
            ending = end_orphans(holder, self._options.timeout)
            remove_stale(self._pidfile)
            self._say(
                f"Not running: {name(holder)} ended without removing the pidfile {self._pidfile}, which is "
                f"removed now."
            )
            self._report(ending)
            return NOT_RUNNING
        ending = end(self._pidfile, self._options.timeout)
        remove_stale(self._pidfile)
        self._say(f"Stopped: process {holder.pid}.")
        self._report(ending)
        return 0

    def _report(self, ending: Ending) -> None:
        if ending.warning:
            streams.warn(ending.warning)
        if ending.orphans:
            self._say(
                f"Worker processes it had left behind have ended: {', '.join(map(str, ending.orphans))}."
            )
        if ending.left:
            self._say(f"Left running, started by commands: {', '.join(ending.left)}.")

    def _stop_and_start(self) -> int:
        self._stop()
        return self.start()

    def _do_apart(self, what: str, act: Callable[[], int]) -> int:
        """Do this in the background: the caller is one of the processes that ``act`` waits for."""
        preflight.close_connections()
        daemonize.apart(act, self._logfile)
        self._say(
            f"A command of this consumer requested this: it will be {what} when that command has ended. "
            f"See {self._logfile}."
        )
        return 0

    def _adopt(self, holder: Holder) -> None:
        """Take over the options of the replaced consumer that were not given."""
        pidfile, before = self._pidfile, recorded_words(holder.info)
        if not holder.info:
            streams.warn(
                f"The state file of {pidfile} has no options: those that are not given are the defaults."
            )
        if os.geteuid() == 0 and holder.owner != 0:
            # That user can write anything into the state file, but cannot become another user by doing so.
            before += privileges.words_of(holder.owner, holder.pid if holder.alive else 0)
        self._options = replace(self._options.over(before), pidfile=pidfile)
        self._project.account = privileges.find(self._options.user, self._options.group)

    # Derived from the command line and the settings.

    @property
    def _consumer(self) -> ConsumerOptions:
        named = self._options.consumer
        return named if named.queues else replace(named, queues=(self._project.default_queue(),))

    @property
    def _pidfile(self) -> Path:
        return self._options.pidfile or default_pidfile(self._consumer.queues)

    @property
    def _logfile(self) -> Path:
        return self._options.logfile or default_logfile(self._consumer.queues)

    def _words(self, logfile: Path | None) -> list[str]:
        more = {"logfile": logfile} if logfile else {}
        return self._options.words(queues=as_words(self._consumer), **more)

    def _make_pidfile(self, logfile: Path | None) -> Pidfile:
        consumer, account = self._consumer, self._project.account
        return Pidfile(
            self._pidfile,
            owner=(account.uid, account.gid) if account else None,
            queues=consumer.queues,
            processes=consumer.processes,
            threads=consumer.threads,
            coroutines=consumer.coroutines,
            grace=consumer.grace,
            workers=[],
            options=self._words(logfile),
        )

    def _refuse_to_run_twice(self) -> None:
        holder: Holder | None = read(self._pidfile)
        if holder and holder.alive:
            raise already_running(self._pidfile, holder)

    def _warn_root(self) -> None:
        if os.geteuid() == 0 and self._options.user is None:
            streams.warn(privileges.WARNING)

    def _warn_of_remarks(self) -> None:
        for remark in self._project.remarks:
            streams.warn(remark)

    def _last_words(self, since: int) -> str:
        """Return the end of what was logged after the first ``since`` bytes."""
        lines = last_lines(self._logfile, since)
        return "\n".join([f" See {self._logfile}; it ends with:", *lines] if lines else [""])

    def _say(self, text: str) -> None:
        streams.say(text, self._out)


def act(daemon: QueueDaemon, action: str) -> int:
    """Perform ``action`` and return the exit code."""
    actions: dict[str, Callable[[], int]] = {
        "start": daemon.start,
        "stop": daemon.stop,
        "restart": daemon.restart,
        "status": daemon.status,
        "run": daemon.run,
    }
    return actions[action]()


def main(argv: Sequence[str] | None = None) -> int:
    """Perform the action in ``argv`` and return the exit code; errors are printed to stderr."""
    streams.make_safe()
    try:
        options = parse(argv)
        return act(QueueDaemon(options, search_here=True), options.action)
    except ConsumerError as error:
        streams.warn(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        streams.warn("Interrupted: use status to see what was done.")
        return _INTERRUPTED
    finally:
        flush_standard_streams()


if __name__ == "__main__":
    sys.exit(main())
