"""Whether a consumer grows: PSS of all its processes in MB, after ever more commands that do nothing.

One consumer with one worker process lives through all of them; they are enqueued 500 at once while it works,
and memory is read when all have begun and it has been idle for a second.
"""

from __future__ import annotations

import time

from bench import turns
from bench.figures.loads import PATIENCE, Plan
from bench.peers.measure import pss

HEAD = ("commands", "PSS in MB", "of that after the first 100,000")
_STEP = 100_000
_SETTLE = 1.0


def rows(plan: Plan) -> list[tuple[str, ...]]:
    tally = turns.afresh()
    with turns.consumer() as consumer:
        found, sent = {}, 0
        for count in (1, *range(_STEP, plan.commands + 1, _STEP)):
            turns.fill(count - sent)
            sent = count
            tally.wait_for(count, PATIENCE)
            time.sleep(_SETTLE)
            found[count] = pss([consumer.pid])
    first = found.get(_STEP)
    return [
        (f"{count:,}", f"{size:.1f}", f"{size / first:.3f}" if first else "") for count, size in found.items()
    ]
