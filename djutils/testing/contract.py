"""What every backend promises, as tests: subclass the contract of your kind and say how to make a queue.

::

    from djutils.testing.contract import QueueContract

    class TestMyQueue(QueueContract):
        def make_queue(self, name="contract"):
            return MyQueue(name, "somewhere")

A class with the four methods takes ``QueueContract``, one that lends ``LeasedQueueContract``, which
includes it. Only pytest is needed.
"""

from __future__ import annotations

from djutils.testing.contract_dead import DeadLetters
from djutils.testing.contract_leases import Lending
from djutils.testing.contract_lines import QueueContract, until
from djutils.testing.contract_looking import Finding
from djutils.testing.contract_names import Naming
from djutils.testing.contract_order import Delaying, Ranking
from djutils.testing.contract_owners import Owning, Sharing
from djutils.testing.contract_settling import Settling

__all__ = ["LeasedQueueContract", "QueueContract", "until"]


class LeasedQueueContract(
    Lending, Settling, Delaying, Ranking, Owning, Sharing, DeadLetters, Naming, Finding
):
    """For any ``LeasedQueue``: everything of ``QueueContract``, and the leases."""
