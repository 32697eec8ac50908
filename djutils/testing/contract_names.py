"""What a leased backend guarantees for names: they are compared exactly, and may be long."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope
from djutils.testing.contract_fixtures import LeaseFixtures, needs_keys

ALIKE = {
    "case": ("slow", "Slow"),
    "a space at the end": ("slow", "slow "),
    "an accent": ("slow", "slöw"),
    "the case of an accent": ("SLÖW", "slöw"),
    "sharp s": ("strasse", "straße"),
    "width": ("slow1", "slow\uff11"),
    "composition": ("sl\u00f6w", "slo\u0308w"),
    "a wildcard": ("slow", "s_ow"),
    "a colon": ("slow", "slow:"),
}
each_pair = pytest.mark.parametrize("names", ALIKE.values(), ids=ALIKE.keys())


class Naming(LeaseFixtures):
    """Queues, ids and keys with similar names."""

    @each_pair
    def test_queues_of_similar_names_are_strangers(self, names: Sequence[str]) -> None:
        prefix = new_id()
        first, second = (self.make_queue(f"{prefix}{name}") for name in names)
        owner, stranger = self.enroll(first), self.enroll(second)
        (id,) = self.send(first)

        assert self.lend(second, stranger) == []
        assert (len(first), len(second)) == (1, 0)
        assert set(second.owners()) == {stranger}
        assert self.lend(first, owner) == [id]
        first.reap(owner)
        first.flush()
        second.reap(stranger)
        first.close()
        second.close()

    @each_pair
    def test_ids_that_are_similar_are_different_messages(
        self, queue: LeasedQueue, owner: int, names: Sequence[str]
    ) -> None:
        one, other = names
        queue.send([Envelope(one, b"one"), Envelope(other, b"other")])
        assert self.lend(queue, owner) == [one, other]

        assert queue.held(owner, [one]) == {one}
        assert queue.ack(owner, [one]) == {one}
        assert queue.ack(owner, [one]) == set()
        assert queue.release(owner, [one]) == set()
        assert queue.ack(owner, [other]) == {other}

    @each_pair
    @needs_keys
    def test_keys_that_are_similar_are_different_keys(self, queue: LeasedQueue, names: Sequence[str]) -> None:
        for key in names:
            assert queue.send_once(f"app.{key} 2026-11-24T06:00", Envelope(new_id(), b"data"))
        for key in names:
            assert not queue.send_once(f"app.{key} 2026-11-24T06:00", Envelope(new_id(), b"data"))
        assert len(queue) == 2

    @needs_keys
    def test_long_names_and_long_keys_are_told_apart_to_their_last_character(self) -> None:
        queues = [self.make_queue(f"{new_id()}{end}".rjust(200, "q")) for end in "ab"]
        keys = [f"app.{end}".rjust(300, "k") for end in "ab"]

        for queue in queues:
            for key in keys:
                assert queue.send_once(key, Envelope(new_id(), b"data"))
                assert not queue.send_once(key, Envelope(new_id(), b"data"))
            assert len(queue) == 2
            queue.flush()
            queue.close()

    @needs_keys
    def test_where_a_queues_name_ends_and_its_key_begins_is_known(self) -> None:
        start = new_id()
        first, second = self.make_queue(f"{start}:a"), self.make_queue(start)

        assert first.send_once("b", Envelope(new_id(), b"data"))
        assert second.send_once("a:b", Envelope(new_id(), b"data"))
        for queue in (first, second):
            queue.flush()
            queue.close()

    @needs_keys
    @pytest.mark.parametrize("key", ["🚀", "nul \0", "", "line\nbreak", "k" * 5000])
    def test_any_text_is_a_key(self, queue: LeasedQueue, key: str) -> None:
        assert queue.send_once(key, Envelope(new_id(), b"data"))
        assert not queue.send_once(key, Envelope(new_id(), b"data"))
