"""Messages that hold a key in Redis: the key is a field of one hash, and one script looks at its holder and sends."""

from __future__ import annotations

from collections.abc import Callable

from djutils.queue.backends.lanes import microseconds, stored_lane
from djutils.queue.backends.redis_lanes import RedisLaning, fields_of
from djutils.queue.message import Envelope, Lane, Placement, Until
from djutils.queue.stores.base import stored_key

_NOWHERE = ("", 0, 0, 0, 0)


class RedisUnique(RedisLaning):
    """``send_unique``."""

    supports_unique = True

    def send_unique(
        self,
        envelope: Envelope,
        key: str,
        until: Until,
        replace: Callable[[str], bytes] | None = None,
        lane: Lane | None = None,
    ) -> Placement:
        field = stored_key("unique", key)
        duration = until if isinstance(until, str) else microseconds(until)
        placed = _NOWHERE if lane is None else fields_of(stored_lane(lane))
        packed = envelope.id, envelope.data, microseconds(envelope.delay), envelope.priority, *placed
        waiting: tuple[str, bytes] | tuple[()] = () if replace is None else ("?", b"")
        while True:
            id, how = self._run("send_unique", field, duration, *packed, *waiting, keys=(self._unique,))
            if how != b"ask" or replace is None:
                return Placement(id.decode(), how.decode())
            # Between the two calls it may be lent, or be another one: then the script says so.
            waiting = id.decode(), replace(id.decode())
