"""Sending to lanes and admitting from them.

Lanes are locked, in the order of their rows, only in short transactions that this module opens: in one of the caller's,
every other sender and consumer of the lane would wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import OuterRef, QuerySet, Subquery

from djutils.models import QueueLane, QueueLaneMessage
from djutils.queue.backends.lanes import stored_lane, stored_name
from djutils.queue.deadlocks import retry_on_deadlock
from djutils.queue.exceptions import BackendError
from djutils.queue.message import Envelope, Lane
from djutils.queue.stores.base import slices

from .lane_statements import LaneStatements
from .settling import SettlingQueue
from .vendors import lanes_of

logger = logging.getLogger("djutils.queue.backends.database")

_LANES_AT_ONCE = 100
"""Most lanes to lock in one transaction that settles nothing."""


class AdmittingQueue(SettlingQueue):
    """The methods of a ``LeasedQueue`` with which messages enter a lane and leave it."""

    supports_lanes = True

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._statements: LaneStatements | None = None

    def _lanes_sql(self, connection: BaseDatabaseWrapper) -> LaneStatements:
        if self._statements is None:
            self._statements = lanes_of(connection)
        return self._statements

    # Sending

    def send_in_lanes(self, sent: Sequence[tuple[Envelope, Lane]]) -> None:
        by_id = {envelope.id: (envelope, stored_lane(lane)) for envelope, lane in reversed(sent)}
        if not by_id:
            return
        # The first of those with one id counts, and the last rule of each lane.
        rules = {stored_name(lane.name): stored_lane(lane) for _, lane in sent}
        envelopes = [envelope for envelope, _ in reversed(by_id.values())]
        with self._together() as connection, connection.cursor() as cursor:
            dialect = self._sql(connection)
            for envelope in envelopes:
                dialect.refuse_too_large(connection, envelope.data)
            parts = (some for part in dialect.parts(connection, envelopes) for some in slices(part))
            for some in parts:
                chosen = [by_id[envelope.id] for envelope in some]
                self._lanes_sql(connection).insert(cursor, self.name, chosen)
        self._admit_when_committed(connection, rules)

    def _admit_when_committed(
        self, connection: BaseDatabaseWrapper, rules: Mapping[str, Lane | None]
    ) -> None:
        """Admit to lanes once the caller's transaction has committed; if that fails, a sweep does it."""
        admit = partial(self._admit_or_leave_it, connection.alias, rules)
        if not connection.in_atomic_block:
            if connection.get_autocommit():
                admit()
        # The transactions of a TestCase enclose all others and never commit: there no other caller can wait for the lock.
        elif getattr(connection.atomic_blocks[0], "_from_testcase", False):
            self._admit_all(connection, rules)
        else:
            transaction.on_commit(admit, using=connection.alias, robust=True)

    def _admit_or_leave_it(self, alias: str, rules: Mapping[str, Lane | None]) -> None:
        try:
            with self._database():
                self._admit_all(connections[alias], rules)
        except BackendError as error:
            logger.warning(
                "Messages of queue %s were sent to their lanes but not admitted (%s): a consumer does it within seconds.",
                self.name,
                error,
            )

    def admit(self, names: Collection[str]) -> int:
        with self._database() as connection:
            return self._admit_all(connection, dict.fromkeys(map(stored_name, names)))

    def _admit_all(self, connection: BaseDatabaseWrapper, rules: Mapping[str, Lane | None]) -> int:
        names = list(rules)
        parts = [names[at : at + _LANES_AT_ONCE] for at in range(0, len(names), _LANES_AT_ONCE)]
        admitted = sum(
            self._admit_some(connection.alias, {name: rules[name] for name in part}) for part in parts
        )
        if admitted:
            self._wake(connection)
        return admitted

    @retry_on_deadlock
    def _admit_some(self, alias: str, rules: Mapping[str, Lane | None]) -> int:
        with self._database():
            connection = connections[alias]
            sql = self._lanes_sql(connection)
            admitted, missing = sql.admit_to(connection, self.name, rules)
            if missing:
                with transaction.atomic(using=alias), connection.cursor() as cursor:
                    sql.create(cursor, self.name, missing)
                admitted += sql.admit_to(connection, self.name, {name: rules[name] for name in missing})[0]
            return admitted

    # Rows

    def _own_entries(self) -> QuerySet[QueueLaneMessage]:
        return QueueLaneMessage.objects.using(self._using).filter(queue=self.name)

    def _in_lanes(self, ids: Collection[str]) -> QuerySet[QueueLaneMessage]:
        return QueueLaneMessage.objects.using(self._using).filter(message_id__in=list(ids))

    def _lane_names(self, ids: Collection[str]) -> set[str]:
        return {lane for some in slices(ids) for lane in self._in_lanes(some).values_list("lane", flat=True)}

    def _lane_rows(self) -> QuerySet[QueueLane]:
        return QueueLane.objects.using(self._using)

    def _lane_of_each(self) -> Subquery:
        lanes = QueueLaneMessage.objects.using(self._using).filter(message_id=OuterRef("message_id"))
        return Subquery(lanes.values("lane")[:1])
