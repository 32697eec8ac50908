"""Messages in lanes, in tables beside the messages: the table of messages and its indexes are what they would be without.

A message that waits in a lane is in a state that no claim looks at.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.models import LaneState, Now, QueueLaneMessage, QueueMessage, State
from djutils.queue.backends.subscription import AWAITED
from djutils.queue.deadlocks import retry_on_deadlock
from djutils.queue.message import Rejection, Retrial
from djutils.queue.stores.base import slices

from .admitting import AdmittingQueue
from .base import together
from .lane_rows import AHEAD, Ended, LockedLane
from .letters import LettersQueue
from .settling import died, failed, with_fitting_errors
from .sweeping import SweepingQueue

_TIDY_EVERY = 60.0
_MOST_DUE = 500

Outcomes = Sequence[Retrial | Rejection]


class LaningQueue(AdmittingQueue, SweepingQueue, LettersQueue):
    """The methods of a ``LeasedQueue`` that concern lanes."""

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._swept_to = ""
        self._tidied = time.monotonic()

    # Settling

    def settle_in_lanes(
        self,
        owner: int,
        done: Collection[str] = (),
        retrials: Sequence[Retrial] = (),
        rejections: Sequence[Rejection] = (),
    ) -> set[str]:
        outcomes: Outcomes = [*retrials, *rejections]
        if not (done or outcomes):
            return set()
        ended = with_fitting_errors(partial(self._settle_in_lanes, done), owner, outcomes)
        if ended.awaited:
            self._tell_ended(ended.ours - {retrial.id for retrial in retrials})
        with self._database() as connection:
            # Who settles asks for more: others are woken only for what it has not left places for.
            if ended.admitted > len(ended.ours):
                self._wake(connection)
            if ended.unfilled:
                self._admit_all(connection, dict.fromkeys(ended.unfilled))
        return ended.ours

    @retry_on_deadlock
    def _settle_in_lanes(self, done: Collection[str], owner: int, outcomes: Outcomes) -> Ended:
        ids = [*dict.fromkeys([*done, *(outcome.id for outcome in outcomes)])]
        with self._database() as connection:
            sql = self._lanes_sql(connection)
            if connection.in_atomic_block or not connection.get_autocommit():
                names = self._lane_names(ids)
                ours = self._end(connection, owner, done, outcomes)
                self._admit_when_committed(connection, dict.fromkeys(names))
                return Ended(ours, 0)
            if not outcomes:
                awaited = "" if self.store is None else self.store.stored_key(AWAITED)
                return sql.end(connection, self.name, owner, ids, awaited)
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                sql.begin(connection, cursor)
                locked = sql.lock_of(cursor, self.name, ids)
                ours = self._end(connection, owner, done, outcomes)
                return Ended(ours, sql.admit(cursor, self.name, locked))

    def _end(
        self, connection: BaseDatabaseWrapper, owner: int, done: Collection[str], outcomes: Outcomes
    ) -> set[str]:
        """Settle what is the owner's, in the caller's transaction."""
        with connection.cursor() as cursor:
            ours = self._lanes_sql(connection).remove(cursor, owner, done) if done else set()
        if not outcomes:
            return ours
        with self._holding(owner, [outcome.id for outcome in outcomes]) as held:
            ours |= held.keys()
            ordered = set(self._in_lanes(held).filter(ordered=1).values_list("message_id", flat=True))
            for outcome in outcomes:
                if outcome.id in held:
                    self._put_aside(held.pop(outcome.id), outcome, outcome.id in ordered)
        return ours

    def _put_aside(self, key: int, outcome: Retrial | Rejection, ordered: bool) -> None:
        rows, entry = self._rows([key]), self._in_lanes([outcome.id])
        if isinstance(outcome, Rejection):
            rows.update(**died(outcome))
            entry.update(state=LaneState.DEAD)
            return
        if ordered:
            self._give_back([key], outcome.delay, **failed(outcome))
            return
        rows.update(state=State.WAITING, owner=None, due=None, **failed(outcome))
        if outcome.delay > 0:
            entry.update(state=LaneState.LATER, due=Now() + round(outcome.delay * 1000))
        else:
            entry.update(state=LaneState.WAITING)

    @retry_on_deadlock
    def start_in_lanes(self, owner: int, ids: Collection[str]) -> set[str]:
        if not ids:
            return set()
        with self._database() as connection, transaction.atomic(using=connection.alias):
            sql = self._lanes_sql(connection)
            with connection.cursor() as cursor:
                sql.begin(connection, cursor)
                paced = {lane.name: lane for lane in sql.lock_of(cursor, self.name, ids) if lane.pace}
            with self._holding(owner, ids) as held:
                if not paced:
                    return set(held)
                lanes = dict(self._in_lanes(held).values_list("message_id", "lane"))
                ours = [id for id in dict.fromkeys(ids) if id in held]
                early = self._too_early(paced, {id: lanes.get(id, "") for id in ours})
                for id, turn in early.items():
                    self._go_back(held[id], id, turn)
                self._keep_clocks(paced, {lanes[id] for id, turn in early.items() if turn is None})
                return held.keys() - early.keys()

    def _keep_clocks(self, paced: Mapping[str, LockedLane], back: Collection[str]) -> None:
        """Write the clocks of lanes; in ``back`` admission was ahead of the starts, and goes on from these."""
        for lane in paced.values():
            clocks = {"started": lane.started}
            if lane.name in back:
                clocks |= {"admitted": lane.started, "opens": lane._replace(admitted=lane.started).opens}
            self._lane_rows().filter(id=lane.id).update(**clocks)

    def _too_early(self, paced: dict[str, LockedLane], lanes: Mapping[str, str]) -> dict[str, int | None]:
        """Return the moments, in milliseconds, of messages that may not start yet; note in ``paced`` the others' starts.

        None: so late that it waits in its lane again.
        """
        early: dict[str, int | None] = {}
        ahead: dict[str, int] = {}
        for id, name in lanes.items():
            if (lane := paced.get(name)) is None:
                continue
            base = max(lane.started, lane.now)
            if base + (1 - lane.burst) * lane.pace <= lane.now:
                paced[name] = lane._replace(started=base + lane.pace)
                continue
            if name not in ahead:
                ahead[name] = self._put_back(lane)
            turn = base + (ahead[name] + 1 - lane.burst) * lane.pace
            ahead[name] += 1
            early[id] = -(-turn // 1000) if turn - lane.now <= AHEAD else None
        return early

    def _put_back(self, lane: LockedLane) -> int:
        """Return how many messages of a lane have been admitted and are to be lent later."""
        admitted = self._own_entries().filter(state=LaneState.ADMITTED, lane=lane.name)
        delayed = QueueMessage.objects.using(self._using).filter(
            message_id__in=admitted.values("message_id"), state=State.DELAYED, due__gt=lane.now // 1000
        )
        return delayed.count()

    def _go_back(self, key: int, id: str, turn: int | None) -> None:
        if turn is None:
            self._rows([key]).update(state=State.WAITING, owner=None, due=None)
            self._in_lanes([id]).update(state=LaneState.WAITING)
        else:
            self._rows([key]).update(state=State.DELAYED, owner=None, due=turn)

    # What operators do

    def remove(self, ids: Collection[str]) -> set[str]:
        removed = super().remove(ids)
        if removed:
            self._leave_lanes(removed)
        return removed

    def _leave_lanes(self, ids: Collection[str]) -> None:
        """Forget messages that are gone, and admit others in their places."""
        with self._database() as connection:
            names = self._lane_names(ids)
            if names:
                for some in slices(ids):
                    self._in_lanes(some).delete()
                self._admit_when_committed(connection, dict.fromkeys(names))

    def replay(self, ids: Collection[str] | None = None) -> int:
        with self._database() as connection:
            if not self._own_entries().exists():
                return super().replay(ids)
            replayed, names = 0, set[str]()
            for dead in self._dead(ids, None):
                with together(connection):
                    found = list(dead.values_list("message_id", flat=True))
                    entries = self._in_lanes(found)
                    names |= set(entries.values_list("lane", flat=True))
                    in_lanes = list(entries.values_list("message_id", flat=True))
                    entries.update(state=LaneState.WAITING, due=None)
                    counters = dict.fromkeys(("attempts", "crashes", "redeliveries", "offers"), 0)
                    back = {"died": None, "error": None, **counters}
                    replayed += dead.filter(message_id__in=in_lanes).update(state=State.WAITING, **back)
                    replayed += dead.update(state=State.READY, **back)
            if replayed:
                self._wake(connection)
            self._admit_when_committed(connection, dict.fromkeys(names))
        return replayed

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        discarded = super().discard(ids, before=before)
        if discarded:
            with self._database() as connection, connection.cursor() as cursor:
                self._lanes_sql(connection).forget_gone(cursor, self.name, LaneState.DEAD)
        return discarded

    def _flush_lanes(self) -> list[str]:
        """Delete what waits in lanes; return the ids of what is lent, which is counted until it has ended."""
        entries = self._own_entries()
        if not entries.exists():
            return []
        messages = QueueMessage.objects.using(self._using)
        messages.filter(state=State.WAITING, message_id__in=entries.values("message_id")).delete()
        admitted = entries.filter(state=LaneState.ADMITTED)
        lent = messages.filter(state=State.LEASED, message_id__in=admitted.values("message_id"))
        kept = list(lent.values_list("message_id", flat=True))
        entries.exclude(message_id__in=kept).delete()
        return kept

    # The safety net

    def sweep_lanes(self, most: int = 1000) -> int:
        with self._database() as connection:
            if time.monotonic() - self._tidied > _TIDY_EVERY:
                self._tidied = time.monotonic()
                self._tidy(most)
            if not self._own_entries().exists():
                return 0
            names = self._come_due() | set(
                self._lane_rows()
                .filter(queue=self.name, opens__lte=Now())
                .values_list("name", flat=True)[:_MOST_DUE]
            )
            with connection.cursor() as cursor:
                seen = self._lanes_sql(connection).waiting_lanes(cursor, self.name, self._swept_to, most)
            self._swept_to = seen[-1][0] if len(seen) >= most else ""
            for name, held, width in seen:
                if width is None or (held is not None and held < width):
                    names.add(name)
            return self._admit_all(connection, dict.fromkeys(sorted(names)))

    @retry_on_deadlock
    def _come_due(self) -> set[str]:
        """Let delayed messages that are due wait in their lanes; return these."""
        later = self._own_entries().filter(state=LaneState.LATER, due__lte=Now())
        due = dict(later.values_list("id", "lane")[:_MOST_DUE])
        for some in slices(due):
            rows = QueueLaneMessage.objects.using(self._using).filter(id__in=some, state=LaneState.LATER)
            rows.update(state=LaneState.WAITING, due=None)
        return set(due.values())

    @retry_on_deadlock
    def _tidy(self, most: int) -> None:
        with self._database() as connection, transaction.atomic(using=connection.alias):
            sql = self._lanes_sql(connection)
            with connection.cursor() as cursor:
                sql.begin(connection, cursor)
                for state in LaneState:
                    sql.forget_gone(cursor, self.name, state)
                sql.forget_lanes(cursor, self.name, most)
