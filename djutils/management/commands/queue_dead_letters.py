"""``manage.py queue_dead_letters``: look at what will not be tried again, and decide on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from djutils.queue import codec
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.conf import settings
from djutils.queue.exceptions import MessageError, QueueException
from djutils.queue.message import DeadLetter, Message

_FULL_ID = 32
_SHORTEST = 12
_WIDEST_REASON = 100


class Command(BaseCommand):
    """Lists, shows, replays and discards dead letters. Nothing in them is ever unpickled."""

    help = "List, show, replay or discard the dead letters of a queue."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("action", choices=("list", "show", "replay", "discard"))
        add("ids", nargs="*", metavar="ID", help="an id, or as much of its beginning as makes it unique")
        add("-q", "--queue", help="the queue (the project's default queue)")
        add("--all", action="store_true", help="replay or discard every one")
        add("--count", type=int, default=100, metavar="N", help="list at most N, the newest (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        action, ids, everything = options["action"], options["ids"], options["all"]
        _refuse_nonsense(action, ids, everything, options["count"])
        try:
            queue = queues[options["queue"] or settings.queue_name]
            match action:
                case "list":
                    self._list(queue, options["count"])
                case "show":
                    self._show(queue, ids)
                case "replay":
                    count = queue.replay(None if everything else _find(queue, ids))
                    self.stdout.write(f"Replayed: {_letters(count)}, back on the queue '{queue.name}'.")
                case "discard":
                    count = queue.discard(None if everything else _find(queue, ids))
                    self.stdout.write(f"Discarded: {_letters(count)} of the queue '{queue.name}'.")
        except QueueException as error:
            raise CommandError(f"{type(error).__name__}: {error}") from error

    def _list(self, queue: BaseQueue, count: int) -> None:
        letters = queue.dead_letters(count=count)
        if not letters:
            self.stdout.write(f"The queue '{queue.name}' has no dead letters.")
            return
        width = _width_of_ids(letters)
        rows = [("ID", "COMMAND", "DIED", "RUNS", "REASON")]
        rows += [(letter.id[:width], *_row(letter, queue.name)) for letter in letters]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            self.stdout.write("  ".join([*cells, row[4]]))
        if (there := queue.stats().dead) > len(letters):
            self.stdout.write(f"... the newest {len(letters)} of {there}; --count shows more.")

    def _show(self, queue: BaseQueue, ids: Sequence[str]) -> None:
        for letter in queue.dead_letters(ids=_find(queue, ids)):
            for name, value in _fields(letter, queue.name):
                self.stdout.write(f"{name:<13}{value}")
            self.stdout.write(f"\n{_plain(letter.error.rstrip())}\n\n")


def _refuse_nonsense(action: str, ids: Sequence[str], everything: bool, count: int) -> None:
    if action in {"replay", "discard"} and bool(ids) == everything:
        raise CommandError(f"{action}: name the ids of dead letters, or say --all; not both.")
    if action == "show" and (everything or not ids):
        raise CommandError("show: name the ids of the dead letters to show; list tells them.")
    if action == "list" and (ids or everything):
        raise CommandError("list: takes no ids and lists all; say show to see single ones.")
    if count < 1:
        raise CommandError("--count: must be at least 1.")


def _find(queue: BaseQueue, prefixes: Sequence[str]) -> list[str]:
    """Answer the one id that begins with each of ``prefixes``; ``CommandError`` if there is not one."""
    prefixes = list(dict.fromkeys(prefix.lower() for prefix in prefixes))
    if all(len(prefix) == _FULL_ID for prefix in prefixes):
        there = [letter.id for letter in queue.dead_letters(ids=prefixes, count=len(prefixes))]
    else:
        there = [letter.id for letter in queue.dead_letters(count=max(1, queue.stats().dead))]
    return list(dict.fromkeys(_complete(prefix, there, queue.name) for prefix in prefixes))


def _complete(prefix: str, there: Sequence[str], queue: str) -> str:
    match [id for id in there if id.startswith(prefix)]:
        case [id]:
            return id
        case []:
            raise CommandError(f"The queue '{queue}' has no dead letter '{prefix}'; list tells the ids.")
        case several:
            raise CommandError(
                f"'{prefix}' could be {len(several)} dead letters: {', '.join(sorted(several)[:5])}. Say more of it."
            )


def _width_of_ids(letters: Sequence[DeadLetter]) -> int:
    """Answer how much of the ids to show so that they differ: those of one moment begin alike."""
    ids = {letter.id for letter in letters}
    widths = range(_SHORTEST, _FULL_ID)
    return next((width for width in widths if len({id[:width] for id in ids}) == len(ids)), _FULL_ID)


def _row(letter: DeadLetter, queue: str) -> tuple[str, str, str, str]:
    name, problem = "?", ""
    try:
        name = codec.decode(letter.data, queue).command
    except MessageError as error:
        problem = "" if str(error) in letter.error else f" ({error})"
    reason = letter.reason if len(letter.reason) <= _WIDEST_REASON else f"{letter.reason[:_WIDEST_REASON]}..."
    return name, _when(letter.died), str(letter.attempts + letter.crashes), _plain(f"{reason}{problem}")


def _fields(letter: DeadLetter, queue: str) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [("id", letter.id), ("queue", queue), ("died", _when(letter.died))]
    fields += [(name, getattr(letter, name)) for name in ("attempts", "crashes", "redeliveries")]
    fields.append(("size", f"{len(letter.data)} bytes"))
    try:
        return fields + _header(codec.decode(letter.data, queue))
    except MessageError as error:
        return [*fields, ("command", f"? ({error})")]


def _header(message: Message) -> list[tuple[str, object]]:
    eta = _when(datetime.fromtimestamp(message.eta, UTC)) if message.eta else "none"
    return [
        ("command", message.command),
        ("message id", message.id),
        ("enqueued", _when(message.enqueued_at)),
        ("eta", eta),
        ("priority", message.priority),
        ("attempt", message.attempt),
    ]


def _plain(text: str) -> str:
    """An exception's text may come from anywhere: it must not steer the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def _when(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"


def _letters(count: int) -> str:
    return "1 dead letter" if count == 1 else f"{count} dead letters"
