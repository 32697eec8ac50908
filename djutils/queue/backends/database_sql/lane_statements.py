"""The statements for lanes that all vendors share, and those that each may replace.

The lock of a lane and the count of its messages are two statements: the second one sees what the transaction that held
the lock before has committed. In one statement, an end that happens meanwhile is not seen, and no message is admitted for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.models import Now, QueueLane, QueueLaneMessage, QueueMessage
from djutils.queue.backends.lanes import microseconds
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Lane

from .base import placeholders
from .lane_rows import Admitted, Ended, LockedLane

_RULE = "width, pace, burst"
_PARTS_AT_ONCE = 100


class LaneStatements:
    """The SQL for the tables of lanes."""

    locking = " FOR UPDATE"
    least = "LEAST"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        quote = connection.ops.quote_name
        self.messages = quote(QueueMessage._meta.db_table)
        self.lanes = quote(QueueLane._meta.db_table)
        self.entries = quote(QueueLaneMessage._meta.db_table)
        self.now = Now.sql[connection.vendor]
        self.alive = f"{self.messages} m ON m.message_id = s.message_id AND m.state <> 3"

    def on_duplicate(self, table: str) -> str:
        """Return the clause that leaves a row of ``table`` that is already there as it is."""
        return " ON CONFLICT DO NOTHING"

    # Sending

    def insert(self, cursor: Any, queue: str, sent: Sequence[tuple[Envelope, Lane]]) -> None:
        """Insert messages that wait in their lanes; an id that is already there is ignored."""
        rows, entries, params, their_params = [], [], list[Any](), list[Any]()
        for (id, data, delay, priority), (lane, width, pace, burst, ordered) in sent:
            rows.append("(%s, %s, %s, %s, 4)")
            params += [id, queue, -priority, data]
            later = delay > 0
            entries.append(
                f"(%s, %s, %s, %s, %s, %s, %s, %s, {f'2, {self.now} + %s' if later else '0, NULL'})"
            )
            their_params += [id, queue, lane, -priority, width, microseconds(pace), burst, int(ordered)]
            if later:
                their_params.append(round(delay * 1000))
        cursor.execute(
            f"INSERT INTO {self.messages} (message_id, queue, prio_rank, message, state) "
            f"VALUES {', '.join(rows)}{self.on_duplicate(self.messages)}",
            params,
        )
        cursor.execute(
            f"INSERT INTO {self.entries} (message_id, queue, lane, prio_rank, {_RULE}, ordered, state, due) "
            f"VALUES {', '.join(entries)}{self.on_duplicate(self.entries)}",
            their_params,
        )

    # Locking

    def begin(self, connection: BaseDatabaseWrapper, cursor: Any) -> None:
        """Begin a transaction in which each statement sees what was committed before it."""

    def create(self, cursor: Any, queue: str, names: Collection[str]) -> None:
        """Make the rows of lanes that have none, each with the rule of the newest message that waits there.

        In a separate transaction: two that make and lock rows in one would wait for each other.
        """
        for name in sorted(names):
            cursor.execute(
                f"INSERT INTO {self.lanes} (queue, name, {_RULE}) SELECT queue, lane, {_RULE} FROM {self.entries} "
                f"WHERE queue = %s AND lane = %s AND state = 0 ORDER BY id DESC LIMIT 1{self.on_duplicate(self.lanes)}",
                [queue, name],
            )

    def lock(self, cursor: Any, queue: str, names: Collection[str]) -> list[LockedLane]:
        """Lock those of the lanes that have a row, always in the same order."""
        return self._lock(cursor, queue, f"IN ({placeholders(names)})", names)

    def lock_of(self, cursor: Any, queue: str, ids: Collection[str]) -> list[LockedLane]:
        """Lock the lanes in which messages are."""
        within = f"IN (SELECT lane FROM {self.entries} WHERE message_id IN ({placeholders(ids)}))"
        return self._lock(cursor, queue, within, ids)

    def _lock(self, cursor: Any, queue: str, within: str, params: Iterable[Any]) -> list[LockedLane]:
        cursor.execute(
            f"SELECT id, name, {_RULE}, admitted, started, {self.now} * 1000 FROM {self.lanes} "
            f"WHERE queue = %s AND name {within} ORDER BY id{self.locking}",
            [queue, *params],
        )
        return [LockedLane(*row) for row in cursor.fetchall()]

    def change(self, cursor: Any, lane: LockedLane, rule: Lane) -> LockedLane:
        """Give a locked lane another rule, if it is another."""
        changed = lane._replace(width=rule.width, pace=microseconds(rule.pace), burst=rule.burst)
        if changed != lane:
            cursor.execute(
                f"UPDATE {self.lanes} SET width = %s, pace = %s, burst = %s WHERE id = %s",
                [changed.width, changed.pace, changed.burst, lane.id],
            )
        return changed

    # Ending

    def end(
        self, connection: BaseDatabaseWrapper, queue: str, owner: int, ids: Collection[str], awaited: str
    ) -> Ended:
        """End messages that are the owner's, and admit those that come next, in one separate transaction.

        ``awaited`` is the key that the table of kept values has while a caller waits for an end.
        """
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            self.begin(connection, cursor)
            locked = self.lock_of(cursor, queue, ids)
            ours = self.remove(cursor, owner, ids)
            return Ended(ours, self.admit(cursor, queue, locked))

    def remove(self, cursor: Any, owner: int, ids: Collection[str]) -> set[str]:
        """Delete the messages that are done, where they are the owner's; return their ids."""
        which = f"message_id IN ({placeholders(ids)}) AND owner = %s AND state = 2"
        cursor.execute(
            f"SELECT id, message_id FROM {self.messages} WHERE {which} ORDER BY id{self.locking}",
            [*ids, owner],
        )
        held = cursor.fetchall()
        if held:
            keys, ours = [key for key, _ in held], [id for _, id in held]
            cursor.execute(f"DELETE FROM {self.messages} WHERE id IN ({placeholders(keys)})", keys)
            cursor.execute(f"DELETE FROM {self.entries} WHERE message_id IN ({placeholders(ours)})", ours)
        return {id for _, id in held}

    # Admitting

    def admit_to(
        self, connection: BaseDatabaseWrapper, queue: str, rules: Mapping[str, Lane | None]
    ) -> tuple[int, Collection[str]]:
        """Admit to those lanes that have a row, in one transaction; return how many messages, and the other lanes.

        A rule is that of the newest sender, which decides; None changes nothing.
        """
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            self.begin(connection, cursor)
            locked = self.lock(cursor, queue, rules)
            locked = [
                lane if (rule := rules[lane.name]) is None else self.change(cursor, lane, rule)
                for lane in locked
            ]
            return self.admit(cursor, queue, locked), rules.keys() - {lane.name for lane in locked}

    def admit(self, cursor: Any, queue: str, lanes: Sequence[LockedLane]) -> int:
        """Admit what there is room for in locked lanes, to the end of the line; return how many.

        A fixed number of statements, however many lanes.
        """
        if not lanes:
            return 0
        chosen = self._chosen(cursor, queue, lanes)
        admitted = sorted(admitted for of_lane in chosen.values() for admitted in of_lane)
        # Each lane's first before any lane's second.
        for at in range(0, len(admitted), _PARTS_AT_ONCE):
            self._move(cursor, admitted[at : at + _PARTS_AT_ONCE])
        for lane in lanes:
            if lane.pace:
                self._keep_time(cursor, lane, len(chosen[lane.name]))
        return len(admitted)

    def _held(self, cursor: Any, queue: str, lanes: Sequence[LockedLane]) -> dict[str, int]:
        """Return how many places of each lane are taken, where any are."""
        cursor.execute(
            f"SELECT s.lane, COUNT(*) FROM {self.entries} s JOIN {self.alive} WHERE s.queue = %s AND s.state = 1 "
            f"AND s.lane IN ({placeholders(lanes)}) GROUP BY s.lane",
            [queue, *(lane.name for lane in lanes)],
        )
        return dict(cursor.fetchall())

    def _chosen(
        self, cursor: Any, queue: str, lanes: Sequence[LockedLane]
    ) -> Mapping[str, Sequence[Admitted]]:
        held, by_name = self._held(cursor, queue, lanes), {lane.name: lane for lane in lanes}
        parts, params = list[str](), list[Any]()
        for lane in lanes:
            if (room := lane.room(held.get(lane.name, 0))) > 0:
                parts.append(
                    f"SELECT * FROM (SELECT lane, id, message_id FROM {self.entries} WHERE queue = %s AND state = 0 "
                    f"AND lane = %s ORDER BY prio_rank, id LIMIT {room}) AS part_{len(parts)}"
                )
                params += [queue, lane.name]
        chosen: dict[str, list[Admitted]] = defaultdict(list)
        for at in range(0, len(parts), _PARTS_AT_ONCE):
            some = parts[at : at + _PARTS_AT_ONCE]
            cursor.execute(" UNION ALL ".join(some), params[2 * at : 2 * (at + len(some))])
            for name, id, message_id in cursor.fetchall():
                number = len(chosen[name]) + 1
                chosen[name].append(Admitted(number, id, message_id, by_name[name].turn(number)))
        return chosen

    def _move(self, cursor: Any, admitted: Sequence[Admitted]) -> None:
        whens, turns, params, their_params = list[str](), list[str](), list[Any](), list[Any]()
        for place, one in zip(self.places(cursor, len(admitted)), admitted, strict=True):
            whens.append("WHEN %s THEN %s")
            params += [one.message_id, place]
            if one.due is not None:
                turns.append("WHEN %s THEN %s")
                their_params += [one.message_id, one.due]
        ids = [one.message_id for one in admitted]
        due = f"CASE message_id {' '.join(turns)} END" if turns else "NULL"
        state = f"CASE WHEN ({due}) IS NULL THEN 0 ELSE 1 END" if turns else "0"
        # MySQL evaluates from left to right, so the number comes last.
        cursor.execute(
            f"UPDATE {self.messages} SET due = {due}, state = {state}, id = CASE message_id {' '.join(whens)} END "
            f"WHERE message_id IN ({placeholders(ids)}) AND state = 4",
            [*their_params, *their_params, *params, *ids],
        )
        cursor.execute(
            f"UPDATE {self.entries} SET state = 1 WHERE id IN ({placeholders(ids)})",
            [one.id for one in admitted],
        )

    def places(self, cursor: Any, count: int) -> Sequence[int]:
        """Return numbers at the end of the line, which the table will not give out again."""
        raise NotImplementedError

    def _keep_time(self, cursor: Any, lane: LockedLane, count: int) -> None:
        admitted = lane.base + count * lane.pace if count else lane.admitted
        opens = None
        if lane.let_in is not None and count >= lane.let_in:
            opens = lane._replace(admitted=admitted).opens
        cursor.execute(
            f"UPDATE {self.lanes} SET admitted = %s, opens = %s WHERE id = %s", [admitted, opens, lane.id]
        )

    # Searching

    def waiting_lanes(
        self, cursor: Any, queue: str, after: str, most: int
    ) -> list[tuple[str, int | None, int | None]]:
        """Return up to ``most`` lanes in which messages wait, in order: name, how many are admitted, and width.

        One look at the index for each lane, however many messages wait in it. Those of a lane that opens later are not
        counted: None.
        """
        first = f"SELECT MIN(w.lane) FROM {self.entries} w WHERE w.queue = %s AND w.state = 0 AND w.lane >"
        cursor.execute(
            f"WITH RECURSIVE found (lane, number) AS (SELECT ({first} %s), 1 UNION ALL "
            f"SELECT ({first} found.lane), number + 1 FROM found WHERE found.lane IS NOT NULL AND number < %s) "
            f"SELECT found.lane, CASE WHEN l.opens IS NULL THEN (SELECT COUNT(*) FROM {self.entries} s "
            f"JOIN {self.alive} WHERE s.queue = %s AND s.state = 1 AND s.lane = found.lane) END, l.width FROM found "
            f"LEFT JOIN {self.lanes} l ON l.queue = %s AND l.name = found.lane WHERE found.lane IS NOT NULL",
            [queue, after, queue, most, queue, queue],
        )
        return list(cursor.fetchall())

    def lanes_after(self, cursor: Any, queue: str, name: str, most: int) -> list[str]:
        """Return the names of the next lanes in which messages wait or are admitted: two looks at the index for each."""

        def following(last: str) -> str:
            waiting, admitted = (
                f"(SELECT MIN(e.lane) FROM {self.entries} e WHERE e.queue = %s AND e.state = {state} AND e.lane > {last})"
                for state in (0, 1)
            )
            # The least of two is NULL on some databases if one of them is.
            return f"{self.least}(COALESCE({waiting}, {admitted}), COALESCE({admitted}, {waiting}))"

        cursor.execute(
            f"WITH RECURSIVE found (lane, number) AS (SELECT {following('%s')}, 1 UNION ALL "
            f"SELECT {following('found.lane')}, number + 1 FROM found WHERE found.lane IS NOT NULL AND number < %s) "
            f"SELECT lane FROM found WHERE lane IS NOT NULL",
            [queue, name] * 4 + [queue] * 4 + [most],
        )
        return [lane for (lane,) in cursor.fetchall()]

    def forget_gone(self, cursor: Any, queue: str, state: int) -> None:
        """Forget messages in ``state`` that other hands have deleted."""
        cursor.execute(
            f"DELETE FROM {self.entries} WHERE queue = %s AND state = {state} AND NOT EXISTS "
            f"(SELECT 1 FROM {self.messages} m WHERE m.message_id = {self.entries}.message_id)",
            [queue],
        )

    def forget_lanes(self, cursor: Any, queue: str, most: int) -> None:
        """Forget lanes without messages whose pace has nothing to remember."""
        cursor.execute(
            f"SELECT id, name FROM {self.lanes} WHERE queue = %s AND admitted < {self.now} * 1000 "
            f"AND started < {self.now} * 1000 ORDER BY id LIMIT {most}{self.locking}",
            [queue],
        )
        lanes = cursor.fetchall()
        for at in range(0, len(lanes), _PARTS_AT_ONCE):
            some = lanes[at : at + _PARTS_AT_ONCE]
            # After the lock: every process that admits to a lane holds it.
            cursor.execute(
                f"SELECT DISTINCT lane FROM {self.entries} WHERE queue = %s AND state IN (0, 1, 2, 3) "
                f"AND lane IN ({placeholders(some)})",
                [queue, *(name for _, name in some)],
            )
            used = {name for (name,) in cursor.fetchall()}
            if unused := [id for id, name in some if name not in used]:
                cursor.execute(f"DELETE FROM {self.lanes} WHERE id IN ({placeholders(unused)})", unused)

    def temporary(self, count: int) -> tuple[str, list[Any]]:
        """Return a statement that inserts ``count`` rows, to be rolled back, and its parameters."""
        values = ", ".join(["(%s, '', %s)"] * count)
        params = [value for _ in range(count) for value in (new_id(), b"")]
        return f"INSERT INTO {self.messages} (message_id, queue, message) VALUES {values}", params
