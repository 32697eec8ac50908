"""Settling other than acks, and enrolling and reaping owners; through the ORM."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

from django.db import connections
from django.db.models import F, QuerySet

from djutils.models import Now, QueueMessage, QueueWorker, State
from djutils.queue.backends.subscription import AWAITED
from djutils.queue.deadlocks import retry_on_deadlock
from djutils.queue.exceptions import BackendError, BackendUnavailable
from djutils.queue.message import UNCOUNTED, Crashes, Delivery, Rejection, Retrial
from djutils.queue.stores.base import slices

from .connected import ConnectedQueue
from .rows import delivery, plain, text

R = TypeVar("R")


class Reason(NamedTuple):
    """What killed the process that was running a message."""

    id: str
    error: str


O = TypeVar("O", Retrial, Rejection, Reason, Retrial | Rejection)  # noqa: E741


def failed(retrial: Retrial) -> dict[str, Any]:
    """Return the columns that note the failure of a message that is to be retried."""
    error = {"error": text(retrial.error)}
    if retrial.charge == UNCOUNTED:
        return error
    counter = "attempts" if retrial.charge else "offers"
    return {**error, counter: F(counter) + 1}


def died(rejection: Rejection) -> dict[str, Any]:
    """Return the columns of a message that becomes a dead letter."""
    gone = {"state": State.DEAD, "owner": None, "due": None, "died": Now()}
    return {**gone, "error": text(rejection.error), "attempts": F("attempts") + rejection.charge}


class SettlingQueue(ConnectedQueue):
    """The methods of a ``LeasedQueue`` that concern owners and their deliveries."""

    def enroll(self, owner: int) -> None:
        with self._database():
            workers = QueueWorker.objects.using(self._using)
            workers.bulk_create([QueueWorker(owner=owner, queue=self.name)], ignore_conflicts=True)

    @retry_on_deadlock
    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        with self._holding(owner, ids) as held:
            self._give_back(held.values(), delay)
            if held and not delay:
                self._wake(connections[self._using])
            return set(held)

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        return with_fitting_errors(self._retry, owner, retrials)

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        ours = with_fitting_errors(self._reject, owner, rejections)
        self._tell_ended(ours)
        return ours

    @retry_on_deadlock
    def _retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        with self._holding(owner, [retrial.id for retrial in retrials]) as held:
            settled = set(held)
            alike: dict[tuple[Any, ...], list[int]] = {}
            for retrial in retrials:
                if retrial.id in held:
                    alike.setdefault(retrial[1:], []).append(held.pop(retrial.id))
            for rest, keys in alike.items():
                retrial = Retrial("", *rest)
                self._give_back(keys, retrial.delay, **failed(retrial))
            return settled

    @retry_on_deadlock
    def _reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        with self._holding(owner, [rejection.id for rejection in rejections]) as held:
            settled = set(held)
            for rejection in rejections:
                self._rows([held.pop(rejection.id, 0)]).update(**died(rejection))
            return settled

    def remove(self, ids: Collection[str]) -> set[str]:
        removed = self._remove_all(ids)
        self._tell_ended(removed)
        return removed

    @retry_on_deadlock
    def _remove_all(self, ids: Collection[str]) -> set[str]:
        with self._transaction():
            # One by one, so that the count of each says whether it was there.
            return {id for id in dict.fromkeys(ids) if self._remove(id)}

    def _tell_ended(self, ids: Collection[str]) -> None:
        """Tell those who wait for the ends of ``ids``, where the database can; nothing depends on it."""
        if ids and self.store is not None:
            with suppress(BackendError), self._database() as connection:
                self._sql(connection).tell_ended(connection, ids, self.store.stored_key(AWAITED))

    def _remove(self, id: str) -> bool:
        states = (State.READY, State.DELAYED, State.WAITING)
        return any(self._messages(state).filter(message_id=id).delete()[0] for state in states)

    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]:
        with self._database():
            lent = self._messages(State.LEASED).filter(owner=owner).order_by("rank", "id")
            return [delivery(row) for row in lent if row.message_id not in known]

    def held(self, owner: int, ids: Collection[str]) -> set[str]:
        held: set[str] = set()
        with self._database():
            lent = self._messages(State.LEASED).filter(owner=owner)
            for some in slices(ids):
                held.update(lent.filter(message_id__in=some).values_list("message_id", flat=True))
        return held

    def beat(self, owners: Collection[int]) -> set[int]:
        with self._database():
            mine = self._workers().filter(owner__in=list(owners))
            mine.update(beats=F("beats") + 1)
            return set(mine.values_list("owner", flat=True))

    def owners(self) -> dict[int, int]:
        with self._database():
            return dict(self._workers().values_list("owner", "beats"))

    def reap(self, owner: int, beats: int | None = None, running: Crashes | None = None) -> int:
        reasons = list((running or {}).items())

        def reap_with(owner: int, reasons: Sequence[Reason]) -> int:
            return self._reap(owner, beats, None if running is None else dict(reasons))

        return with_fitting_errors(reap_with, owner, [Reason(*reason) for reason in reasons])

    @retry_on_deadlock
    def _reap(self, owner: int, beats: int | None, running: Crashes | None) -> int:
        with self._transaction():
            worker = self._workers().filter(owner=owner)
            if beats is not None and not worker.filter(beats=beats).delete()[0]:
                return 0
            # Removed before anything is given back: from here on nothing more is lent to it.
            worker.delete()
            lent = self._messages(State.LEASED).filter(owner=owner)
            # Find first, then lock: some databases lock every row that they examine.
            found = dict(lent.values_list("message_id", "id"))
            held: dict[str, int] = {}
            for some in slices(found):
                locked = lent.filter(id__in=[found[id] for id in some]).select_for_update()
                held.update(locked.values_list("message_id", "id"))
            if running is None:
                self._give_back(held.values(), redeliveries=F("redeliveries") + 1)
            else:
                for id in running.keys() & held.keys():
                    self._give_back([held[id]], crashes=F("crashes") + 1, error=text(running[id]))
                self._give_back([held[id] for id in held.keys() - running.keys()])
            if held:
                self._wake(connections[self._using])
            return len(held)

    @contextmanager
    def _holding(self, owner: int, ids: Collection[str]) -> Iterator[dict[str, int]]:
        """Yield message id -> primary key of the messages lent to ``owner``, and lock them."""
        held: dict[str, int] = {}
        with self._transaction():
            lent = self._messages(State.LEASED).filter(owner=owner)
            for some in slices(sorted(ids)):
                locked = lent.filter(message_id__in=some).select_for_update()
                held.update(locked.values_list("message_id", "id"))
            yield held

    def _give_back(self, keys: Collection[int], delay: float = 0.0, **counted: Any) -> None:
        if delay > 0:
            counted |= {"state": State.DELAYED, "due": Now() + round(delay * 1000)}
        else:
            counted |= {"state": State.READY}
        for some in slices(sorted(keys)):
            self._rows(some).update(owner=None, **counted)

    def _rows(self, keys: Collection[int]) -> QuerySet[QueueMessage]:
        """Return rows that this transaction has locked: no other condition needs to be checked."""
        return QueueMessage.objects.using(self._using).filter(id__in=keys)


def with_fitting_errors(settle: Callable[[int, Sequence[O]], R], owner: int, outcomes: Sequence[O]) -> R:
    """Settle ``outcomes``; if the database cannot store a character of their errors, escape it."""
    try:
        return settle(owner, outcomes)
    except BackendUnavailable:
        raise
    except BackendError:
        escaped = [outcome._replace(error=plain(outcome.error)) for outcome in outcomes]
        if escaped == list(outcomes):
            raise
        return settle(owner, escaped)
