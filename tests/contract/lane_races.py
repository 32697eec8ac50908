"""Races for a lane: whatever ends and arrives at the same moment, each end admits the next one."""

from __future__ import annotations

import threading

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Lane, Stats
from djutils.testing.contract_fixtures import LeaseFixtures
from djutils.testing.contract_queue import PATIENCE, all_at_once

WIDE = Lane("wide", width=4)
RACES = 40


class LaneRaces(LeaseFixtures):
    def test_ends_and_arrivals_at_the_same_moment_lose_no_wake(self, queue: LeasedQueue) -> None:
        owners = [self.enroll(queue) for _ in range(WIDE.width)]
        gate = threading.Barrier(2 * len(owners))
        lent: list[list[str]] = []

        def race(number: int) -> None:
            ours: LeasedQueue = self.make_queue(queue.name)
            # Connected before the start, so that all start at the same moment.
            ours.stats()
            for _ in range(RACES):
                if gate.wait(PATIENCE) == 0:
                    begin()
                gate.wait(PATIENCE)
                if number < len(owners):
                    ours.settle_in_lanes(owners[number], lent[number])
                else:
                    ours.send_in_lanes([(Envelope(new_id(), b"data"), WIDE)])
                if gate.wait(PATIENCE) == 0:
                    seen.append(queue.stats())
            ours.close()

        def begin() -> None:
            queue.flush()
            queue.send_in_lanes([(Envelope(new_id(), b"data"), WIDE) for _ in owners])
            lent[:] = [self.lend(queue, owner, 1) for owner in owners]

        seen: list[Stats] = []
        all_at_once(race, 2 * len(owners))
        # As many are free as were sent, and no sweep has healed anything.
        assert seen == [Stats(ready=4)] * RACES, seen
