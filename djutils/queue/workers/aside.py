"""Putting aside messages of paused commands, so that what was sent after them does not wait behind them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from djutils.queue import codec
from djutils.queue.command_pauses import error_of
from djutils.queue.message import Action, Delivery, Outcome

from .feed import Feed
from .paused_commands import digest_of


def put_aside(feed: Feed, deliveries: Sequence[Delivery], paused: Collection[bytes]) -> list[Delivery]:
    """Put aside, with the next ``settle()``, those of ``deliveries`` whose commands are ``paused``; return the others."""
    others = []
    digests: dict[str, bytes] = {}
    for delivery in deliveries:
        try:
            message = codec.decode(delivery.data, feed.channel.name)
        except Exception:  # noqa: BLE001  (the run meets it again, and decides what becomes of the delivery)
            others.append(delivery)
            continue
        name = message.command
        if name not in digests:
            digests[name] = digest_of(feed.channel.name, name)
        if digests[name] not in paused:
            others.append(delivery)
            continue
        lane = message.lane if feed.channel.leased and message.extras_json else None
        error = error_of(name, delivery.error)
        told = Outcome(Action.ASIDE, feed.channel.put_aside_for, error, lane=lane.name if lane else "")
        feed.put_aside(delivery, told)
    return others
