"""``manage.py queue_schedules``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from djutils.queue import schedules
from djutils.queue.backends.memory import MemoryQueue

from .commands_for_tests import record
from .conftest import Declare
from .times import Times


def run(*words: str) -> str:
    out = StringIO()
    call_command("queue_schedules", *words, stdout=out)
    return out.getvalue()


def test_the_command_line_lists_and_changes(memory: MemoryQueue, declare: Declare) -> None:
    declare("@periodic_command(every(minutes=1))\ndef one(): pass")
    times = Times(datetime.now(UTC))
    schedules.add("mine", record, "0 3 * * *", args=("x",))
    times.clock(memory).tick()
    assert "made_up.one" in run("list")
    assert "READY" in run("list")
    assert run("disable", "made_up.one") == "Disabled: every consumer follows within a minute.\n"
    told = {one["name"]: one for one in json.loads(run("list", "--format", "json"))["schedules"]}
    assert (told["made_up.one"]["enabled"], told["made_up.one"]["next_runs"]) == (False, [])
    assert told["made_up.one"]["last_run"] == f"{times.shown().replace(second=0, microsecond=0).isoformat()}"
    assert (told["mine"]["made"], len(told["mine"]["next_runs"])) == (True, 3)
    assert run("enable", "made_up.one").startswith("Enabled")
    id = json.loads(run("run", "mine", "--format", "json"))["id"]
    assert id in {one.id for one in memory.peek("ready")}
    assert run("remove", "mine").startswith("Removed")
    assert "mine" not in run("list")


def test_a_function_that_fails_hides_no_other_schedule(memory: MemoryQueue, declare: Declare) -> None:
    declare("@periodic_command(lambda when: 1 / 0)\ndef failing(): pass")
    declare("@periodic_command(every(minutes=1))\ndef one(): pass")
    told = {one["name"]: one for one in json.loads(run("list", "--format", "json"))["schedules"]}
    assert told["made_up.failing"]["next_runs"] == []
    assert len(told["made_up.one"]["next_runs"]) == 3
    assert "made_up.failing" in run("list")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["run", "nothing"], 3, "There is no schedule 'nothing'"),
        (["run"], 2, "every other action takes one"),
        (["list", "one"], 2, "list takes no name"),
        (["enable", "one", "-q", "x"], 2, "takes no --queue"),
    ],
)
def test_the_command_line_says_what_was_wrong_by_its_exit_code(
    memory: MemoryQueue, words: list[str], code: int, says: str
) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        run(*words)
    assert caught.value.returncode == code
