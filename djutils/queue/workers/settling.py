"""Settling: every outcome is settled in the end, even one that the store refuses.

A refused batch is settled one by one; an outcome that is refused alone is settled with its error
text in ASCII, then without it. If it is refused even then, it is held, retried a few times, and
becomes a dead letter that records why.
"""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

from djutils.queue.backends.channel import Channel, Settled
from djutils.queue.backends.texts import bearable
from djutils.queue.exceptions import BackendError, BackendUnavailable, OwnerLost
from djutils.queue.message import Action, Delivery, Outcome

logger = logging.getLogger("djutils.queue.workers.settling")

_TRIES = 5
_TRIES_IF_UNCLEAR = 12
"""Tries for an outcome that looks like an outage although the store responds: it may meet a lock."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_NONE_PASSES = 3
"""If this many are refused in a row, and none accepted, the store is at fault, not the outcomes."""


class Refused(NamedTuple):
    """An outcome that the store refused, and when to retry it."""

    delivery: Delivery
    outcome: Outcome
    tries: int
    due: float
    """By the monotonic clock."""
    why: BackendError

    @property
    def is_unclear(self) -> bool:
        """Whether it looked like an outage: the message may be locked for some time."""
        return isinstance(self.why, BackendUnavailable)


class Settling:
    """Settles the outcomes of one queue."""

    def __init__(self) -> None:
        self.waiting: list[Settled] = []
        """Outcomes to be settled next."""
        self.refused: list[Refused] = []
        """Outcomes that the store refused, to be retried."""
        self.settled: list[str] = []
        """Ids that are settled; the caller removes them."""
        self._failed = False

    @property
    def may_still_pass(self) -> bool:
        """Whether an outcome was refused that may be accepted later."""
        return any(one.is_unclear and one.tries < _TRIES_IF_UNCLEAR for one in self.refused)

    def carry_out(self, channel: Channel) -> None:
        """Settle what waits, and retry what is due.

        Raises ``BackendUnavailable`` if the store does not respond or settles nothing at all. Unsettled
        outcomes are kept.
        """
        if self.waiting:
            self._one_by_one(channel) if self._failed else self._batch(channel)
        if self.refused:
            now = time.monotonic()
            for one in [one for one in self.refused if one.due <= now]:
                self._again(channel, one)

    def finally_refused(self, channel: Channel) -> dict[str, str]:
        """Retry refused outcomes once more; return id -> why for those that are still refused.

        An outcome that may only have met a lock does not become a dead letter.
        """
        for one in list(self.refused):
            self._again(channel, one._replace(tries=0 if one.is_unclear else _TRIES))
        return {one.delivery.id: str(one.why) for one in self.refused}

    def _batch(self, channel: Channel) -> None:
        ids = [delivery.id for delivery, _ in self.waiting]
        try:
            channel.settle(self.waiting)
        except (BackendUnavailable, OwnerLost):
            self._failed = True  # if it was not an outage, the next try finds out which one is to blame
            raise
        except BackendError:
            self._one_by_one(channel)
        else:
            self.settled += ids

    def _one_by_one(self, channel: Channel) -> None:
        """Settle waiting outcomes one by one, so that a refused one does not hold up the others."""
        passed, refusals = False, 0
        while self.waiting:
            delivery, outcome = self.waiting[0]
            refusal = settle_alone(channel, delivery, outcome)
            self.waiting.pop(0)
            if refusal is None:
                passed = True
                self.settled.append(delivery.id)
                continue
            self._keep(delivery, outcome, 1, refusal)
            refusals += 1
            if refusals >= _NONE_PASSES and not passed:
                raise BackendUnavailable(str(refusal)) from refusal
        self._failed = False

    def _keep(self, delivery: Delivery, outcome: Outcome, tries: int, why: BackendError) -> None:
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (tries - 1))
        self.refused.append(Refused(delivery, outcome, tries, time.monotonic() + pause, why))
        if tries == 1:
            logger.error(
                "%s %s here, but the store refuses to record it: %s This worker keeps it and retries.",
                delivery.id,
                outcome.action.value,
                why,
            )

    def _again(self, channel: Channel, one: Refused) -> None:
        outcome = one.outcome
        most = _TRIES_IF_UNCLEAR if one.is_unclear else _TRIES
        if one.tries >= most and outcome.action is not Action.REJECT:
            outcome = Outcome(Action.REJECT, error=_unsettled(one), charge=outcome.charge)
        refusal = settle_alone(channel, one.delivery, outcome)
        self.refused = [kept for kept in self.refused if kept.delivery is not one.delivery]
        if refusal is not None:
            self._keep(one.delivery, one.outcome, one.tries + 1, refusal)
            return
        self.settled.append(one.delivery.id)
        if outcome is not one.outcome:
            logger.error("%s is now a dead letter: the store kept refusing to settle it.", one.delivery.id)


def settle_alone(channel: Channel, delivery: Delivery, outcome: Outcome) -> BackendError | None:
    """Settle one outcome, with as much of its text as the store accepts; return why it was refused, if it was.

    Raises ``BackendUnavailable`` if the store does not respond at all, ``OwnerLost`` if the owner was removed.
    """
    refusal: BackendError | None = None
    for text in bearable(outcome.error):
        try:
            channel.settle([(delivery, outcome._replace(error=text))])
        except OwnerLost:
            raise
        except BackendError as error:
            refusal = error
            if isinstance(error, BackendUnavailable):
                channel.probe()  # raises if the store is at fault and not this message
        else:
            return None
    return refusal


def _unsettled(one: Refused) -> str:
    headline = f"It {one.outcome.action.value} here, but the store refused to record it: {one.why}"
    return f"{headline}\n\n{one.outcome.error}".rstrip()
