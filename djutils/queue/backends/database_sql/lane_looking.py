"""Reading the tables of lanes without taking anything: what waits, and what holds the places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from djutils.models import LaneState, Now, QueueLaneMessage, QueueMessage, State
from djutils.queue.backends.lanes import MOST_COUNTED, MOST_HOLDERS, told_name
from djutils.queue.backends.looking import Place, lane_place, lane_turn, refuse_lane
from djutils.queue.message import LaneSnapshot, Snapshot, StateName
from djutils.queue.stores.base import slices

from .laning import LaningQueue
from .looking import IndexRange, LookingQueue, beyond, columns, moment, snapshot_of

_LANES_AT_ONCE = 100


class LaneLookingQueue(LaningQueue, LookingQueue):
    """The methods of a ``LeasedQueue`` that only read, with what is in lanes."""

    def peek(
        self,
        state: StateName,
        *,
        newest: bool = False,
        after: str = "",
        count: int = 100,
        data: bool = False,
        lane: str | None = None,
    ) -> list[Snapshot]:
        refuse_lane(state, lane)
        if state not in ("waiting", "delayed"):
            return super().peek(state, newest=newest, after=after, count=count, data=data)
        place = Place.of(after) if after else None
        if state == "waiting":
            only = None if lane is None else told_name(lane)
            last = lane_turn(place, only) if place else None
            with self._database(), self._legible():
                return self._of_entries(self._waiting(last, only, newest), count, data, _waiting_place)
        found: list[Snapshot] = []
        for part in (1, 0) if newest else (0, 1):
            if place and (part > place.part if newest else part < place.part):
                continue
            left = count - len(found)
            if part == 0:
                at = after if place and place.part == part else ""
                found += super().peek(state, newest=newest, after=at, count=left, data=data)
            else:
                found += self._later(place if place and place.part == part else None, newest, left, data)
        return found

    def _waiting(
        self, last: tuple[str, int, int] | None, only: str | None, newest: bool
    ) -> Iterator[QuerySet[QueueLaneMessage]]:
        """Yield what waits in lanes, or in one, after the place ``last``; each is a range of one index."""
        sign, way = ("-", "lt") if newest else ("", "gt")
        rows = self._own_entries().filter(state=LaneState.WAITING)
        rows = rows if only is None else rows.filter(lane=only)
        rows = rows.order_by(*(f"{sign}{column}" for column in ("lane", "rank", "id")))
        if last is None:
            yield rows
            return
        lane, rank, number = last
        yield rows.filter(lane=lane, rank=rank, **{f"id__{way}": number})
        yield rows.filter(lane=lane, **{f"rank__{way}": rank})
        if only is None:
            yield rows.filter(**{f"lane__{way}": lane})

    def _later(self, place: Place | None, newest: bool, count: int, data: bool) -> list[Snapshot]:
        """Return what is delayed and will wait in its lane when it is due."""
        last = (int(place.key), int(place.id)) if place else None
        # A literal, not a parameter: the partial index is used only where the state is known.
        later = RawSQL(str(int(LaneState.LATER)), ())  # noqa: S611  (our own number)
        part = IndexRange(self._own_entries().filter(state=later), "due")
        with self._database(), self._legible():
            return self._of_entries(beyond(part, last, newest), count, data, _later_place)

    def _of_entries(
        self, ranges: Iterable[QuerySet[Any]], count: int, data: bool, place_of: Any
    ) -> list[Snapshot]:
        """Return the messages of up to ``count`` entries, in their order; those that are gone by now are left out."""
        found: list[Snapshot] = []
        for rows in ranges:
            at = 0
            while (wanted := count - len(found)) > 0:
                page = [*rows[at : at + wanted]]
                known = self._by_id([entry.message_id for entry in page], data)
                found += [
                    _in_lane(snapshot_of(row, data), entry)._replace(place=place_of(entry))
                    for entry in page
                    if (row := known.get(entry.message_id)) is not None
                ]
                if len(page) < wanted:
                    break
                at += wanted
        return found

    def _by_id(self, ids: Sequence[str], data: bool) -> dict[str, QueueMessage]:
        rows = QueueMessage.objects.using(self._using)
        found = (row for some in slices(ids) for row in columns(rows.filter(message_id__in=[*some]), data))
        return {row.message_id: row for row in found if row.state == State.WAITING}

    def find(self, prefix: str, count: int = 10, *, data: bool = False) -> list[Snapshot]:
        found = super().find(prefix, count, data=data)
        in_lanes = [one.id for one in found if one.state == "waiting"]
        if not in_lanes:
            return found
        with self._database(), self._legible():
            entries = {entry.message_id: entry for some in slices(in_lanes) for entry in self._in_lanes(some)}
        return [_in_lane(one, entries[one.id]) if one.id in entries else one for one in found]

    def _findable(self) -> Iterator[QuerySet[QueueMessage]]:
        yield from super()._findable()
        for state in (LaneState.WAITING, LaneState.LATER):
            entries = self._own_entries().filter(state=state)
            yield QueueMessage.objects.using(self._using).filter(
                message_id__in=entries.values("message_id"), state=State.WAITING
            )

    # Lanes

    def lanes(self, *, after: str = "", count: int = 100) -> list[LaneSnapshot]:
        found: list[LaneSnapshot] = []
        with self._database() as connection, self._legible():
            while (wanted := min(count - len(found), _LANES_AT_ONCE)) > 0:
                with connection.cursor() as cursor:
                    names = self._lanes_sql(connection).lanes_after(cursor, self.name, after, wanted)
                found += self._told(connection, names)
                if len(names) < wanted:
                    break
                after = names[-1]
        return found

    def _told(self, connection: BaseDatabaseWrapper, names: Sequence[str]) -> list[LaneSnapshot]:
        counts, rules = self._counts(connection, names), self._rules(names)
        # What is left of messages that other hands have deleted is no lane.
        names = [name for name in names if any(counts[name]) and name in rules]
        holders = self._holders(connection, names)
        told = []
        for name in names:
            (waiting, admitted), (width, pace, burst, opens) = counts[name], rules[name]
            held = holders.get(name, ())
            told.append(LaneSnapshot(name, width, pace / 1e6, burst, waiting, admitted, held, opens))
        return told

    def _rules(self, names: Sequence[str]) -> dict[str, tuple[int, int, int, datetime | None]]:
        """Return width, pace, burst and, if that is to come, the moment at which it opens, of each lane."""
        rules: dict[str, tuple[int, int, int, datetime | None]] = {}
        rows = self._lane_rows().filter(queue=self.name, name__in=names).annotate(now=Now())
        for row in rows:
            is_shut = row.pace and row.opens is not None and row.opens > row.now
            rules[row.name] = row.width, row.pace, row.burst, moment(row.opens) if is_shut else None
        # Nothing was admitted to it so far: each message has the rule of its sender.
        for name in set(names) - rules.keys():
            waiting = self._own_entries().filter(state=LaneState.WAITING, lane=name)
            # In the order of the index of lanes: by the primary key alone, a planner would go through the whole table.
            if entry := waiting.order_by("lane", "rank", "id").first():
                rules[name] = entry.width, entry.pace, entry.burst, None
        return rules

    def _counts(self, connection: BaseDatabaseWrapper, names: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return how many messages wait in each lane and how many are admitted, both up to a number."""
        sql = self._lanes_sql(connection)
        waiting = f"SELECT 1 AS one FROM {sql.entries} s WHERE s.queue = %s AND s.state = 0 AND s.lane = %s"
        admitted = f"SELECT 1 AS one FROM {sql.entries} s JOIN {sql.alive} WHERE s.queue = %s AND s.state = 1 AND s.lane = %s"
        parts = [
            f"SELECT {number}, (SELECT COUNT(*) FROM ({waiting} LIMIT {MOST_COUNTED}) AS w), "
            f"(SELECT COUNT(*) FROM ({admitted} LIMIT {MOST_COUNTED}) AS a)"
            for number in range(len(names))
        ]
        rows = _all(connection, parts, [value for name in names for value in (self.name, name) * 2])
        return {names[number]: (waits, holds) for number, waits, holds in rows}

    def _holders(self, connection: BaseDatabaseWrapper, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        sql = self._lanes_sql(connection)
        parts = [
            f"SELECT * FROM (SELECT {number} AS number, s.message_id FROM {sql.entries} s JOIN {sql.alive} "
            f"WHERE s.queue = %s AND s.state = 1 AND s.lane = %s ORDER BY s.prio_rank, s.id LIMIT {MOST_HOLDERS}) AS part_{number}"
            for number in range(len(names))
        ]
        held: dict[str, tuple[str, ...]] = {}
        for number, id in _all(connection, parts, [value for name in names for value in (self.name, name)]):
            held[names[number]] = (*held.get(names[number], ()), id)
        return held


def _all(connection: BaseDatabaseWrapper, parts: Sequence[str], params: Sequence[str]) -> list[Any]:
    """Return the rows of all ``parts``."""
    if not parts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), params)
        return list(cursor.fetchall())


def _in_lane(one: Snapshot, entry: Any) -> Snapshot:
    later = entry.state == LaneState.LATER
    return one._replace(
        state="delayed" if later else "waiting",
        due=moment(entry.due) if later else None,
        lane=str(entry.lane),
    )


def _waiting_place(entry: Any) -> str:
    rank: object = entry.rank
    sound = isinstance(rank, int) and -100 <= rank <= 899
    return str(lane_place(entry.lane, entry.rank, entry.id)) if sound else ""


def _later_place(entry: Any) -> str:
    return str(Place(1, str(entry.due), str(entry.id))) if isinstance(entry.due, int) else ""
