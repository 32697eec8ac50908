"""What the management commands about queues have in common: a commit, JSON, tables, and ids as arguments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from djutils.queue.backends.base import BaseQueue
from djutils.queue.wording import plain

LIKELY = 5
"""How many ids to list when a prefix is ambiguous."""


class OfQueues(BaseCommand):
    """A management command about queues."""

    def is_alone(self) -> bool:
        """Return whether it runs as its own process, not through ``call_command``."""
        return bool(getattr(self, "_called_from_command_line", False))

    def commit(self, queue: BaseQueue) -> None:
        """Commit if the project has switched autocommit off; a caller of ``call_command`` commits itself."""
        if self.is_alone() and (alias := queue.transaction_alias) and not connections[alias].get_autocommit():
            connections[alias].commit()

    def write_json(self, value: object) -> None:
        """Write ``value`` for programs."""
        self.stdout.write(json.dumps(value, indent=2))


class TakesIds(OfQueues):
    """A management command that takes ids and options in any order, as in ``replay -q NAME ID``."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return a parser that accepts arguments in any order; plain argparse accepts no id after an option."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser

    def write_table(self, rows: Sequence[Sequence[str]]) -> None:
        """Write ``rows``, with the headings first, in columns."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for *cells, last in rows:
            padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
            self.stdout.write("  ".join([*padded, last]).rstrip())


def the_only_one(ids: Sequence[str], prefix: str, what: str) -> str | None:
    """Return the only id in ``ids``, None if there is none; raise ``CommandError`` for several.

    ``what`` names the kind of thing, such as "dead letters".
    """
    if len(ids) > 1:
        number = f"{len(ids)}" if len(ids) <= LIKELY else f"more than {LIKELY}"
        raise CommandError(
            f"'{plain(prefix)}' could be {number} {what}: {', '.join(sorted(ids)[:LIKELY])}. Give more characters."
        )
    return ids[0] if ids else None
