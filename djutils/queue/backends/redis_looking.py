"""Reading a RedisQueue without taking anything; no script reads more than a few hundred messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from djutils.queue.backends.looking import Place, lane_turn
from djutils.queue.backends.redis_dead import strangers, text_of
from djutils.queue.message import Snapshot, StateName

_PAGE = 500
_MOST_BYTES = 4 * 1024 * 1024
_LONGEST_ID = 32
_MEMBER = re.compile(rb"([ -~]+)\0([0-9]{19,20})\0(.*)", re.DOTALL)
"""What waits in a lane: its lane, its place there, its id."""
_EPOCH = datetime.fromtimestamp(0, UTC)


class KeyRange(NamedTuple):
    """A sorted set, or a part of one, or the list of ready messages."""

    key: str
    lowest: str = "-inf"
    highest: str = "+inf"


_PARTS: dict[StateName, tuple[KeyRange, ...]] = {
    "ready": (
        KeyRange("ranked", highest="(0"),
        KeyRange("ready"),
        KeyRange("ranked", lowest="0"),
        KeyRange("delayed", highest="now"),
    ),
    "delayed": (KeyRange("delayed", lowest="(now"), KeyRange("later")),
    "dead": (KeyRange("dead"),),
}


class RedisLooking:
    """Looks into one queue, one page per script so that no other client waits for long.

    ``run`` runs a script on the keys of the queue, ``call`` runs a command on one named key.
    """

    def __init__(self, run: Callable[..., Any], call: Callable[..., Any]) -> None:
        self._run = run
        self._call = call

    def peek(
        self, state: StateName, newest: bool, after: str, count: int, data: bool, lane: str | None = None
    ) -> list[Snapshot]:
        """Return up to ``count`` messages that are in ``state``, after the place ``after``."""
        place = Place.of(after) if after else None
        walk: Iterator[dict[str, Place]]
        if state == "waiting":
            walk = self._in_lanes(newest, place, lane)
        else:
            walk = self._leased(newest, place) if state == "leased" else self._places(state, newest, place)
        found: dict[str, Snapshot] = {}
        for page in walk:
            if len(found) >= count:
                break
            places = {id: str(place) for id, place in page.items()}
            # A list may contain an id whose message is gone or leased, and it may contain an id twice.
            for one in self.look([*map(_bytes, places)], data, count - len(found), state):
                found.setdefault(one.id, one._replace(place=places[one.id]))
        return [*found.values()]

    def find(self, prefix: str, count: int, data: bool) -> list[Snapshot]:
        """Return up to ``count`` messages whose id begins with ``prefix``."""
        id = _bytes(prefix)
        if not strangers([id]) and (whole := self.look([id], data, count)):
            return whole
        if len(id) >= _LONGEST_ID:
            return []
        literal = _bytes(re.sub(r"([][*?\\^-])", r"\\\1", prefix))
        found: dict[bytes, None] = {}
        cursor = b"0"
        while len(found) < count:
            cursor, ids = self._run("find", cursor, literal + b"*")
            found |= dict.fromkeys(_readable(ids))
            if cursor == b"0":
                break
        return self.look([*found][: max(count, 0)], data, count)

    def oldest(self) -> Snapshot | None:
        """Return the ready message that was sent first."""
        ids = _readable(self._run("oldest"))
        return min(self.look(ids, False, len(ids), "ready"), key=lambda one: one.id, default=None)

    def look(self, ids: Sequence[bytes], data: bool, count: int, state: str = "") -> list[Snapshot]:
        """Return up to ``count`` of ``ids`` that are messages; with ``state``, only those in that state."""
        found: list[Snapshot] = []
        while ids and len(found) < count:
            read, rows = self._run("look", int(data), _MOST_BYTES, *ids[: min(_PAGE, count - len(found))])
            found += [_snapshot(row, data) for row in rows if state in ("", row[1].decode())]
            ids = ids[read:]
        return found

    def _places(self, state: StateName, newest: bool, last: Place | None) -> Iterator[dict[str, Place]]:
        """Yield the ids of messages in ``state`` with their places, page by page, after the place ``last``."""
        parts = [*enumerate(_PARTS[state])]
        for number, part in reversed(parts) if newest else parts:
            if last and (number > last.part if newest else number < last.part):
                continue
            at = last if last and last.part == number else Place(number, "", "")
            seen: set[str] = set()
            # A list that changes meanwhile must not make this loop endlessly.
            while (page := self._page(part, newest, at)) and not seen.issuperset(ids := {p.id for p in page}):
                at = page[-1]
                seen |= ids
                yield {place.id: place for place in page if not strangers([_bytes(place.id)])}

    def _in_lanes(self, newest: bool, last: Place | None, lane: str | None) -> Iterator[dict[str, Place]]:
        """Yield the ids of messages that wait in lanes, or in one, with their places, after the place ``last``."""
        low, high = ("-", "+") if lane is None else (f"[{lane}\0", f"({lane}\1")
        if last:
            name, _, _ = lane_turn(last, lane)
            low, high = (low, f"({name}\0{last.key}") if newest else (f"({name}\0{last.key}\1", high)
        while True:
            reach = (high, low, "BYLEX", "REV") if newest else (low, high, "BYLEX")
            page = self._call("ZRANGE", "lanes:waiting", *reach, "LIMIT", 0, _PAGE)
            if not page:
                return
            members = (_MEMBER.fullmatch(member) for member in page)
            yield {
                _text(id): Place(0, key.decode(), name.decode())
                for name, key, id in (member.groups() for member in members if member)
                if not strangers([id])
            }
            edge = b"(" + page[-1]
            low, high = (low, edge) if newest else (edge, high)

    def _page(self, part: KeyRange, newest: bool, at: Place) -> list[Place]:
        if part.key == "ready":
            first, ids = self._run("peek_ready", int(newest), int(at.key or 0), _bytes(at.id), _PAGE)
            return [Place(at.part, str(first + n), _text(id)) for n, id in enumerate(ids)]
        asked = (part.key, part.lowest, part.highest, int(newest), at.key, _bytes(at.id), _PAGE)
        reply = self._run("peek_scored", *asked)
        page = [
            Place(at.part, score.decode(), _text(id))
            for id, score in zip(reply[::2], reply[1::2], strict=True)
        ]
        return page[::-1] if newest else page

    def _leased(self, newest: bool, last: Place | None) -> Iterator[dict[str, Place]]:
        # All are loaded first: they are few, and in no order.
        found: set[bytes] = set()
        cursor = b"0"
        while True:
            cursor, page = self._call("HSCAN", "lent", cursor, "COUNT", _PAGE)
            found.update(page[::2])
            if cursor == b"0":
                break
        ids = sorted(map(bytes.decode, _readable([*found])), reverse=newest)
        if last:
            ids = [id for id in ids if (id < last.id if newest else id > last.id)]
        for at in range(0, len(ids), _PAGE):
            yield {id: Place(0, "0", id) for id in ids[at : at + _PAGE]}


def _readable(ids: Sequence[bytes]) -> list[bytes]:
    """Return ``ids`` without those that no consumer should receive."""
    strange = {*strangers(ids)}
    return [id for id in dict.fromkeys(ids) if id not in strange]


def _bytes(id: str) -> bytes:
    return id.encode(errors="surrogateescape")


def _text(id: bytes) -> str:
    return id.decode(errors="surrogateescape")


def moment_of_score(score: bytes) -> datetime | None:
    """Return microseconds since the epoch as a moment; None if no calendar has it."""
    try:
        return _EPOCH + timedelta(microseconds=float(score))
    except (ValueError, OverflowError):  # no calendar has that date
        return None


def _snapshot(row: list[Any], data: bool) -> Snapshot:
    id, state, score, owner, attempts, crashes, redeliveries, offers, error, payload, lane = row
    name: StateName = state.decode()
    return Snapshot(
        id=id.decode(),
        state=name,
        data=payload if data else None,
        due=moment_of_score(score) if name == "delayed" else None,
        died=moment_of_score(score) if name == "dead" else None,
        attempts=attempts,
        crashes=crashes,
        redeliveries=redeliveries,
        offers=offers,
        error=text_of(error),
        owner=int(owner) if owner.isdigit() else None,
        lane=text_of(lane),
    )
