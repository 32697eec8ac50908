"""Races for a lane: whatever ends and arrives at the same moment, each end admits the next one."""

from __future__ import annotations

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Lane, Stats
from djutils.testing.contract_fixtures import LeaseFixtures
from djutils.testing.contract_queue import all_at_once

WIDE = Lane("wide", width=4)


class LaneRaces(LeaseFixtures):
    races = 30

    def test_ends_and_arrivals_at_the_same_moment_lose_no_wake(self, queue: LeasedQueue) -> None:
        name, owners = queue.name, [self.enroll(queue) for _ in range(4)]
        queues: list[LeasedQueue] = [self.make_queue(name) for _ in range(6)]

        for _ in range(self.races):
            queue.send_in_lanes([(Envelope(new_id(), b"data"), WIDE) for _ in range(8)])
            lent = [self.lend(queue, owner, 1) for owner in owners]
            assert [len(ids) for ids in lent] == [1] * 4

            def act(number: int, lent: list[list[str]] = lent) -> None:
                if number < len(owners):
                    queues[number].settle_in_lanes(owners[number], lent[number])
                else:
                    queues[number].send_in_lanes([(Envelope(new_id(), b"data"), WIDE)])
                queues[number].close()

            all_at_once(act, len(queues))
            # No sweep has healed anything.
            assert queue.stats() == Stats(ready=4, waiting=2)
            queue.flush()
