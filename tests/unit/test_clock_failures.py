"""A periodic command that cannot be enqueued stops no other one."""

from __future__ import annotations

import pytest

from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import BackendError, BackendUnavailable
from djutils.queue.message import Envelope

from .conftest import Declare
from .helpers import FailingWrite, ListQueue
from .times import MODULE, Times, names_on


def test_a_schedule_that_raises_does_not_stop_the_others(
    memory: MemoryQueue, times: Times, caplog: pytest.LogCaptureFixture, declare: Declare
) -> None:
    declare(
        """
        @periodic_command(lambda when: exit("no"))
        def aaa_leaves(): pass

        class AaaCannotBeMade(PeriodicQueueCommand):
            def __init__(self, needed): pass
            def execute(self): pass
        """
    )
    times.clock(memory).tick()
    assert names_on(memory) == ["LeapClass", "leap"]
    for name in (f"{MODULE}.LeapError", "made_up.aaa_leaves", "made_up.AaaCannotBeMade"):
        assert (
            f"{name} was not enqueued for 2024-02-29T03:07+00:00: its validate_datetime failed" in caplog.text
        )
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("data = 'x' * 300_000", "MessageTooLarge"),
        ("data = (number for number in 'x')", "NotPicklable"),
        ("priority = 1000", "InvalidCommand"),
        ("run_after = 'tomorrow'", "InvalidCommand"),
    ],
)
def test_a_command_that_cannot_be_sent_is_logged_by_name_and_does_not_stop_the_others(
    body: str,
    error: str,
    memory: MemoryQueue,
    times: Times,
    caplog: pytest.LogCaptureFixture,
    declare: Declare,
) -> None:
    declare(
        f"""
        class Aaa(PeriodicQueueCommand):
            validate_datetime = crontab()
            def __init__(self, given=None):
                self.data = given
                self.{body}
            def execute(self): pass
        """
    )
    clock = times.clock(memory)
    clock.tick()
    clock.tick()
    assert names_on(memory) == ["LeapClass", "leap"]
    assert caplog.text.count("made_up.Aaa 2024-02-29T03:07+00:00 was not enqueued: it cannot be sent.") == 1
    assert error in caplog.text


def test_an_option_that_its_backend_does_not_have_stops_only_the_command_that_has_it(
    four_methods: ListQueue, times: Times, caplog: pytest.LogCaptureFixture, declare: Declare
) -> None:
    declare("@periodic_command(crontab(), priority=5)\ndef aaa(): pass")
    times.clock(four_methods).tick()
    assert names_on(four_methods) == ["LeapClass", "leap"]
    assert "made_up.aaa 2024-02-29T03:07+00:00 was not enqueued" in caplog.text
    assert "UnsupportedOption" in caplog.text


class Choosy(MemoryQueue):
    """Refuses the keys of one command, by an error that is ``kind`` of."""

    kind: type[Exception] = BackendError
    refuses = True

    def send_once(self, key: str, envelope: Envelope) -> bool:
        if self.refuses and key.startswith("made_up.aaa "):
            raise self.kind("The key is too long.")
        return super().send_once(key, envelope)


def test_what_the_queue_refuses_waits_and_does_not_stop_the_others(
    memory: MemoryQueue, times: Times, caplog: pytest.LogCaptureFixture, declare: Declare
) -> None:
    declare("@periodic_command(crontab())\ndef aaa(): pass")
    choosy = Choosy(memory.name)
    clock = times.clock(choosy)
    for _ in range(3):
        clock.tick()
    assert names_on(memory) == ["LeapClass", "leap"]
    assert caplog.text.count("made_up.aaa 2024-02-29T03:07+00:00 was not enqueued yet") == 1
    times.elapse(60)
    clock.tick()
    assert caplog.text.count("made_up.aaa 2024-02-29T03:08+00:00 was not enqueued yet") == 1
    choosy.refuses = False
    clock.tick()
    assert names_on(memory) == ["leap", "made_up.aaa"]


@pytest.mark.parametrize("kind", [BackendUnavailable, ValueError])
def test_one_that_looks_like_an_outage_is_named_and_does_not_stop_the_others(
    kind: type[Exception], memory: MemoryQueue, times: Times, declare: Declare
) -> None:
    declare("@periodic_command(crontab())\ndef aaa(): pass")
    choosy = Choosy(memory.name)
    choosy.kind = kind
    clock = times.clock(choosy)
    for _ in range(2):
        with pytest.raises(BackendUnavailable, match=r"made_up\.aaa .* was not enqueued yet: .*too long"):
            clock.tick()
    assert names_on(memory) == ["LeapClass", "leap"]
    times.elapse(60)
    with pytest.raises(BackendUnavailable):
        clock.tick()
    assert names_on(memory) == ["leap"], "the one that failed comes last"
    choosy.refuses = False
    clock.tick()
    assert names_on(memory) == ["made_up.aaa"]


def test_a_queue_out_of_reach_stops_no_other_and_loses_nothing(
    memory: MemoryQueue, times: Times, declare: Declare
) -> None:
    declare("@periodic_command(crontab(), queue_name='unit.far')\ndef aaa(): pass")
    declare("@periodic_command(crontab(), queue_name='unit.far')\ndef aab(): pass")
    far = ListQueue("unit.far")
    ListQueue.fails.clear()
    ListQueue.calls.clear()
    ListQueue.fails["write"] = 3
    clock = times.clock(far, memory)
    for _ in range(3):
        with pytest.raises(BackendUnavailable, match=r"made_up\.aa. .*write does not get through"):
            clock.tick()
    assert names_on(memory) == ["LeapClass", "leap"]
    assert ListQueue.calls["write"] == 3, "one command is enough to see an outage"
    clock.tick()
    assert names_on(far) == ["made_up.aaa", "made_up.aab"]


def test_an_outage_in_the_middle_of_a_minutes_commands_loses_and_doubles_none(
    four_methods: ListQueue, times: Times
) -> None:
    clock = times.clock(FailingWrite(four_methods.name))
    with pytest.raises(BackendUnavailable):
        clock.tick()
    clock.tick()
    assert names_on(four_methods) == ["LeapClass", "leap"]


def test_what_outlasts_its_minute_is_enqueued_once_when_the_queue_is_back(
    four_methods: ListQueue, times: Times
) -> None:
    clock = times.clock(four_methods)
    four_methods.fails["write"] = 5
    for _ in range(5):
        with pytest.raises(BackendUnavailable):
            clock.tick()
        times.elapse(60)
    clock.tick()
    assert names_on(four_methods) == ["LeapClass", "leap"]
