"""``invoker.pause()``, ``resume()`` and ``paused()``, and the chore that hands them on to the worker processes."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from math import inf
from multiprocessing import Pipe

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from djutils.queue import pausing
from djutils.queue.backends import queues
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import BackendUnavailable, QueueException
from djutils.queue.pausing import KEY, Pause
from djutils.queue.queue import Invoker, invoker
from djutils.queue.stores.memory_store import MemoryStore
from djutils.queue.workers.arena import Arena
from djutils.queue.workers.chore import Guard, Stores
from djutils.queue.workers.maintainer import Maintainer, logger
from djutils.queue.workers.options import ConsumerOptions
from djutils.queue.workers.paused_commands import PausedCommands
from djutils.queue.workers.pausing import EVERY, Pausing
from djutils.queue.workers.switches import OPEN, PAUSED, UNKNOWN, new_switches

from .helpers import ListQueue
from .times import LEAP, Times


class KeepingListQueue(ListQueue):
    """Four methods, and a store."""

    kept = MemoryStore("four methods")

    @property
    def store(self) -> MemoryStore:
        return self.kept


def test_a_paused_queue_says_since_when_and_why(memory: MemoryQueue, log: pytest.LogCaptureFixture) -> None:
    before = datetime.now(UTC)

    made = invoker.pause(reason="the mail server moves", by="ada")

    assert invoker.paused() == {memory.name: made}
    assert made.since is not None
    assert timedelta(0) <= made.since - before < timedelta(seconds=10)
    assert (made.reason, made.by) == ("the mail server moves", "ada")
    assert f"ada paused the queue '{memory.name}': the mail server moves." in log.text


def test_who_pauses_is_by_default_the_user_of_the_process(memory: MemoryQueue) -> None:
    assert " on " in invoker.pause(memory.name).by


def test_a_resumed_queue_is_not_paused_any_more(memory: MemoryQueue, log: pytest.LogCaptureFixture) -> None:
    invoker.pause(memory.name)

    assert invoker.resume(memory.name, by="ada") is True

    assert invoker.paused() == {}
    assert invoker.resume(memory.name) is False
    assert log.text.count("resumed the queue") == 1


def test_a_queue_paused_again_stays_paused_since_the_same_moment_for_the_new_reason(
    memory: MemoryQueue,
) -> None:
    first = invoker.pause(reason="a")

    again = invoker.pause(reason="b")

    assert (again.since, again.reason) == (first.since, "b")
    assert invoker.paused() == {memory.name: again}


def test_each_queue_is_paused_for_itself(memory: MemoryQueue) -> None:
    invoker.pause("mail")

    assert list(invoker.paused("mail")) == ["mail"]
    assert invoker.paused(memory.name) == {}
    assert invoker.paused() == {}, "the project knows no queue of this name"


def test_an_invoker_of_another_queue_pauses_that(memory: MemoryQueue) -> None:
    own = MemoryQueue("own")

    Invoker(own).pause()

    assert pausing.find(own) is not None
    assert list(Invoker(own).paused()) == ["own"]
    assert Invoker(own).paused(memory.name) == {}


def test_a_paused_queue_takes_calls_and_a_flush_does_not_resume_it(memory: MemoryQueue) -> None:
    invoker.pause()
    invoker.flush()

    assert memory.name in invoker.paused()


def test_a_backend_without_a_store_is_refused(four_methods: ListQueue) -> None:
    for act in (invoker.pause, invoker.resume):
        with pytest.raises(QueueException, match=r"ListQueue has no store, .* nothing was changed"):
            act(four_methods.name)
    assert invoker.paused(four_methods.name) == {}


def test_four_methods_with_a_store_can_be_paused(four_methods: ListQueue, settings: Settings) -> None:
    settings.QUEUE_BACKEND = f"{__name__}.KeepingListQueue"

    invoker.pause()

    assert invoker.resume() is True


@pytest.mark.parametrize(
    "value", [b"\xff", b"[]", b"{}", b'{"since": 3}', b'{"since": "soon"}', b'{"reason": null}', b"1e400"]
)
def test_whatever_value_is_there_the_queue_is_paused(memory: MemoryQueue, value: bytes) -> None:
    memory.store.set({KEY: value}, 60)

    assert invoker.paused() == {memory.name: Pause(None)}
    assert str(Pause(None)) == "paused"


def test_what_is_shown_of_a_pause_forges_no_line() -> None:
    since = datetime(2026, 3, 1, 12, tzinfo=UTC)
    told = str(Pause(since, "a\x1bb", "ada"))

    assert told.startswith("paused since 2026-03-01 ")
    assert told.endswith(" by ada (a\\x1bb)")


async def _pause_and_resume() -> tuple[Pause, dict[str, Pause], bool]:
    return (
        await invoker.apause(reason="why", by="ada"),
        await invoker.apaused(),
        await invoker.aresume(by="ada"),
    )


def test_a_coroutine_pauses_and_resumes(memory: MemoryQueue) -> None:
    made, found, was_paused = asyncio.run(_pause_and_resume())

    assert (found, was_paused, made.reason) == ({memory.name: made}, True, "why")
    assert invoker.paused() == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("act", "instead"),
    [(invoker.pause, "apause"), (invoker.resume, "aresume"), (invoker.paused, "apaused")],
)
def test_in_a_coroutine_a_queue_in_a_database_says_what_to_write(act: object, instead: str) -> None:
    async def call() -> None:
        assert callable(act)
        act()

    with pytest.raises(QueueException, match=rf"Write 'await invoker\.{instead}\(\.\.\.\)'\."):
        asyncio.run(call())


@pytest.mark.django_db(transaction=True)
def test_a_pause_in_a_transaction_counts_when_it_commits() -> None:
    with transaction.atomic():
        invoker.pause()
        transaction.set_rollback(True)

    assert invoker.paused() == {}
    connection.close()


# The chore


class FadingStore(MemoryStore):
    """A store that is out of reach while ``down``."""

    down = False

    def _get(self, keys: list[str]) -> dict[str, bytes]:
        if self.down:
            raise BackendUnavailable("The store is down.")
        return super()._get(keys)


class FadingQueue(MemoryQueue):
    """A queue with such a store."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.kept = FadingStore(name)

    @property
    def store(self) -> FadingStore:
        return self.kept


class Upkeep:
    """The chore of a consumer of two queues."""

    def __init__(self) -> None:
        self.mail, self.reports = FadingQueue("mail"), FadingQueue("reports")
        self.stores = Stores(())
        for queue in (self.mail, self.reports):
            self.stores.queues[queue.name] = self.stores.leased[queue.name] = queue
        self.switches = new_switches(2)
        self.times = Times(LEAP)
        self.commands = PausedCommands(2)
        self.chore = Pausing(self.stores, self.switches, self.commands, self.times.monotonic)

    def look(self) -> list[int]:
        self.times.elapse(max(0.0, self.chore.due_in()))
        self.chore.do()
        return list(self.switches)


@pytest.fixture
def upkeep() -> Upkeep:
    return Upkeep()


def test_until_the_store_was_asked_it_is_unknown_whether_a_queue_is_paused(upkeep: Upkeep) -> None:
    assert list(upkeep.switches) == [UNKNOWN, UNKNOWN]
    assert upkeep.chore.due_in() <= 0
    assert upkeep.look() == [OPEN, OPEN]


def test_the_switch_of_a_paused_queue_is_set_and_of_no_other(upkeep: Upkeep) -> None:
    upkeep.look()
    pausing.pause(upkeep.reports, "", "ada")
    assert upkeep.look() == [OPEN, PAUSED]

    pausing.resume(upkeep.reports, "ada")
    assert upkeep.look() == [OPEN, OPEN]


def test_it_looks_twice_a_second(upkeep: Upkeep) -> None:
    upkeep.look()
    assert upkeep.chore.due_in() == EVERY == 0.5


@pytest.mark.parametrize("paused", [True, False])
def test_a_store_that_is_down_leaves_the_switch_as_it_is(upkeep: Upkeep, paused: bool) -> None:
    if paused:
        pausing.pause(upkeep.mail, "", "ada")
    before = upkeep.look()
    upkeep.mail.store.down = True
    Guard(upkeep.chore, upkeep.stores, logger, 5.0).do_if_due()
    upkeep.times.elapse(1)

    Guard(upkeep.chore, upkeep.stores, logger, 5.0).do_if_due()

    assert list(upkeep.switches) == before == [PAUSED if paused else OPEN, OPEN]


def test_a_pause_is_logged_once_with_its_reason_and_so_is_its_end(
    upkeep: Upkeep, log: pytest.LogCaptureFixture
) -> None:
    pausing.pause(upkeep.mail, "the mail server moves", "ada")
    log.clear()
    for _ in range(3):
        upkeep.look()

    (line,) = log.records
    assert line.levelno == logging.WARNING
    assert line.getMessage().startswith("The queue 'mail' is paused since ")
    assert " by ada (the mail server moves): commands that run go on" in line.getMessage()

    pausing.resume(upkeep.mail, "ada")
    log.clear()
    for _ in range(3):
        upkeep.look()
    assert [record.getMessage() for record in log.records] == ["The queue 'mail' is resumed."]


def test_backends_without_a_store_are_never_paused_nor_asked_again() -> None:
    stores, switches = Stores(()), new_switches(1)
    stores.queues["four"] = ListQueue("four")
    chore = Pausing(stores, switches, PausedCommands(1))

    chore.do()

    assert list(switches) == [OPEN]
    assert chore.due_in() == inf


def test_four_methods_with_a_store_are_asked() -> None:
    stores, switches = Stores(()), new_switches(1)
    stores.queues["four"] = queue = KeepingListQueue("four")
    pausing.pause(queue, "", "ada")

    Pausing(stores, switches, PausedCommands(1)).do()

    assert list(switches) == [PAUSED]
    pausing.resume(queue, "ada")


def test_the_maintainer_asks_before_it_does_anything_else(memory: MemoryQueue) -> None:
    invoker.pause()
    supervisor, end = Pipe()
    arena = Arena(1, 1, 1)
    maintainer = Maintainer(ConsumerOptions((memory.name,)), end, arena)

    maintainer._chores[0].do_if_due()

    assert list(arena.switches) == [PAUSED]
    supervisor.close()


def test_a_pause_is_kept_as_values_that_another_program_can_read(memory: MemoryQueue) -> None:
    made = invoker.pause(reason="why", by="ada")

    told = json.loads(queues[memory.name].store.get([KEY])[KEY])  # type: ignore[union-attr]

    assert made.since is not None
    assert told == {"since": made.since.isoformat(), "reason": "why", "by": "ada"}
