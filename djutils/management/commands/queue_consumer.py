"""``manage.py queue_consumer``: run the consumer of this project."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from djutils.queue.bin import streams
from djutils.queue.bin.consumer import QueueDaemon, act
from djutils.queue.bin.options import ACTIONS, Options, add_arguments, to_options
from djutils.queue.bin.reloading import NO_RELOAD, Reloader, child_command, was_called_as
from djutils.queue.exceptions import ConsumerError
from djutils.queue.workers.streams import flush_standard_streams


class Command(BaseCommand):
    """Runs the commands of a queue, by default in the foreground."""

    help = "Run the commands of a queue; with DEBUG, restart when the code changes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "action", nargs="?", choices=ACTIONS, default="run", help="%(default)s by default"
        )
        parser.add_argument(NO_RELOAD, action="store_true", help="do not restart when the code changes")
        add_arguments(parser)

    def execute(self, *args: Any, **options: Any) -> Any:
        # The process that the reloader starts checks the project, again after each change.
        return super().execute(*args, **options | ({"skip_checks": True} if _reloads(options) else {}))

    def handle(self, *args: Any, **options: Any) -> None:
        self._make_outputs_safe()
        try:
            code = self._act(options)
        except ConsumerError as error:
            raise CommandError(str(error), returncode=error.exit_code) from error
        finally:
            flush_standard_streams()
        if code:
            sys.exit(code)

    def _act(self, options: dict[str, Any]) -> int:
        chosen: Options = to_options(options | {"verbose": options["verbosity"] > 1})
        if _reloads(options):
            return Reloader(child_command()).run()
        return act(QueueDaemon(chosen, self.stdout), chosen.action)

    def _make_outputs_safe(self) -> None:
        before = {name: getattr(sys, name) for name in ("stdout", "stderr")}
        streams.make_safe()
        for name, stream in before.items():
            wrapper: OutputWrapper = getattr(self, name)
            if wrapper._out is stream:  # not replaced by the caller
                safe = OutputWrapper(getattr(sys, name))
                safe.style_func = wrapper.style_func
                setattr(self, name, safe)


def _reloads(options: dict[str, Any]) -> bool:
    """Return whether this process only watches the code for another one."""
    wanted = options["action"] == "run" and not options["no_reload"]
    return wanted and settings.DEBUG and was_called_as("queue_consumer")
