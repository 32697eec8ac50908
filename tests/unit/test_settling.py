"""Outcomes that the store refuses are settled in the end, and hold up no others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest

from djutils.queue import codec
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.backends.texts import bearable, reap, without_text
from djutils.queue.exceptions import BackendError, BackendUnavailable
from djutils.queue.ids import new_id
from djutils.queue.message import Batch, Crashes, DeadLetter, Rejection, Retrial
from djutils.queue.workers import settling
from djutils.queue.workers.dead_worker import DeadWorker
from djutils.queue.workers.worker import Died

from .commands_for_tests import fail, record, refuse
from .helpers import FlakyQueue, ListQueue, make_envelope, until
from .rig import MakeRig, empty, send

BOOM = "boom \N{COLLISION SYMBOL}"
Takes = Callable[[str], bool]


class PickyQueue(FlakyQueue):
    """Refuses texts that it cannot take, and some ids whatever is to become of them."""

    takes: Takes = str.isascii
    error: type[BackendError] = BackendError

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self.outcasts: set[str] = set()
        self.refusals = 0

    def _look(self, ids: Collection[str], texts: Collection[str] = ()) -> None:
        if not self.outcasts.isdisjoint(ids) or not all(map(type(self).takes, texts)):
            self.refusals += 1
            raise self.error("it cannot be stored")

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        self._look(done)
        return super().receive(owner, count, done, wait)

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        self._look(ids)
        return super().ack(owner, ids)

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        self._look([one.id for one in retrials], [one.error for one in retrials])
        return super().retry(owner, retrials)

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        self._look([one.id for one in rejections], [one.error for one in rejections])
        return super().reject(owner, rejections)

    def reap(self, owner: int, beats: int | None = None, running: Crashes | None = None) -> int:
        self._look((), (running or {}).values())
        return super().reap(owner, beats, running)


class Illiterate(PickyQueue):
    """Takes nothing but a few words."""

    takes = staticmethod(lambda text: len(text) < 120 and text.isascii())


class Unclear(PickyQueue):
    """Says that it is out of reach, as drivers do for what they have no name for."""

    error = BackendUnavailable


PICKY = pytest.mark.parametrize("kind", [PickyQueue, Illiterate, Unclear])


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long before what was refused is tried again."""
    monkeypatch.setattr(settling, "_FIRST_PAUSE", 0.001)


@PICKY
def test_a_text_that_cannot_be_stored_is_escaped_or_dropped_and_the_attempt_is_charged(
    rig: MakeRig, ran: list[Any], kind: type[PickyQueue]
) -> None:
    queue = kind(f"unit.{new_id()}")
    dead, retried = send(queue, refuse, BOOM), send(queue, fail, ValueError(BOOM))
    for number in range(20):
        send(queue, record, number)
    rig(queue)
    until(lambda: queue.stats() == (0, 1, 0, 1, 0))
    assert ran == list(range(20))
    (letter,) = queue.dead_letters()
    assert (letter.id, letter.attempts) == (dead, 1)
    assert letter.reason.startswith("djutils.queue.exceptions.Reject: ")
    assert queue._shared.entries[retried].attempts == 1
    assert queue._shared.entries[retried].error.startswith("ValueError: ")


def test_what_can_be_escaped_is_not_dropped(rig: MakeRig, ran: list[Any]) -> None:
    queue = PickyQueue(f"unit.{new_id()}")
    send(queue, refuse, BOOM)
    rig(queue)
    until(lambda: queue.stats().dead == 1)
    (letter,) = queue.dead_letters()
    assert r"boom \U0001f4a5" in letter.reason
    assert "Traceback" in letter.error


@pytest.mark.parametrize("kind", [PickyQueue, Unclear])
def test_an_ack_that_is_refused_holds_up_no_other_and_ends_as_a_dead_letter(
    rig: MakeRig, ran: list[Any], kind: type[PickyQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "_TRIES_IF_UNCLEAR", 6)
    queue = kind(f"unit.{new_id()}")
    ids = [send(queue, record, number) for number in range(20)]
    queue.outcasts.add(ids[7])
    one = rig(queue)
    until(lambda: queue.stats() == (0, 0, 1, 0, 0))
    assert sorted(ran) == list(range(20))
    queue.outcasts.clear()
    before = queue.refusals
    until(lambda: empty(queue) or queue.stats().dead)
    assert before >= 1
    one.end()
    assert len(ran) == 20, "it is not run again"


def test_an_ack_that_is_always_refused_becomes_a_dead_letter_that_says_why(
    rig: MakeRig, ran: list[Any]
) -> None:
    class NeverAcks(PickyQueue):
        def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
            self.outcasts.clear()
            return super().reject(owner, rejections)

    queue = NeverAcks(f"unit.{new_id()}")
    queue.outcasts.add(send(queue, record, "x"))
    rig(queue)
    until(lambda: queue.stats() == (0, 0, 0, 1, 0))
    assert ran == ["x"]
    (letter,) = queue.dead_letters()
    assert letter.reason.startswith(
        "It succeeded here, but the store refused to record it: it cannot be stored"
    )


def test_what_is_refused_to_the_end_is_charged_when_its_worker_leaves(rig: MakeRig, ran: list[Any]) -> None:
    queue = PickyQueue(f"unit.{new_id()}")
    outcast = send(queue, record, "x")
    queue.outcasts.add(outcast)
    one = rig(queue)
    until(lambda: queue.refusals > 2)
    one.end()
    entry = queue._shared.entries[outcast]
    assert (entry.owner, entry.crashes, entry.error) == (None, 1, "it cannot be stored")


def test_when_nothing_passes_it_is_an_outage_and_nothing_is_given_up(rig: MakeRig, ran: list[Any]) -> None:
    queue = PickyQueue(f"unit.{new_id()}")
    ids = [send(queue, record, number) for number in range(30)]
    queue.outcasts.update(ids)
    rig(queue)
    until(lambda: queue.refusals > 3)
    queue.outcasts.clear()
    until(lambda: empty(queue) and len(ran) == 30)
    assert queue.stats().dead == 0


def test_what_a_dead_worker_had_finished_is_acked_when_its_lock_is_released(memory: MemoryQueue) -> None:
    queue, owner = Unclear(memory.name), new_owner()
    queue.send([make_envelope(record, number, queue=queue.name) for number in range(3)])
    queue.enroll(owner)
    locked, *others = (delivery.id for delivery in queue.receive(owner, 3).deliveries)
    queue.outcasts.add(locked)
    dead_worker = DeadWorker(
        Died({queue.name: owner}, {queue.name: [locked, *others]}, {}, {}, ""), queue.name
    )
    for _ in range(3):
        with pytest.raises(BackendUnavailable):
            dead_worker.settle(queue)
    assert queue.adopt(owner, ())[0].id == locked
    queue.outcasts.clear()
    until(lambda: is_settled(dead_worker, queue))
    assert (queue.stats(), queue.owners()) == ((0, 0, 0, 0, 0), {}), "no dead letter, and it is not run again"


def is_settled(dead_worker: DeadWorker, queue: LeasedQueue) -> bool:
    try:
        dead_worker.settle(queue)
    except BackendUnavailable:
        return False
    return True


@PICKY
def test_last_words_that_cannot_be_stored_are_charged_all_the_same(kind: type[PickyQueue]) -> None:
    queue, owner = kind(f"unit.{new_id()}"), new_owner()
    queue.send([make_envelope(record, 1, queue=queue.name)])
    queue.enroll(owner)
    (delivery,) = queue.receive(owner, 1).deliveries
    reason = f"Its process was killed by SIGSEGV.\n\nThe last lines it logged:\n{BOOM * 40}"
    assert reap(queue, owner, {delivery.id: reason}) == 1
    entry = queue._shared.entries[delivery.id]
    assert (entry.crashes, entry.error.isascii()) == (1, True)


def test_what_a_store_refuses_for_good_is_said_to_the_caller() -> None:
    queue = PickyQueue(f"unit.{new_id()}")
    queue.outcasts.add("x")
    with pytest.raises(BackendError, match="cannot be stored"):
        queue._look(["x"])
    with pytest.raises(BackendUnavailable):
        reap(Gone(queue.name), 1, {"id": "text"})


class Gone(MemoryQueue):
    """Is out of reach."""

    def reap(self, owner: int, beats: int | None = None, running: Crashes | None = None) -> int:
        raise BackendUnavailable

    def owners(self) -> dict[int, int]:
        raise BackendUnavailable


@pytest.mark.parametrize("text", ["", "plain", BOOM, "half a character: \ud800", "\0", f"app.Odd{BOOM}: no"])
def test_the_last_thing_to_try_is_short_and_ascii(text: str) -> None:
    *_, last = bearable(text)
    assert last.isascii()
    assert len(last) < 300
    assert "\0" not in last


def test_the_type_of_the_exception_is_kept() -> None:
    assert without_text(f"app.errors.Odd: {BOOM}\n\nTraceback").startswith(
        "app.errors.Odd: the store refused"
    )
    assert without_text("It was running in 3 processes that died.").startswith("the store refused")


# Over four methods


class PickyList(ListQueue):
    """Refuses, with an error of its driver, to be written some bytes."""

    refuses: bytes = b""

    def write(self, data: bytes) -> None:
        if self.refuses and self.refuses in data:
            self.calls["refused"] += 1
            raise OSError("it cannot be written")
        super().write(data)

    def bury(self, letter: DeadLetter) -> None:
        if letter.error.isascii():
            super().bury(letter)
            return
        raise OSError("it cannot be stored")


def test_four_methods_that_refuse_one_message_go_on_with_the_others(
    rig: MakeRig, four_methods: ListQueue, ran: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "_TRIES_IF_UNCLEAR", 3)
    queue = PickyList(four_methods.name)
    envelopes = [make_envelope(refuse, BOOM, queue=queue.name), make_envelope(fail, queue=queue.name)]
    envelopes += [make_envelope(record, number, queue=queue.name) for number in range(5)]
    for envelope in envelopes:
        queue.write(envelope.data)
    monkeypatch.setattr(PickyList, "refuses", b"commands_for_tests.fail")
    rig(queue)
    until(lambda: ran == list(range(5)) and len(queue.dead) == 1 and queue.calls["refused"] > 2)
    monkeypatch.setattr(PickyList, "refuses", b"")
    until(lambda: len(queue.dead) + len(queue) == 2)
    letters = {letter.id: letter.reason for letter in queue.dead_letters()}
    message = codec.decode(envelopes[0].data, queue.name)
    assert r"boom \U0001f4a5" in letters[message.id]
