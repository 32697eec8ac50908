"""What every backend guarantees: a queue of messages, and dead letters beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pytest

from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import BackendError
from djutils.queue.ids import new_id
from djutils.queue.message import DeadLetter, Envelope, Stats

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds after which a test no longer believes that something will happen."""

THREADS = 8

PAYLOADS = {
    "nothing": b"",
    "a NUL": b"\x00",
    "every byte": bytes(range(256)),
    "not UTF-8": b"\xff\xfe\xfa",
    "newlines": b"\r\n\n\r",
    "a pickle": b"\x80\x05\x95\x08\x00\x00\x00\x00\x00\x00\x00\x8c\x04text\x94.",
    "256 KiB": b"\x00\x80\xff\n" * 65536,
}


def until(answer: Callable[[], T | None], meaning: str = "it happened") -> T:
    """Call ``answer()`` repeatedly until it is true, and return its result; fail after ``PATIENCE`` seconds."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not (answered := answer()):
        assert time.monotonic() < deadline, f"{PATIENCE} s went by before {meaning}"
        pause.wait(0.005)
    return answered


def all_at_once(act: Callable[[int], T], threads: int = THREADS) -> list[T]:
    """Run ``act(0)``, ``act(1)``, ... each in a thread, starting together; return their results."""
    gate = threading.Barrier(threads)

    def go(number: int) -> T:
        gate.wait(PATIENCE)
        return act(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(go, range(threads)))


class QueueContract:
    """For any ``BaseQueue``."""

    def make_queue(self, name: str = "contract") -> Any:
        """Return a new queue object with that name. All objects with the same name see the same messages."""
        raise NotImplementedError(f"{type(self).__name__} must define make_queue(name).")

    def kill(self, queue: Any, data: bytes = b"data", error: str = "it failed") -> str:
        """Send a message with ``data``, make it a dead letter and return its id."""
        letter = DeadLetter(new_id(), data, error, datetime.now(UTC), attempts=1)
        queue.bury(letter)
        return letter.id

    @pytest.fixture
    def name(self) -> str:
        return f"contract-{new_id()}"

    @pytest.fixture
    def queue(self, name: str) -> Iterator[Any]:
        queue = self.make_queue(name)
        yield queue
        queue.flush()
        queue.discard()
        self.close(queue)

    def close(self, queue: BaseQueue) -> None:
        if isinstance(queue, LeasedQueue):
            queue.close()

    def drain(self, queue: BaseQueue) -> list[bytes]:
        return list(iter(queue.read, None))

    # The queue

    def test_what_was_written_is_read_once(self, queue: Any) -> None:
        queue.write(b"data")

        assert queue.read() == b"data"
        assert queue.read() is None
        assert queue.stats() == Stats()

    def test_the_first_written_is_the_first_read(self, queue: Any) -> None:
        written = [str(number).encode() for number in range(20)]
        for data in written:
            queue.write(data)

        assert self.drain(queue) == written

    def test_what_is_sent_together_is_read_in_its_order(self, queue: Any) -> None:
        sent = [str(number).encode() for number in range(20)]

        queue.send([Envelope(new_id(), data) for data in sent])

        assert self.drain(queue) == sent

    def test_a_message_may_be_sent_under_a_key(self, queue: Any) -> None:
        assert queue.send_once("key", Envelope(new_id(), b"data"))
        assert self.drain(queue) == [b"data"]

    def test_no_worker_is_enrolled_until_one_comes(self, queue: Any) -> None:
        queue.write(b"data")
        assert queue.owners() == {}
        queue.read()
        assert queue.owners() == {}

    @pytest.mark.parametrize("data", PAYLOADS.values(), ids=PAYLOADS.keys())
    def test_bytes_come_back_as_they_are(self, queue: Any, data: bytes) -> None:
        queue.write(data)

        assert queue.read() == data

    def test_equal_messages_are_several_messages(self, queue: Any) -> None:
        queue.write(b"data")
        queue.write(b"data")

        assert self.drain(queue) == [b"data", b"data"]

    def test_an_empty_queue_reads_none_and_may_be_asked_again(self, queue: Any) -> None:
        assert queue.read() is None
        assert queue.read() is None

    def test_its_length_is_the_number_of_waiting_messages(self, queue: Any) -> None:
        assert len(queue) == 0
        for length in (1, 2, 3):
            queue.write(b"data")
            assert len(queue) == length
        queue.read()
        assert len(queue) == 2

    def test_an_empty_queue_is_true_all_the_same(self, queue: Any) -> None:
        assert queue

    def test_flush_forgets_every_message(self, queue: Any) -> None:
        queue.write(b"one")
        queue.write(b"two")

        queue.flush()

        assert len(queue) == 0
        assert queue.read() is None

    def test_a_flushed_queue_works_on(self, queue: Any) -> None:
        queue.flush()
        queue.write(b"after")

        assert queue.read() == b"after"

    def test_another_object_of_its_name_sees_the_same_messages(self, queue: Any, name: str) -> None:
        queue.write(b"data")
        other = self.make_queue(name)

        assert len(other) == 1
        assert other.read() == b"data"
        assert len(queue) == 0
        self.close(other)

    @pytest.mark.parametrize("odd", ["ab", "a_b", "a.b", "a b", "a:b", "{a-b}", "a{b}", "a%7Bb%7D", "ä"])
    def test_names_that_look_alike_are_different_queues(self, name: str, odd: str) -> None:
        plain, other = (self.make_queue(f"{name}{suffix}") for suffix in ("a-b", odd))
        plain.write(b"plain")
        other.write(b"other")

        other.flush()

        assert self.drain(plain) == [b"plain"]
        self.close(plain)
        self.close(other)

    def test_threads_lose_nothing_and_get_nothing_twice(self, queue: Any, name: str) -> None:
        each = 20
        left = threading.Semaphore(THREADS // 2 * each)

        def work(number: int) -> list[bytes]:
            own = self.make_queue(name)
            try:
                if number % 2:
                    for message in range(each):
                        own.write(f"{number} {message}".encode())
                    return []
                return list(self._read_while(own, left))
            finally:
                self.close(own)

        read = [data for part in all_at_once(work) for data in part]

        odd = range(1, THREADS, 2)
        assert sorted(read) == sorted(f"{n} {m}".encode() for n in odd for m in range(each))
        assert queue.read() is None

    def _read_while(self, queue: BaseQueue, left: threading.Semaphore) -> Iterator[bytes]:
        while left.acquire(blocking=False):
            yield until(queue.read, "another message was read")

    # Dead letters

    def test_a_dead_letter_keeps_data_error_and_moment(self, queue: Any) -> None:
        before = datetime.now(UTC) - timedelta(seconds=2)
        id = self.kill(queue, bytes(range(256)), "ValueError: no\nTraceback: here")

        (letter,) = queue.dead_letters()

        assert (letter.id, letter.data) == (id, bytes(range(256)))
        assert letter.error == "ValueError: no\nTraceback: here"
        assert letter.reason == "ValueError: no"
        assert letter.attempts == 1
        assert before <= letter.died <= datetime.now(UTC) + timedelta(seconds=2)

    @pytest.mark.parametrize("odd", ["\x00", "\udcff", "\U0001f422", "ä"], ids=ascii)
    def test_an_error_of_odd_characters_kills_all_the_same(self, queue: Any, odd: str) -> None:
        self.kill(queue, error=f"OSError: no file {odd} here")

        (letter,) = queue.dead_letters()
        assert letter.reason.startswith("OSError: no file")
        assert letter.reason.endswith("here")

    def test_dead_letters_do_not_wait(self, queue: Any) -> None:
        self.kill(queue)
        queue.write(b"alive")

        assert len(queue) == 1
        assert queue.stats()._replace(delayed=0, leased=0) == Stats(ready=1, dead=1)
        assert self.drain(queue) == [b"alive"]

    def test_dead_letters_are_listed_newest_first(self, queue: Any) -> None:
        ids = [self.kill(queue) for _ in range(4)]

        assert [letter.id for letter in queue.dead_letters()] == ids[::-1]
        assert [letter.id for letter in queue.dead_letters(count=2)] == ids[:1:-1]
        assert len(queue.dead_letters()) == 4

    def test_dead_letters_can_be_asked_for_by_id(self, queue: Any) -> None:
        first, _, third = (self.kill(queue) for _ in range(3))

        chosen = queue.dead_letters([first, third, new_id()])
        assert [letter.id for letter in chosen] == [third, first]
        assert queue.dead_letters([]) == []

    def test_a_dead_letter_asked_for_twice_is_listed_once(self, queue: Any) -> None:
        id = self.kill(queue)

        assert [letter.id for letter in queue.dead_letters([id, id])] == [id]

    def test_without_dead_letters_there_is_nothing_to_do(self, queue: Any) -> None:
        queue.write(b"alive")

        assert queue.dead_letters() == []
        assert queue.replay() == 0
        assert queue.discard() == 0
        assert queue.read() == b"alive"

    def test_replay_puts_dead_letters_back(self, queue: Any) -> None:
        self.kill(queue, b"one")
        self.kill(queue, b"two")

        assert queue.replay() == 2
        assert queue.dead_letters() == []
        assert sorted(self.drain(queue)) == [b"one", b"two"]

    def test_replay_passes_over_what_was_not_asked_for(self, queue: Any) -> None:
        one, two = self.kill(queue, b"one"), self.kill(queue, b"two")

        assert queue.replay([two, new_id()]) == 1
        assert queue.replay([]) == 0
        assert [letter.id for letter in queue.dead_letters()] == [one]
        assert self.drain(queue) == [b"two"]

    def test_discard_forgets_dead_letters(self, queue: Any) -> None:
        one, two = self.kill(queue, b"one"), self.kill(queue, b"two")

        assert queue.discard([one, new_id()]) == 1
        assert queue.discard([]) == 0
        assert [letter.id for letter in queue.dead_letters()] == [two]
        assert queue.discard() == 1
        assert queue.dead_letters() == []
        assert queue.read() is None

    # Looking

    def test_what_cannot_be_shown_is_never_told_as_none(self, queue: Any) -> None:
        queue.write(b"data")

        if queue.supports_peek:
            assert len(queue.peek("ready")) == 1
            return
        for look in (queue.oldest, *(partial(queue.peek, state) for state in ("ready", "delayed", "leased"))):
            with pytest.raises(BackendError, match="cannot show"):
                look()

    def test_dead_letters_can_always_be_looked_at(self, queue: Any) -> None:
        ids = [self.kill(queue, str(number).encode(), "it failed") for number in range(5)]

        seen = [one.id for one in queue.peek("dead")]
        assert sorted(seen) == sorted(ids)
        assert [one.id for one in queue.peek("dead", newest=True)] == seen[::-1]
        first, second = queue.peek("dead", count=2)
        assert [one.id for one in queue.peek("dead", after=second.place)] == seen[2:]
        newest = queue.peek("dead", newest=True, count=4)
        assert [one.id for one in queue.peek("dead", newest=True, after=newest[-1].place)] == seen[:1]
        (found,) = queue.find(first.id, data=True)
        assert (found.state, found.data, found.error) == (
            "dead",
            str(ids.index(first.id)).encode(),
            "it failed",
        )
        assert found.died == first.died
        assert first.data is None
        assert queue.find("f" * 32) == []
        assert len(queue.dead_letters()) == 5
