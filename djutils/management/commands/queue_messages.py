"""``manage.py queue_messages``: what happened to a call, and what is in the queues."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple, get_args

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from djutils.management.showing import LIKELY, TakesIds, the_only_one
from djutils.queue import command_pauses
from djutils.queue.backends.base import BaseQueue, counts_of
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import QueueException
from djutils.queue.inspecting import (
    GONE,
    Budget,
    Found,
    Sought,
    Walk,
    as_json,
    cannot_know,
    fields,
    known_queues,
    lane_of,
    read,
    with_owners,
)
from djutils.queue.message import StateName
from djutils.queue.pausing import Pause, find
from djutils.queue.why import why
from djutils.queue.wording import first_line, plain, when, width_of_ids

STATES: tuple[StateName, ...] = get_args(StateName)
_ID = re.compile(r"[\w-]{1,32}")
_IN_LIST: tuple[StateName, ...] = ("leased", "ready", "waiting", "delayed", "dead")
_MOST = 100_000
"""How many messages of a state to search for a command."""


class Command(TakesIds):
    """Shows messages of every state without taking any. It never unpickles their contents."""

    help = "Show what happened to a call and why it is not running, or list messages. Nothing is taken or changed."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("action", choices=("show", "list", "why"))
        add("ids", nargs="*", metavar="ID", help="an id, or any unambiguous prefix of it")
        add("-q", "--queue", help="the queue (the default queue, and those that the project's commands name)")
        add("--state", choices=STATES, help="list only messages in this state")
        add("--lane", metavar="NAME", help="list only what waits in this lane; queue_lanes shows their names")
        add(
            "--command",
            metavar="NAME",
            help="list only messages of this command; the end of its name is enough",
        )
        add("--newest", action="store_true", help="list the newest of each state first")
        add("--count", type=int, default=100, metavar="N", help="list at most N (%(default)s)")
        add("--format", choices=("text", "json"), default="text", help="for people or for programs (text)")

    def handle(self, *args: Any, **options: Any) -> None:
        _refuse_nonsense(options)
        try:
            chosen = known_queues(options["queue"])
            if self.is_alone() and isinstance(chosen[0], MemoryQueue):
                raise CommandError("MemoryQueue: only the process that made the messages can see them.")
            match options["action"]:
                case "show":
                    self._show(chosen, options["ids"], options["format"] == "json")
                case "why":
                    self._why(chosen, options["ids"], options["format"] == "json")
                case _:
                    self._list(chosen, options)
        except (QueueException, DatabaseError) as error:
            raise CommandError(f"{type(error).__name__}: {error}") from error

    # A single message

    def _why(self, chosen: Sequence[BaseQueue], prefixes: Sequence[str], in_json: bool) -> None:
        """Say what holds each message back, the most important reason first."""
        all_found = [(prefix, _find(chosen, prefix)) for prefix in _once(prefixes)]
        if in_json:
            told = [
                {
                    "id": one.snapshot.id,
                    "state": one.snapshot.state,
                    "reasons": [reason._asdict() for reason in why(one)],
                }
                if one
                else {"id": prefix} | _lost(chosen)
                for prefix, one in all_found
            ]
            self.write_json({"messages": told})
            return
        for prefix, one in all_found:
            self.stdout.write(f"{one.snapshot.id} {plain(one.command)}" if one else plain(prefix))
            for text in [reason.text for reason in why(one)] if one else [_absence(chosen)]:
                self.stdout.write(f"  {text}")

    def _show(self, chosen: Sequence[BaseQueue], prefixes: Sequence[str], in_json: bool) -> None:
        """Find all messages before showing one: if a prefix is ambiguous, nothing is shown."""
        all_found = [(prefix, _find(chosen, prefix)) for prefix in _once(prefixes)]
        paused = _paused([one.queue for _, one in all_found if one])
        if in_json:
            told = [as_json(one) if one else {"id": prefix} | _lost(chosen) for prefix, one in all_found]
            self.write_json({"messages": told, **_as_json(paused)})
            return
        for prefix, one in all_found:
            if one:
                self._write_fields(one, paused)
            else:
                self.stdout.write(f"{'id':<14}{plain(prefix)}\n{'state':<14}{_absence(chosen)}\n\n")

    def _write_fields(self, one: Found, paused: Paused) -> None:
        pauses = {"queue": paused.queues.get(one.queue.name)}
        pauses["command"] = paused.commands[one.queue.name].get(one.command)
        for name, value in fields(one):
            told = f"{value}, {pause}" if (pause := pauses.get(name)) else value
            self.stdout.write(f"{name:<14}{told}")
        if one.snapshot.error:
            self.stdout.write(f"\nThe last error:\n{plain(one.snapshot.error.rstrip())}")
        self.stdout.write("\n")

    # Several messages

    def _list(self, chosen: Sequence[BaseQueue], options: dict[str, Any]) -> None:
        lane = options["lane"]
        wanted_state: StateName | None = options["state"] if lane is None else "waiting"
        states: Sequence[StateName] = [wanted_state] if wanted_state else _IN_LIST
        if wanted_state:
            _refuse_unseen(chosen, wanted_state)
        sought = Sought(command=options["command"] or "")
        found: list[Found] = []
        cut = False
        for queue in chosen:
            for state in states:
                if state not in queue.states:
                    continue
                wanted = options["count"] - len(found)
                newest = options["newest"]
                walk = Walk(queue, state, sought, Budget(_MOST), newest=newest, at_once=wanted + 1, lane=lane)
                found += islice(walk, wanted + 1)
                cut = cut or walk.gave_up or len(found) > options["count"]
                found = found[: options["count"]]
        found, paused = with_owners(found), _paused(chosen)
        if options["format"] == "json":
            counts = {queue.name: counts_of(queue) for queue in chosen}
            messages = [*map(as_json, found)]
            self.write_json({"messages": messages, "more": cut, "counts": counts, **_as_json(paused)})
            return
        self._write_list(found, len(chosen) > 1)
        if cut:
            self.stdout.write("... and there may be more; --count shows more.")
        for queue in chosen:
            pause = paused.queues.get(queue.name)
            self.stdout.write(f"{_totals(queue)}{f' It is {pause}.' if pause else ''}")
            for name, pause in paused.commands[queue.name].items():
                self.stdout.write(f"Its command '{plain(name)}' is {pause}.")

    def _write_list(self, found: Sequence[Found], with_queue: bool) -> None:
        if not found:
            self.stdout.write("No such message.")
            return
        width = width_of_ids([one.snapshot.id for one in found])
        rows: list[tuple[str, ...]] = [
            ("ID", "STATE", "QUEUE", "COMMAND", "LANE", "ENQUEUED", "DUE", "RUNS", "LAST ERROR")
        ]
        rows += [_row(one, width) for one in found]
        # Columns in which there would be nothing to see.
        left_out = {2} if not with_queue else set()
        if not any(lane_of(one) for one in found):
            left_out.add(4)
        self.write_table([[cell for at, cell in enumerate(row) if at not in left_out] for row in rows])


def _once(prefixes: Sequence[str]) -> list[str]:
    return [*dict.fromkeys(prefix.lower() for prefix in prefixes)]


def _lost(chosen: Sequence[BaseQueue]) -> dict[str, Any]:
    """Return what is told of an id that was not found."""
    blind = [queue.name for queue in chosen if not queue.supports_peek]
    return {"state": "unknown" if blind else "gone", "queues": [queue.name for queue in chosen]}


def _refuse_nonsense(options: dict[str, Any]) -> None:
    action, ids = options["action"], options["ids"]
    if action != "list" and not ids:
        raise CommandError(f"{action}: give the ids of the messages to show; list shows the ids.")
    if action == "list" and ids:
        raise CommandError("list: takes no ids; use show to see single messages.")
    if bad := [id for id in ids if not _ID.fullmatch(id)]:
        raise CommandError(
            f"{action}: '{plain(bad[0])}' is neither an id nor the prefix of one; list shows the ids."
        )
    for name in ("state", "lane", "command", "newest"):
        if action != "list" and options[name]:
            raise CommandError(f"{action}: takes no --{name}; list does.")
    if options["lane"] is not None and options["state"] not in (None, "waiting"):
        raise CommandError("--lane: lists what waits in a lane, which is --state waiting.")
    if options["count"] < 1:
        raise CommandError("--count: must be at least 1.")


def _refuse_unseen(chosen: Sequence[BaseQueue], state: StateName) -> None:
    for queue in chosen:
        if state in queue.states or (
            state == "waiting" and queue.supports_peek
        ):  # without lanes nothing waits in one
            continue
        raise CommandError(
            f"{type(queue).__name__} cannot show waiting or running messages: it can only take them. --state dead works."
        )


def _find(chosen: Sequence[BaseQueue], prefix: str) -> Found | None:
    """Return the message whose id begins with ``prefix``; raise ``CommandError`` if there are several."""
    found = [
        read(queue, snapshot) for queue in chosen for snapshot in queue.find(prefix, LIKELY + 1, data=True)
    ]
    whole = [one for one in found if one.snapshot.id == prefix]
    found = whole or found
    the_only_one([one.snapshot.id for one in found], prefix, "messages")
    return next(iter(with_owners(found)), None)


def _absence(chosen: Sequence[BaseQueue]) -> str:
    """Return the text for a message that was not found."""
    blind = [cannot_know(queue) for queue in chosen if not queue.supports_peek]
    where = ", ".join(f"'{queue.name}'" for queue in chosen)
    return " ".join(blind) or f"{GONE} (looked for on {where}; -q names another queue)"


def _row(one: Found, width: int) -> tuple[str, ...]:
    snapshot = one.snapshot
    sent = one.message.enqueued_at if one.message else snapshot.sent
    problem = f" ({plain(one.problem)})" if one.problem and one.problem not in snapshot.error else ""
    return (
        snapshot.id[:width],
        snapshot.state,
        one.queue.name,
        plain(one.command),
        plain(lane_of(one)),
        when(sent) if sent else "?",
        when(snapshot.due) if snapshot.due else "",
        str(snapshot.attempts + snapshot.crashes),
        f"{first_line(snapshot.error)}{problem}",
    )


class Paused(NamedTuple):
    """What is paused, by the names of queues."""

    queues: dict[str, Pause]
    commands: dict[str, dict[str, Pause]]


def _paused(chosen: Sequence[BaseQueue]) -> Paused:
    found = {queue.name: find(queue) for queue in chosen}
    commands = {queue.name: command_pauses.find(queue) for queue in chosen}
    return Paused({name: pause for name, pause in found.items() if pause is not None}, commands)


def _as_json(paused: Paused) -> dict[str, Any]:
    commands = {name: command_pauses.as_json(pauses) for name, pauses in paused.commands.items() if pauses}
    return {"paused": command_pauses.as_json(paused.queues), "paused_commands": commands}


def _totals(queue: BaseQueue) -> str:
    counts = counts_of(queue)
    in_lanes = counts.pop("waiting")
    told = ", ".join(f"{'unknown' if n is None else n} {state}" for state, n in counts.items())
    more = f" {in_lanes} more wait in lanes; queue_lanes shows these." if in_lanes else ""
    return f"The queue '{queue.name}': {told}.{more}"
