"""Messages that hold a key: the key is a row of the store's table, locked by each caller that sends with it."""

from __future__ import annotations

from collections.abc import Callable

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Case, F, QuerySet, When

from djutils.models import LaneState, Now, QueueMessage, State
from djutils.queue.deadlocks import retry_on_deadlock
from djutils.queue.message import Envelope, Lane, Placement, Until
from djutils.queue.stores.database_holders import LOOKED_AT_EVERY, held_by, holder_of, is_held_by
from djutils.queue.stores.database_store import DatabaseStore

from .admitting import AdmittingQueue

_NOT_WAITING = (State.LEASED, State.DEAD)


class UniqueQueue(AdmittingQueue):
    """``send_unique``, in a short transaction: lock the key, look at its holder, insert."""

    supports_unique = True

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._unique = DatabaseStore(f"unique:{name}", self._database, self._together)

    @retry_on_deadlock
    def send_unique(
        self,
        envelope: Envelope,
        key: str,
        until: Until,
        replace: Callable[[str], bytes] | None = None,
        lane: Lane | None = None,
    ) -> Placement:
        with self._transaction() as connection:
            # Two statements: on PostgreSQL what is looked at in the statement that waits for the lock is older than the lock.
            value, is_live = self._unique.lock(connection, key)
            holder = holder_of(value)
            if replace is not None:
                if holder and self._replaced(connection, holder, replace(holder), envelope.delay, lane):
                    self._wake(connection)
                    return Placement(holder, "replaced")
            elif holder and _holds(connection, value, is_live, until):
                return Placement(holder, "sent" if holder == envelope.id else "held")
            if isinstance(until, str):
                self._unique.put(connection, {key: held_by(envelope.id)}, LOOKED_AT_EVERY)
            else:
                self._unique.put(connection, {key: envelope.id.encode()}, until)
            if lane is None:
                self._sql(connection).insert(connection, self.name, [envelope])
                self._wake(connection)
            else:
                self.send_in_lanes([(envelope, lane)])
            return Placement(envelope.id, "sent")

    def _replaced(
        self, connection: BaseDatabaseWrapper, id: str, data: bytes, delay: float, lane: Lane | None
    ) -> bool:
        """Give the message ``id`` other bytes, and return True, if it waits."""
        self._sql(connection).refuse_too_large(connection, data)
        delayed = When(state=State.DELAYED, then=Now() + round(delay * 1000))
        # With a plain condition on the state the planner might use an index of that state.
        waiting = _message(connection, id).alias(state_now=F("state") + 0).exclude(state_now__in=_NOT_WAITING)
        counters = dict.fromkeys(("attempts", "crashes", "redeliveries", "offers"), 0)
        due = Case(delayed, default=F("due"), output_field=BigIntegerField())
        if lane is not None:
            self._in_lanes([id]).filter(state=LaneState.LATER).update(due=Now() + round(delay * 1000))
        return bool(waiting.update(message=data, due=due, error=None, **counters))


def _message(connection: BaseDatabaseWrapper, id: str) -> QuerySet[QueueMessage]:
    return QueueMessage.objects.using(connection.alias).filter(message_id=id)


def _holds(connection: BaseDatabaseWrapper, value: bytes, is_live: bool, until: Until) -> bool:
    """Return whether the key with this ``value`` keeps another message out."""
    if not isinstance(until, str):
        return is_live and not is_held_by(value)
    states = list(_message(connection, holder_of(value)).values_list("state", flat=True))
    return any(state not in (_NOT_WAITING if until == "started" else (State.DEAD,)) for state in states)
