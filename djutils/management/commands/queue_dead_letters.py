"""``manage.py queue_dead_letters``: list, group, show, replay and discard dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from djutils.management.showing import LIKELY, TakesIds, the_only_one
from djutils.queue import codec, dead_letters
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.conf import settings
from djutils.queue.dead_groups import dead_groups
from djutils.queue.exceptions import MessageError, QueueException
from djutils.queue.inspecting import command_of
from djutils.queue.message import DeadLetter, Message
from djutils.queue.wording import first_line, plain, when, width_of_ids

_AT_ONCE = 200


class Command(TakesIds):
    """Lists, shows, replays and discards dead letters. It never unpickles their contents."""

    help = "List, group, show, replay or discard the dead letters of a queue."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("action", choices=("list", "groups", "show", "replay", "discard"))
        add("ids", nargs="*", metavar="ID", help="an id, or any unambiguous prefix of it")
        add("-q", "--queue", help="the queue (the project's default queue)")
        add("--all", action="store_true", help="replay or discard every one")
        add(
            "--older-than",
            metavar="AGE",
            help="list or discard those that died so long ago: 30d, 12h, 90m, 45s",
        )
        add("--count", type=int, default=100, metavar="N", help="list at most N, the newest (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        _refuse_nonsense(options)
        try:
            queue = queues[options["queue"] or settings.queue_name]
            before = _before(options["older_than"])
            match options["action"]:
                case "list":
                    self._list(queue, options["count"], before)
                case "groups":
                    self._group(queue, options["count"])
                case "show":
                    self._show(queue, options["ids"])
                case "replay":
                    ids = None if options["all"] else _find(queue, options["ids"])
                    count = dead_letters.replay(queue, ids, dead_letters.operator())
                    self.commit(queue)
                    self.stdout.write(f"Replayed: {_letters(count)}, back on the queue '{queue.name}'.")
                case "discard":
                    ids = _find(queue, options["ids"]) if options["ids"] else None
                    count = dead_letters.discard(queue, ids, dead_letters.operator(), before=before)
                    self.commit(queue)
                    self.stdout.write(f"Discarded: {_letters(count)} of the queue '{queue.name}'.")
        except (QueueException, DatabaseError) as error:
            raise CommandError(f"{type(error).__name__}: {error}") from error

    def _list(self, queue: BaseQueue, count: int, before: datetime | None) -> None:
        letters = queue.dead_letters(count=count) if before is None else _died_before(queue, before, count)
        if not letters:
            old = "" if before is None else " that old"
            self.stdout.write(f"The queue '{queue.name}' has no dead letters{old}.")
            return
        width = width_of_ids([letter.id for letter in letters])
        rows = [("ID", "COMMAND", "DIED", "RUNS", "REASON")]
        rows += [(letter.id[:width], *_row(letter, queue.name)) for letter in letters]
        self.write_table(rows)
        if before is None and (there := queue.stats().dead) > len(letters):
            self.stdout.write(f"... the newest {len(letters)} of {there}; --count shows more.")
        elif before is not None and len(letters) == count:
            self.stdout.write(f"... the newest {count} that old; --count shows more.")

    def _group(self, queue: BaseQueue, count: int) -> None:
        groups, is_cut = dead_groups(queue)
        if not groups:
            self.stdout.write(f"The queue '{queue.name}' has no dead letters.")
            return
        rows: list[tuple[str, ...]] = [("COUNT", "1 H", "24 H", "7 D", "COMMAND", "KIND", "LINE", "NEWEST")]
        for one in groups[:count]:
            numbers = (str(number) for number in (one.size, *one.recent))
            texts = (plain(one.command), plain(one.kind) or "-", plain(one.line) or "-")
            rows.append((*numbers, *texts, one.newest.snapshot.id))
        self.write_table(rows)
        if len(groups) > count:
            self.stdout.write(f"... and {len(groups) - count} more groups; --count shows more.")
        if is_cut:
            self.stdout.write("There are more dead letters: only the newest were looked at.")

    def _show(self, queue: BaseQueue, ids: Sequence[str]) -> None:
        found = _find(queue, ids)
        for letter in queue.dead_letters(ids=found, count=len(found)):
            for name, value in _fields(letter, queue.name):
                self.stdout.write(f"{name:<13}{value}")
            self.stdout.write(f"\n{plain(letter.error.rstrip())}\n\n")


def _refuse_nonsense(options: dict[str, Any]) -> None:
    action, ids, everything, age = (options[name] for name in ("action", "ids", "all", "older_than"))
    if action == "discard" and (bool(ids), everything, age is not None).count(True) != 1:
        raise CommandError(
            "discard: give the ids of dead letters, --all, or --older-than AGE; exactly one of these."
        )
    if action == "replay" and bool(ids) == everything:
        raise CommandError("replay: give the ids of dead letters, or --all; not both.")
    if action == "show" and (everything or not ids):
        raise CommandError("show: give the ids of the dead letters to show; list shows the ids.")
    if action in {"list", "groups"} and (ids or everything):
        raise CommandError(f"{action}: takes no ids and lists all; use show to see single ones.")
    if action in {"groups", "show", "replay"} and age is not None:
        raise CommandError(f"{action}: takes no --older-than; list and discard do.")
    if not all(ids):
        raise CommandError(f"{action}: an id is empty; list shows the ids.")
    if options["count"] < 1:
        raise CommandError("--count: must be at least 1.")


def _before(age: object) -> datetime | None:
    """Return the moment that is that long ago; raise ``CommandError`` for an invalid age."""
    if age is None:
        return None
    try:
        return datetime.now(UTC) - dead_letters.as_age(age)
    except ValueError as error:
        raise CommandError(f"--older-than: {error}") from None


def _died_before(queue: BaseQueue, before: datetime, count: int) -> list[DeadLetter]:
    """Return the newest ``count`` dead letters that died before ``before``, loading a few at a time."""
    ids = queue.dead_ids("", max(1, queue.stats().dead))
    found: list[DeadLetter] = []
    for at in range(0, len(ids), _AT_ONCE):
        some = queue.dead_letters(ids=ids[at : at + _AT_ONCE], count=_AT_ONCE)
        found += [letter for letter in some if letter.died < before]
        found = sorted(found, key=attrgetter("died"), reverse=True)[:count]
    return found


def _find(queue: BaseQueue, prefixes: Sequence[str]) -> list[str]:
    """Return the id that begins with each of ``prefixes``; raise ``CommandError`` unless there is exactly one."""
    prefixes = list(dict.fromkeys(prefix.lower() for prefix in prefixes))
    return list(dict.fromkeys(_complete(queue, prefix) for prefix in prefixes))


def _complete(queue: BaseQueue, prefix: str) -> str:
    id = the_only_one(queue.dead_ids(prefix, LIKELY + 1), prefix, "dead letters")
    if id is None:
        raise CommandError(
            f"The queue '{queue.name}' has no dead letter '{plain(prefix)}'; list shows the ids."
        )
    return id


def _row(letter: DeadLetter, queue: str) -> tuple[str, str, str, str]:
    name, problem = command_of(letter.data, queue)
    hint = f" ({plain(problem)})" if problem and problem not in letter.error else ""
    return name, when(letter.died), str(letter.attempts + letter.crashes), f"{first_line(letter.error)}{hint}"


def _fields(letter: DeadLetter, queue: str) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [("id", letter.id), ("queue", queue), ("died", when(letter.died))]
    fields += [(name, getattr(letter, name)) for name in ("attempts", "crashes", "redeliveries")]
    fields.append(("size", f"{len(letter.data)} bytes"))
    try:
        return fields + _header(codec.decode(letter.data, queue))
    except MessageError as error:
        return [*fields, ("command", f"? ({error})")]


def _header(message: Message) -> list[tuple[str, object]]:
    eta = when(datetime.fromtimestamp(message.eta, UTC)) if message.eta else "none"
    return [
        ("command", message.command),
        ("message id", message.id),
        ("enqueued", when(message.enqueued_at)),
        ("eta", eta),
        ("priority", message.priority),
        ("attempt", message.attempt),
    ]


def _letters(count: int) -> str:
    return "1 dead letter" if count == 1 else f"{count} dead letters"
