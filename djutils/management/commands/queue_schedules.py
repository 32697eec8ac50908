"""``manage.py queue_schedules``: list the schedules, switch them, run one now, remove one that was made at run time."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from djutils.management.showing import TakesIds
from djutils.queue import schedules
from djutils.queue.exceptions import QueueException
from djutils.queue.inspecting import known_queues
from djutils.queue.wording import plain, when

_NEXT = 3


class Command(TakesIds):
    """Shows schedules and changes them."""

    help = "List the schedules; enable, disable or run one now; remove one that was made at run time."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("action", choices=("list", "enable", "disable", "run", "remove"))
        add("name", nargs="?", metavar="NAME", help="the whole name of a schedule; list shows all")
        add("-q", "--queue", help="list only those of this queue")
        add("--format", choices=("text", "json"), default="text", help="for people or for programs (text)")

    def handle(self, *args: Any, **options: Any) -> None:
        action, name = options["action"], options["name"]
        if (action == "list") == (name is not None):
            raise CommandError("list takes no name; every other action takes one.", returncode=2)
        if options["queue"] and action != "list":
            raise CommandError(f"{action}: takes no --queue; a name is that of one schedule.", returncode=2)
        in_json = options["format"] == "json"
        try:
            if action == "list":
                self._list(schedules.all(options["queue"]), in_json)
            else:
                self._change(action, name, in_json)
        except schedules.ScheduleNotFound as error:
            raise CommandError(str(error), returncode=3) from error
        except (QueueException, DatabaseError) as error:
            raise CommandError(f"{type(error).__name__}: {error}") from error

    def _list(self, found: list[schedules.Schedule], in_json: bool) -> None:
        if in_json:
            self.write_json({"schedules": [_as_json(one) for one in found]})
            return
        if not found:
            self.stdout.write("There are no schedules.")
            return
        rows = [("NAME", "WHEN", "ON", "LAST RUN", "STATUS", "NEXT RUN")]
        for one in found:
            last, coming = one.last_run, _next(one, 1)
            rows.append(
                (
                    plain(one.name),
                    plain(one.rule),
                    "yes" if one.enabled else "no",
                    when(last) if last else "-",
                    one.last_status() or "-",
                    when(coming[0].astimezone(UTC)) if coming else "-",
                )
            )
        self.write_table(rows)

    def _change(self, action: str, name: str, in_json: bool) -> None:
        told: dict[str, Any] = {"name": name, "action": action}
        match action:
            case "enable":
                schedules.enable(name)
                text = "Enabled: every consumer follows within a minute."
            case "disable":
                schedules.disable(name)
                text = "Disabled: every consumer follows within a minute."
            case "remove":
                schedules.remove(name)
                text = "Removed: every consumer follows within a minute."
            case _:
                told["id"] = schedules.run_now(name).id
                text = f"Enqueued: {told['id']}."
        for queue in known_queues(None):
            self.commit(queue)
        if in_json:
            self.write_json(told)
        else:
            self.stdout.write(text)


def _as_json(one: schedules.Schedule) -> dict[str, Any]:
    return {
        "name": one.name,
        "command": one.command,
        "queue": one.queue_name,
        "when": one.rule,
        "time_zone": one.time_zone,
        "enabled": one.enabled,
        "made": one.made,
        "misfire": one.misfire,
        "overlap": one.overlap,
        "last_run": _iso(one.last_run),
        "last_id": one.last_result.id if one.last_result else None,
        "last_status": one.last_status(),
        "next_runs": [_iso(moment) for moment in _next(one, _NEXT)],
    }


def _next(one: schedules.Schedule, count: int) -> list[datetime]:
    with suppress(Exception):  # a function of the project's own may raise anything; the consumers log it
        return one.next(count)
    return []


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
