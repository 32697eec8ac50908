"""What every backend must guarantee, as tests: subclass the contract for your kind and define ``make_queue``.

::

    from djutils.testing.contract import QueueContract

    class TestMyQueue(QueueContract):
        def make_queue(self, name="contract"):
            return MyQueue(name, "somewhere")

Use ``QueueContract`` for a class with the four methods, and ``LeasedQueueContract``, which includes it, for
one with leases; beside it ``LaneContract`` for one that has lanes. Only pytest is needed.
"""

from __future__ import annotations

from djutils.testing.contract_ageing import Ageing
from djutils.testing.contract_aside import PuttingAside, PuttingAsideInLanes
from djutils.testing.contract_dead import DeadLetters
from djutils.testing.contract_finishing import Finishing
from djutils.testing.contract_lane_keys import LaneKeys
from djutils.testing.contract_lane_looking import LaneLooking
from djutils.testing.contract_lane_outcomes import LaneOutcomes
from djutils.testing.contract_lanes import Laning, Pacing
from djutils.testing.contract_leases import Lending
from djutils.testing.contract_looking import Finding
from djutils.testing.contract_names import Naming
from djutils.testing.contract_order import Beside, Delaying, Ranking
from djutils.testing.contract_owners import Owning, Sharing
from djutils.testing.contract_queue import QueueContract, until
from djutils.testing.contract_settling import Outcomes
from djutils.testing.contract_unique import Unique

__all__ = ["LaneContract", "LeasedQueueContract", "QueueContract", "until"]


class LeasedQueueContract(
    Lending,
    Outcomes,
    PuttingAside,
    Finishing,
    Delaying,
    Beside,
    Ranking,
    Ageing,
    Owning,
    Sharing,
    DeadLetters,
    Naming,
    Finding,
    Unique,
):
    """For any ``LeasedQueue``: everything in ``QueueContract``, and the leases."""


class LaneContract(Laning, LaneOutcomes, LaneKeys, LaneLooking, Pacing, PuttingAsideInLanes):
    """For a ``LeasedQueue`` that has lanes, beside ``LeasedQueueContract``."""
