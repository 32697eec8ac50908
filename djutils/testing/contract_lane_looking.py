"""What a backend with lanes shows of them: each message that waits, in the order in which it will be admitted, and each lane."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.message import Lane, LaneSnapshot, Retrial
from djutils.testing.contract_fixtures import needs_delay, needs_priority
from djutils.testing.contract_lanes import ONE, ORDERED, TWO, LaneFixtures
from djutils.testing.contract_looking import either_way, ids_seen, in_pages

needs_looking = pytest.mark.usefixtures("lanes_are_seen")


class LaneLooking(LaneFixtures):
    """peek, find and lanes, of what is in lanes."""

    @pytest.fixture
    def lanes_are_seen(self, queue: LeasedQueue) -> None:
        if not queue.supports_peek:
            pytest.skip(f"{type(queue).__name__} cannot be looked into (supports_peek is False)")

    @either_way
    @needs_priority
    @needs_looking
    def test_what_waits_is_seen_lane_by_lane_as_it_will_be_admitted(
        self, queue: LeasedQueue, owner: int, newest: bool
    ) -> None:
        for priority in (0, 5, -100, 0, 100):
            for lane in (ONE, TWO, ORDERED):
                self.line_up(queue, lane, 3, priority=priority)
        seen = in_pages(queue, "waiting", 4, newest=newest)
        lanes = [one.lane for one in queue.peek("waiting", newest=newest)]

        assert lanes == sorted(lanes, reverse=newest)
        ended = self.run_all(queue, owner)
        for lane in (ONE, TWO, ORDERED):
            of_lane = [id for id, name in zip(seen, lanes, strict=True) if name == lane.name]
            assert (of_lane[::-1] if newest else of_lane) == [id for id in ended if id in of_lane]
            assert len(of_lane) == 15 - lane.width

    @either_way
    @needs_looking
    def test_one_lane_is_seen_alone(self, queue: LeasedQueue, newest: bool) -> None:
        names = ["a", "b", "a:b", "a b", "ä", "n" * 500, "", "#"]
        ids = {name: self.line_up(queue, Lane(name), 6)[1:] for name in names}

        for name, expected in ids.items():
            seen = in_pages(queue, "waiting", 2, newest=newest, lane=name)
            assert (seen[::-1] if newest else seen) == expected
            (first,) = queue.peek("waiting", lane=name, count=1)
            assert ids_seen(queue.peek("waiting", lane=first.lane)) == expected, "also by its stored name"
        assert queue.peek("waiting", lane="unknown") == []
        assert sorted(in_pages(queue, "waiting", 7, newest=newest)) == sorted(chain(*ids.values()))

    @needs_looking
    def test_a_lane_is_no_part_of_another_state(self, queue: LeasedQueue) -> None:
        self.line_up(queue, ONE, 2)
        (place,) = (one.place for one in queue.peek("waiting"))

        with pytest.raises(ValueError, match="Only messages that wait in lanes"):
            queue.peek("ready", lane=ONE.name)
        for name, after in ((TWO.name, place), (ONE.name, "0:5:one")):
            with pytest.raises(ValueError, match="is not the place of a message that waits in this lane"):
                queue.peek("waiting", lane=name, after=after)

    @needs_looking
    def test_each_message_is_seen_in_one_state_as_it_is_counted(self, queue: LeasedQueue, owner: int) -> None:
        first, second, third, *_ = self.line_up(queue, ONE, 5)
        later = self.line_up(queue, TWO, 2, delay=60.0)
        self.lend(queue, owner)
        queue.settle_in_lanes(owner, (), [Retrial(first, 90.0, "it failed")])
        plain = self.send(queue, 1)

        seen = {state: ids_seen(queue.peek(state)) for state in queue.states}

        assert {state: len(ids) for state, ids in seen.items()} == queue.stats()._asdict()
        assert (seen["ready"], seen["waiting"][0]) == ([second, *plain], third)
        assert seen["delayed"] == [*later, first]
        for state, ids in seen.items():
            assert [(one.id, one.state) for id in ids for one in queue.find(id)] == [
                (id, state) for id in ids
            ]

    @either_way
    @needs_delay
    @needs_looking
    def test_delayed_ones_in_lanes_come_after_the_others_by_when_they_are_due(
        self, queue: LeasedQueue, newest: bool
    ) -> None:
        ids = [*self.send(queue, 3, delay=90.0)]
        late, soon = self.line_up(queue, ONE, 3, delay=80.0), self.line_up(queue, TWO, 3, delay=60.0)
        expected = ids + soon + late

        seen = in_pages(queue, "delayed", 2, newest=newest)

        assert (seen[::-1] if newest else seen) == expected
        (one,) = queue.find(soon[0])
        assert (one.lane, one.state) == (TWO.name, "delayed")
        assert one.due is not None
        assert timedelta(seconds=30) < one.due - datetime.now(UTC) < timedelta(seconds=90)
        assert [one.lane for one in queue.peek("delayed")] == [""] * 3 + [TWO.name] * 3 + [ONE.name] * 3

    @needs_looking
    def test_what_waits_says_where_and_what_it_is(self, queue: LeasedQueue, owner: int) -> None:
        first, second = self.line_up(queue, TWO._replace(width=1), 2)
        self.lend(queue, owner)
        queue.settle_in_lanes(owner, (), [Retrial(first, 0.0, "it failed")])
        self.lend(queue, owner)

        (one,) = queue.peek("waiting", data=True)

        assert (one.id, one.lane, one.state, one.due, one.data) == (
            second,
            TWO.name,
            "waiting",
            None,
            b"data",
        )
        assert queue.find(second, data=True) == [one._replace(place="")]
        assert queue.find(first)[0].lane == ""
        queue.settle_in_lanes(owner, [first])
        assert (queue.peek("waiting"), queue.find(second)[0].state) == ([], "ready")

    @needs_looking
    def test_pages_go_on_where_they_were_while_messages_are_admitted_and_sent(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        ids = self.line_up(queue, ONE, 8)
        page = queue.peek("waiting", count=3)
        for _ in range(5):
            queue.settle_in_lanes(owner, self.lend(queue, owner))
        ids += self.line_up(queue, ONE, 1)

        assert ids_seen(queue.peek("waiting", after=page[-1].place)) == ids[6:]

    @needs_looking
    def test_a_removed_one_is_not_seen(self, queue: LeasedQueue) -> None:
        if type(queue).remove is LeasedQueue.remove:
            pytest.skip(f"{type(queue).__name__} cannot remove a waiting message")
        _, second, third = self.line_up(queue, ONE, 3)

        assert queue.remove([one.id for one in queue.peek("waiting", count=1)]) == {second}
        assert ids_seen(queue.peek("waiting")) == [third]

    # Lanes

    @needs_looking
    def test_each_lane_tells_its_rule_what_waits_and_what_holds_its_places(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        one, two = self.line_up(queue, ONE, 1), self.line_up(queue, TWO, 5)
        self.line_up(queue, ORDERED, 1, delay=60.0)
        self.lend(queue, owner, 2)

        assert queue.lanes() == [
            LaneSnapshot(ONE.name, 1, 0.0, 1, 0, 1, (*one,)),
            LaneSnapshot(TWO.name, 2, 0.0, 1, 3, 2, (*two[:2],)),
        ]
        assert len(self.lend(queue, owner)) == 1
        queue.settle_in_lanes(owner, [*one, *two[:2]])
        assert queue.lanes() == [LaneSnapshot(TWO.name, 2, 0.0, 1, 1, 2, (*two[2:4],))]

    @needs_looking
    def test_a_lane_with_a_pace_tells_when_it_opens(self, queue: LeasedQueue) -> None:
        self.line_up(queue, Lane("paced", width=10, pace=30.0, burst=2), 4)

        (lane,) = queue.lanes()

        assert (lane.width, lane.pace, lane.burst, lane.waiting, lane.admitted) == (10, 30.0, 2, 2, 2)
        assert lane.opens is not None
        assert abs(lane.opens - datetime.now(UTC) - timedelta(seconds=29)) < timedelta(seconds=20)

    @needs_looking
    def test_lanes_are_seen_in_pages(self, queue: LeasedQueue, owner: int) -> None:
        names = {f"lane {number % 100}:{number}" for number in range(250)} | {"#", "a", "a b", "a:b"}
        for number, name in enumerate(sorted(names)):
            self.line_up(queue, Lane(name), 1 + number % 2)
        whole = queue.lanes(count=1000)

        assert {lane.name for lane in whole} == {lane.name for lane in in_lane_pages(queue, 100)}
        assert whole == in_lane_pages(queue, 7) == in_lane_pages(queue, 254)
        assert len({lane.name for lane in whole}) == len(whole) == len(names)
        assert sum(lane.waiting for lane in whole) == queue.stats().waiting == 127
        assert queue.lanes(count=0) == []

    @needs_looking
    def test_many_messages_hold_the_places_of_a_wide_lane(self, queue: LeasedQueue) -> None:
        ids = self.line_up(queue, Lane("wide", width=30), 50)

        assert queue.lanes() == [LaneSnapshot("wide", 30, 0.0, 1, 20, 30, (*ids[:10],))]

    @needs_looking
    def test_lanes_of_another_queue_are_not_seen(self, queue: LeasedQueue, name: str) -> None:
        neighbour: LeasedQueue = self.make_queue(f"{name}-neighbour")
        self.line_up(neighbour, ONE, 3)

        assert (queue.lanes(), queue.peek("waiting")) == ([], [])
        assert len(neighbour.lanes()) == 1
        neighbour.flush()
        assert neighbour.lanes() == []
        neighbour.close()


def in_lane_pages(queue: LeasedQueue, count: int, **options: Any) -> list[LaneSnapshot]:
    """Return all lanes, read ``count`` at a time."""
    lanes: list[LaneSnapshot] = []
    while page := queue.lanes(count=count, after=lanes[-1].name if lanes else "", **options):
        assert len(page) <= count
        lanes += page
    return lanes
