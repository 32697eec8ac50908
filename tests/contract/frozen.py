"""What must not happen on a database where a consumer's transaction may span several statements."""

from __future__ import annotations

import pytest
from django.db import connections, transaction

from djutils.queue.backends.base import own_alias
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.exceptions import BackendUnavailable
from djutils.testing.contract import LeasedQueueContract


class FrozenContract(LeasedQueueContract):
    """For a queue in the database ``alias``."""

    alias: str

    def test_a_consumer_frozen_in_a_transaction_locks_others_out_for_seconds_only(
        self, queue: DatabaseQueue, owner: int, other: int
    ) -> None:
        ids = self.send(queue, 2)
        frozen = self.make_queue(queue.name)
        frozen.open()
        self.lend(frozen, owner, 2)
        own = own_alias(self.alias)
        with pytest.raises(BackendUnavailable), frozen._database(), transaction.atomic(using=own):
            with connections[own].cursor() as cursor:
                cursor.execute("SELECT 1 FROM djutils_queueworker WHERE owner = %s FOR UPDATE", [owner])
            assert queue.reap(owner) == 2

        assert self.lend(queue, other) == ids
        frozen.close()
