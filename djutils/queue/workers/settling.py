"""Settling: every outcome comes to an end, also one that the store refuses.

What is refused in a batch is settled one by one; what is refused alone is settled with its error
text in ASCII, then without it. What is refused even then is held and tried again a few times, and
becomes a dead letter that says why.
"""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

from djutils.queue.exceptions import BackendError, BackendUnavailable, OwnerLost
from djutils.queue.message import Action, Delivery, Outcome

from .channel import Channel, Settled
from .texts import bearable

logger = logging.getLogger("djutils.queue.workers.settling")

_TRIES = 5
_TRIES_IF_UNCLEAR = 12
"""What looks like an outage, although the store answers, may be a lock that will be released."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_NONE_PASSES = 3
"""So many refused in a row, and none accepted: it is the store, not they."""


class Refused(NamedTuple):
    """An outcome that the store did not take, and when to try it again."""

    delivery: Delivery
    outcome: Outcome
    tries: int
    due: float
    """By the monotonic clock."""
    why: BackendError

    @property
    def is_unclear(self) -> bool:
        """Whether it looked like an outage: the message may be locked for a while."""
        return isinstance(self.why, BackendUnavailable)


class Settling:
    """Carries the outcomes of one queue to its store."""

    def __init__(self) -> None:
        self.waiting: list[Settled] = []
        """What is to be settled next."""
        self.refused: list[Refused] = []
        """What the store refused, to be tried again."""
        self.settled: list[str] = []
        """Ids the store has noted; the caller takes them off."""
        self._failed = False

    @property
    def may_still_pass(self) -> bool:
        """Whether something is refused that time alone may settle."""
        return any(one.is_unclear and one.tries < _TRIES_IF_UNCLEAR for one in self.refused)

    def carry_out(self, channel: Channel) -> None:
        """Settle what waits, and what is to be tried again by now.

        Raises ``BackendUnavailable`` if the store does not answer or settles nothing at all. What
        was not settled is kept.
        """
        if self.waiting:
            self._one_by_one(channel) if self._failed else self._batch(channel)
        if self.refused:
            now = time.monotonic()
            for one in [one for one in self.refused if one.due <= now]:
                self._again(channel, one)

    def finally_refused(self, channel: Channel) -> dict[str, str]:
        """Try what was refused once more; return id -> why for what still is.

        What may only have met a lock is not made a dead letter for it.
        """
        for one in list(self.refused):
            self._again(channel, one._replace(tries=0 if one.is_unclear else _TRIES))
        return {one.delivery.id: str(one.why) for one in self.refused}

    def _batch(self, channel: Channel) -> None:
        ids = [delivery.id for delivery, _ in self.waiting]
        try:
            channel.settle(self.waiting)
        except (BackendUnavailable, OwnerLost):
            self._failed = True  # if it was no outage, the next try finds out which one is to blame
            raise
        except BackendError:
            self._one_by_one(channel)
        else:
            self.settled += ids

    def _one_by_one(self, channel: Channel) -> None:
        """Settle what waits, each alone, so that one that is refused does not hold up the others."""
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
                "%s %s here, but the store refuses to note it: %s This worker holds it and tries again.",
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
    """Settle one outcome, with as much of its text as the store takes; return why it refused all of it.

    Raises ``BackendUnavailable`` if the store does not answer at all, ``OwnerLost`` if nothing is ours.
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
                channel.probe()  # raises if it is the store and not this message
        else:
            return None
    return refusal


def _unsettled(one: Refused) -> str:
    headline = f"It {one.outcome.action.value} here, but the store refused to note it: {one.why}"
    return f"{headline}\n\n{one.outcome.error}".rstrip()
