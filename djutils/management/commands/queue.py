"""``manage.py queue VERB``: every command about queues under one name."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command, load_command_class
from django.core.management.base import BaseCommand, CommandParser

VERBS: dict[str, tuple[str, ...]] = {
    "list": ("queue_messages", "list"),
    "show": ("queue_messages", "show"),
    "why": ("queue_messages", "why"),
    "dead": ("queue_dead_letters", "list"),
    "groups": ("queue_dead_letters", "groups"),
    "replay": ("queue_dead_letters", "replay"),
    "discard": ("queue_dead_letters", "discard"),
    "workers": ("queue_workers",),
    "lanes": ("queue_lanes",),
    "commands": ("queue_commands",),
    "pause": ("queue_pause",),
    "resume": ("queue_resume",),
    "schedules": ("queue_schedules", "list"),
    "schedule": ("queue_schedules",),
}
"""The management command that does each, and its first arguments."""


class Command(BaseCommand):
    """Passes its arguments on to the command that a verb stands for."""

    help = "Look into the queues and steer them; 'queue VERB --help' shows what a verb takes."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=tuple(VERBS))
        parser.add_argument("rest", nargs="...", metavar="ARGUMENT", help="what the verb takes")

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the command that the verb stands for as if it had been typed, with its own exit codes."""
        verb = argv[2] if len(argv) > 2 else ""
        if verb not in VERBS:
            super().run_from_argv(argv)
            return
        name, *first = VERBS[verb]
        load_command_class("djutils", name).run_from_argv([argv[0], name, *first, *argv[3:]])

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the verb stands for, for ``call_command``."""
        name, *first = VERBS[options["verb"]]
        call_command(name, *first, *options["rest"], stdout=self.stdout, stderr=self.stderr)
