"""``invoker.pause(command=...)``, the memory in which worker processes see it, and the chores that keep both true."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from djutils.queue import command_pauses
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.command_pauses import KEY, MOST, CommandPauses, error_of, why_put_aside
from djutils.queue.exceptions import QueueException, UnknownCommand
from djutils.queue.message import UNCOUNTED, Retrial
from djutils.queue.pausing import Pause
from djutils.queue.queue import Invoker, invoker
from djutils.queue.workers.bringing_back import BringingBack
from djutils.queue.workers.chore import Stores
from djutils.queue.workers.paused_commands import PausedCommands, digest_of
from djutils.queue.workers.pausing import Pausing
from djutils.queue.workers.switches import OPEN, UNKNOWN, new_switches

from .commands_for_tests import hold, record
from .helpers import ListQueue, make_envelope
from .times import LEAP, Times

NAME = record.command_class.name


@pytest.mark.parametrize("given", [record, record.command_class, NAME])
def test_a_command_is_paused_by_whatever_names_it(memory: MemoryQueue, given: Any) -> None:
    made = invoker.pause(command=given, reason="why", by="ada")

    assert invoker.paused_commands() == {memory.name: {NAME: made}}
    assert (made.reason, made.by) == ("why", "ada")
    assert invoker.paused() == {}, "its queue is not"
    assert invoker.resume(command=given) is True
    assert invoker.resume(command=given) is False
    assert invoker.paused_commands() == {}


def test_a_pause_and_a_resume_are_logged_once_with_who_did_it(
    memory: MemoryQueue, log: pytest.LogCaptureFixture
) -> None:
    invoker.pause(command=record, reason="why", by="ada")
    invoker.resume(command=record, by="bob")
    invoker.resume(command=record, by="bob")

    assert [one.getMessage() for one in log.records] == [
        f"ada paused the command '{NAME}' of the queue '{memory.name}': why.",
        f"bob resumed the command '{NAME}' of the queue '{memory.name}'.",
    ]


def test_paused_again_it_stays_paused_since_the_same_moment_for_the_new_reason(memory: MemoryQueue) -> None:
    first = invoker.pause(command=record, reason="a")

    again = invoker.pause(command=record, reason="b")

    assert (again.since, again.reason) == (first.since, "b")


def test_commands_are_paused_apart_and_on_each_queue_apart(memory: MemoryQueue) -> None:
    invoker.pause(command=record)
    invoker.pause("bulk", command=hold)

    assert [*invoker.paused_commands()[memory.name]] == [NAME]
    assert [*invoker.paused_commands("bulk")["bulk"]] == [hold.command_class.name]
    assert Invoker(MemoryQueue("own")).paused_commands() == invoker.paused_commands()


def test_a_name_that_is_not_registered_is_refused_with_the_nearest(memory: MemoryQueue) -> None:
    for act in (invoker.pause, invoker.resume):
        with pytest.raises(UnknownCommand, match=rf"The nearest is '{NAME}'"):
            act(command=NAME + "s")
    assert invoker.paused_commands() == {}


def test_what_is_paused_and_not_registered_any_more_can_be_resumed(memory: MemoryQueue) -> None:
    command_pauses.pause(memory, "gone.command", "", "ada")

    assert invoker.resume(command="gone.command") is True


def test_a_backend_without_a_store_is_refused(four_methods: ListQueue) -> None:
    for act in (invoker.pause, invoker.resume):
        with pytest.raises(
            QueueException, match=rf"ListQueue has no store, so the command '{NAME}' cannot be paused"
        ):
            act(command=record)
    assert invoker.paused_commands() == {}


def test_only_so_many_are_paused_at_once(memory: MemoryQueue) -> None:
    full = CommandPauses({f"c{n}": Pause(None) for n in range(MOST)}, {})
    memory.store.set({KEY: full.as_bytes()}, 60)

    with pytest.raises(QueueException, match=r"500 commands .* nothing was changed. Pause the queue."):
        invoker.pause(command=record)

    assert len(invoker.paused_commands()[memory.name]) == MOST


def test_pauses_that_are_made_at_the_same_time_do_not_undo_each_other(memory: MemoryQueue) -> None:
    names = [f"c{n}" for n in range(12)]
    makers = [threading.Thread(target=command_pauses.pause, args=(memory, name, "", "ada")) for name in names]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert {*command_pauses.find(memory)} == {*names}


def test_of_several_that_pause_a_command_once_one_does(memory: MemoryQueue) -> None:
    assert [command_pauses.pause_once(memory, NAME, reason, "x") for reason in "ab"] == [True, False]
    assert command_pauses.find(memory)[NAME].reason == "a"


@pytest.mark.parametrize(
    "value", [b"\xff", b"[]", b'{"paused": 3}', b'{"paused": {"a": 1}, "resumed": {"a": "x"}}']
)
def test_what_another_program_has_written_pauses_nothing_and_breaks_nothing(
    memory: MemoryQueue, value: bytes
) -> None:
    memory.store.set({KEY: value}, 60)

    assert invoker.paused_commands() == {}
    invoker.pause(command=record)
    assert [*invoker.paused_commands()[memory.name]] == [NAME]


def test_it_is_kept_as_values_that_another_program_can_read(memory: MemoryQueue) -> None:
    made = invoker.pause(command=record, reason="why", by="ada")

    assert json.loads(memory.store.get([KEY])[KEY]) == {"paused": {NAME: made.as_json()}, "resumed": {}}


async def _from_a_coroutine() -> Any:
    made = await invoker.apause(command=record, reason="why")
    return made, await invoker.apaused_commands(), await invoker.aresume(command=record)


def test_a_coroutine_pauses_and_resumes(memory: MemoryQueue) -> None:
    made, found, was_paused = asyncio.run(_from_a_coroutine())

    assert (found, was_paused) == ({memory.name: {NAME: made}}, True)


def test_a_message_says_why_it_was_put_aside_once_and_what_had_gone_wrong() -> None:
    first = error_of("a", "ValueError: no")

    assert first == f"{why_put_aside('a')}\n\nValueError: no"
    assert error_of("a", first) == first
    assert error_of("a", "") == error_of("a", why_put_aside("a")) == why_put_aside("a")


# In shared memory


def test_what_is_published_is_seen_and_changes_are_noticed_until_they_are_obeyed() -> None:
    shared = PausedCommands(2)
    assert (shared.current(), shared.changed) == (frozenset(), False)

    shared.publish({digest_of("q", "a")})

    assert shared.changed
    assert shared.current() == {digest_of("q", "a")}
    shared.obey()
    assert not shared.changed
    shared.publish({digest_of("q", "a")})
    assert not shared.changed, "nothing is new"
    shared.publish(set())
    assert shared.changed
    assert shared.current() == frozenset()


def test_while_it_is_written_the_last_state_holds_and_the_next_writer_mends_it() -> None:
    shared = PausedCommands(1)
    shared.publish({digest_of("q", "a")})
    shared.current()
    shared.obey()
    shared._memory[0] |= 1

    assert shared.current() == {digest_of("q", "a")}
    assert not shared.changed
    shared.publish({digest_of("q", "b")})
    assert shared.current() == {digest_of("q", "b")}


def test_the_same_name_on_another_queue_is_another_command() -> None:
    assert digest_of("q", "a") != digest_of("p", "a")


# The chores


class Upkeep:
    """The two chores of a consumer of one queue."""

    def __init__(self, *queues: Any) -> None:
        self.stores = Stores(())
        for queue in queues:
            self.stores.queues[queue.name] = queue
            if isinstance(queue, MemoryQueue):
                self.stores.leased[queue.name] = queue
        self.switches = new_switches(len(queues))
        self.shared = PausedCommands(len(queues))
        self.times = Times(LEAP)
        self.begin()

    def begin(self) -> None:
        self.pausing = Pausing(self.stores, self.switches, self.shared, self.times.monotonic)
        self.bringing_back = BringingBack(self.stores, self.pausing, self.times.monotonic)

    def look(self) -> frozenset[bytes]:
        self.times.elapse(max(0.0, self.pausing.due_in()))
        self.pausing.do()
        return self.shared.current()

    def bring_back(self) -> None:
        if self.bringing_back.due_in() <= 0:
            self.bringing_back.do()


def put_aside(queue: MemoryQueue, count: int) -> None:
    envelopes = [make_envelope(record, n, queue=queue.name) for n in range(count)]
    queue.send(envelopes)
    queue.enroll(7)
    queue.receive(7, count)
    queue.retry(7, [Retrial(one.id, 600.0, why_put_aside(NAME), UNCOUNTED) for one in envelopes])


def test_the_chore_publishes_what_is_paused_and_says_so_once(
    memory: MemoryQueue, log: pytest.LogCaptureFixture
) -> None:
    upkeep = Upkeep(memory)
    assert upkeep.look() == frozenset()
    invoker.pause(command=record, reason="why", by="ada")
    log.clear()

    assert upkeep.look() == upkeep.look() == {digest_of(memory.name, NAME)}
    invoker.resume(command=record)
    assert upkeep.look() == upkeep.look() == frozenset()

    told = [one.getMessage() for one in log.records if one.name.startswith("djutils.queue.workers")]
    assert len(told) == 2
    assert f"The command '{NAME}' of the queue '{memory.name}' is paused since" in told[0]
    assert "by ada (why): what runs goes on" in told[0]
    assert told[1].endswith("is resumed.")


def test_a_new_maintainer_forgets_what_was_resumed_and_keeps_what_it_has_not_asked_yet(
    memory: MemoryQueue,
) -> None:
    other = MemoryQueue("other")
    invoker.pause(command=record)
    invoker.pause("other", command=record)
    upkeep = Upkeep(memory, other)
    upkeep.look()
    invoker.resume(command=record)

    upkeep.begin()
    upkeep.pausing._publish(memory, CommandPauses({}, {}))
    assert digest_of("other", NAME) in upkeep.shared.current()

    assert upkeep.look() == {digest_of("other", NAME)}


def test_commands_are_published_before_anything_may_begin(memory: MemoryQueue) -> None:
    invoker.pause(command=record)
    upkeep = Upkeep(memory)
    assert [*upkeep.switches] == [UNKNOWN]

    assert upkeep.look()
    assert [*upkeep.switches] == [OPEN]


def test_what_was_put_aside_is_brought_back_in_parts_and_looked_for_a_few_times(memory: MemoryQueue) -> None:
    upkeep = Upkeep(memory)
    put_aside(memory, 2500)
    invoker.pause(command=record)
    upkeep.look()
    upkeep.bring_back()
    assert memory.stats().delayed == 2500

    invoker.resume(command=record)
    upkeep.look()
    upkeep.bring_back()
    assert memory.stats().ready == 2000
    upkeep.bring_back()
    assert memory.stats().ready == 2500

    looked = 0
    while (pause := upkeep.bringing_back.due_in()) < 60:
        looked += 1
        upkeep.times.elapse(max(0.0, pause))
        upkeep.bring_back()
    assert 3 <= looked <= 8


def test_a_consumer_that_starts_after_the_resume_brings_it_back(memory: MemoryQueue) -> None:
    put_aside(memory, 3)
    invoker.pause(command=record)
    invoker.resume(command=record)

    upkeep = Upkeep(memory)
    upkeep.look()
    upkeep.bring_back()

    assert memory.stats().ready == 3
