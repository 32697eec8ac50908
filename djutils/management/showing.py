"""How the management commands name and show messages: ids, times, tables. No message is ever unpickled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from djutils.queue import codec
from djutils.queue.exceptions import MessageError

LIKELY = 5
"""How many ids to list when a prefix is ambiguous."""
_FULL_ID = 32
_SHORTEST = 12
_WIDEST_REASON = 100


class TakesIds(BaseCommand):
    """A management command that takes ids and options in any order, as in ``replay -q NAME ID``."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return a parser that accepts arguments in any order; plain argparse accepts no id after an option."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser

    def is_alone(self) -> bool:
        """Return whether it runs as its own process, not through ``call_command``."""
        return bool(getattr(self, "_called_from_command_line", False))

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


def width_of_ids(ids: Collection[str]) -> int:
    """Return how many characters of ``ids`` to show so that they differ: ids from one moment begin alike."""
    widths = range(_SHORTEST, _FULL_ID)
    return next((width for width in widths if len({id[:width] for id in ids}) == len({*ids})), _FULL_ID)


def command_of(data: bytes, queue: str) -> tuple[str, str]:
    """Return the name of the command in a message and ''; or '?' and why it cannot be read."""
    try:
        return codec.decode(data, queue).command, ""
    except MessageError as error:
        return "?", str(error)


def first_line(error: str) -> str:
    """Return the reason at the start of an error, shortened for a table."""
    reason = error.partition("\n")[0]
    return plain(reason if len(reason) <= _WIDEST_REASON else f"{reason[:_WIDEST_REASON]}...")


def plain(text: str) -> str:
    """Return ``text`` without terminal control characters: an exception's text may come from anywhere."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def when(moment: datetime) -> str:
    """Return a moment as text in the project's time zone."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
