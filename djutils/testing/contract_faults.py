"""What a backend guarantees when a call fails halfway: nothing is lost, and nothing is lent twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from itertools import count as counter
from typing import Any

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import BackendError
from djutils.queue.ids import new_id
from djutils.queue.message import Delivery, Envelope, Rejection, Retrial, Stats
from djutils.testing.contract_fixtures import LeaseFixtures, ids_of
from djutils.testing.contract_queue import until

SOON = 0.001


@dataclass
class Scene:
    """A queue with messages in every state, and the messages that may be missing in the end."""

    queue: LeasedQueue
    owner: int
    lent: list[str]
    dead: list[str]
    sent: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    """Ids that the call was meant to remove."""
    fresh: list[Envelope] = field(default_factory=list)

    def draft(self, **options: Any) -> list[Envelope]:
        """Return envelopes for the call to send; in the end they are sent again, and must be there."""
        self.fresh = [Envelope(new_id(), b"fresh", **options) for _ in range(3)]
        return self.fresh

    def take(self, ids: Sequence[str]) -> Sequence[str]:
        """Return ``ids``, which the call is meant to remove."""
        self.gone.update(ids)
        return ids


def _read(scene: Scene) -> None:
    if data := scene.queue.read():
        scene.gone.add(data.decode())


def _flush(scene: Scene) -> None:
    scene.take([*scene.sent])
    scene.queue.flush()


def _replace(scene: Scene) -> None:
    queue, waiting, instead = scene.queue, *scene.draft()[:2]
    queue.send_unique(waiting, "key", "done")
    queue.send_unique(instead, "key", "done", lambda id: b"instead")


CALLS: dict[str, Callable[[Scene], object]] = {
    "send": lambda scene: scene.queue.send(scene.draft()),
    "send with priority": lambda scene: scene.queue.send(scene.draft(priority=3)),
    "send later": lambda scene: scene.queue.send(scene.draft(delay=SOON)),
    "send once": lambda scene: scene.queue.send_once("key", scene.draft()[0]),
    "send unique": lambda scene: scene.queue.send_unique(scene.draft()[0], "key", "done"),
    "replace": _replace,
    "receive": lambda scene: scene.queue.receive(scene.owner, 3, scene.take(scene.lent[:1])),
    "receive all": lambda scene: scene.queue.receive(scene.owner, 100),
    "read": _read,
    "adopt": lambda scene: scene.queue.adopt(scene.owner, scene.lent[:1]),
    "ack": lambda scene: scene.queue.ack(scene.owner, scene.take(scene.lent[:2])),
    "release": lambda scene: scene.queue.release(scene.owner, scene.lent[:3]),
    "release later": lambda scene: scene.queue.release(scene.owner, scene.lent[:3], SOON),
    "retry": lambda scene: scene.queue.retry(scene.owner, [Retrial(id, 0.0, "no") for id in scene.lent]),
    "retry later": lambda scene: scene.queue.retry(scene.owner, [Retrial(id, SOON) for id in scene.lent]),
    "reject": lambda scene: scene.queue.reject(scene.owner, [Rejection(id, "no") for id in scene.lent]),
    "enroll": lambda scene: scene.queue.enroll(scene.owner + 1),
    "beat": lambda scene: scene.queue.beat([scene.owner]),
    "reap": lambda scene: scene.queue.reap(scene.owner),
    "reap with reasons": lambda scene: scene.queue.reap(
        scene.owner, running=dict.fromkeys(scene.lent, "signal 9")
    ),
    "dead letters": lambda scene: scene.queue.dead_letters(),
    "replay": lambda scene: scene.queue.replay(),
    "discard": lambda scene: scene.queue.discard(scene.take(scene.dead)),
    "flush": _flush,
    "sweep": lambda scene: scene.queue.sweep(),
}


class Failing(LeaseFixtures):
    """Every step of every call fails once. A backend defines how with ``failing``."""

    last_step = 0
    """The number of steps that should fail; 0 for as many as a call has."""

    def failing(self, queue: Any, step: int) -> AbstractContextManager[None]:
        """Make step number ``step`` (first = 1) of every call of ``queue`` fail inside the context."""
        pytest.skip(
            f"{type(queue).__name__} has no steps that can fail on their own (failing is not defined)"
        )

    @pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
    def test_a_call_that_fails_in_the_middle_loses_nothing(
        self, name: str, call: Callable[[Scene], object]
    ) -> None:
        passed = 0
        for step in range(1, self.last_step + 1) if self.last_step else counter(1):
            scene = self.scene(f"{name}-{step}")
            failed = self.fails(scene, call, step)
            self.nothing_is_lent_twice(scene)
            self.everything_ends(scene)
            passed = 0 if failed else passed + 1
            if passed == 2 and not self.last_step:
                break

    def fails(self, scene: Scene, call: Callable[[Scene], object], step: int) -> bool:
        """Return whether ``call`` failed at ``step``; then send again what it was meant to send."""
        failed = False
        with self.failing(scene.queue, step):
            try:
                call(scene)
            except BackendError:
                failed = True
        scene.queue.send(scene.fresh)
        scene.sent |= {envelope.id for envelope in scene.fresh}
        return failed

    def scene(self, name: str) -> Scene:
        queue: LeasedQueue = self.make_queue(name)
        owner = self.enroll(queue)
        (dead, failed), rest = self.send(queue, 2), self.send_ranked(queue)
        self.lend(queue, owner, 3)
        queue.reject(owner, [Rejection(dead, "no")])
        queue.retry(owner, [Retrial(failed, 0.0, "it failed")])
        lent = ids_of(queue.adopt(owner, ()))
        lent += self.lend(queue, owner, 3)
        later = self.send(queue, delay=SOON)
        until(lambda: not queue.stats().delayed, "it was due")
        return Scene(queue, owner, lent, [dead], {dead, failed, *rest, *later})

    def send_ranked(self, queue: LeasedQueue) -> list[str]:
        ranks = [0, 5, 0, -5, 0, 5, 0, -5]
        envelopes = [Envelope(new_id(), b"data", priority=rank) for rank in ranks]
        queue.send([envelope._replace(data=envelope.id.encode()) for envelope in envelopes])
        return [envelope.id for envelope in envelopes]

    def nothing_is_lent_twice(self, scene: Scene) -> None:
        queue, other = scene.queue, self.enroll(scene.queue)
        lent = self.lend(queue, other)
        assert len(lent) == len(set(lent))
        assert queue.held(scene.owner, lent) == set()

    def everything_ends(self, scene: Scene) -> None:
        queue = scene.queue
        for owner in queue.owners():
            queue.reap(owner, running={})
        until(lambda: not queue.sweep(60.0), "all that was lost was found")
        owner, ran = self.enroll(queue), set[str]()
        while sum(queue.stats()[:2]):
            batch: list[Delivery] = queue.receive(owner, 4).deliveries
            ran |= queue.ack(owner, ids_of(batch))
        queue.sweep(60.0)
        dead = {letter.id for letter in queue.dead_letters()}
        assert scene.sent - scene.gone - ran - dead == set()
        assert queue.stats() == Stats(dead=len(dead))
        queue.reap(owner)
        with suppress(BackendError):
            queue.discard()
        queue.close()
