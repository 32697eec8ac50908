"""Random sequences of calls, from several owners, compared with the model of the contract. Needs Hypothesis.

::

    from djutils.testing.contract import LeasedQueueContract
    from djutils.testing.contract_machine import ModelContract

    class TestMyQueue(LeasedQueueContract, ModelContract):
        def make_queue(self, name="contract"):
            return MyQueue(name, "somewhere")

The calls are always the same, unless the environment says otherwise: ``DJUTILS_PROPERTY_SEED=7`` for others,
``DJUTILS_PROPERTY_STEPS=20000`` for more. A failure is printed as the shortest sequence that fails;
finding it may take minutes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from itertools import count as counter
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import OwnerLost
from djutils.queue.ids import new_id
from djutils.queue.message import DeadLetter, Envelope, Rejection, Retrial, Snapshot
from djutils.testing.contract_fixtures import keeps_keys
from djutils.testing.contract_model import Held, Model
from djutils.testing.contract_queue import until

STEPS = int(os.environ.get("DJUTILS_PROPERTY_STEPS", "1000"))
SEED = int(os.environ.get("DJUTILS_PROPERTY_SEED", "0"))
STEPS_AT_ONCE = 100
OWNERS = 3
HOUR = 3600.0
SOON = 0.01
CLOCKS = 0.005
"""How much the clocks of backend and test may differ during a delay, in seconds."""
OTHERS, UNHEARD_OF = 6, 9
ALL = 1000
MANY = 20

number = st.integers(0, UNHEARD_OF)
"""Which message: see ``QueueMachine.pick``."""
numbers = st.lists(number, min_size=1, max_size=5) | st.just([*range(OTHERS)])
owner_number = st.just(0) | st.integers(0, OWNERS - 1)
"""Which owner: see ``QueueMachine.owner``."""
delays = st.sampled_from([0.0, HOUR, 0.0, HOUR, 0.0, HOUR, SOON])
priorities = st.sampled_from([0, 0, 0, 0, 0, 1, -1, 100, -100])


class Draft(NamedTuple):
    """An envelope to send; with ``again``, under the id of another message."""

    again: int | None
    delay: float
    priority: int


again = st.sampled_from([*[None] * 20, *range(UNHEARD_OF + 1)])
draft = st.builds(Draft, again, st.just(0.0) | delays, priorities)


CALLS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "send": {"drafts": st.lists(draft, min_size=1, max_size=5)},
    "send_once": {"key": st.sampled_from(["a", "b", "c"]), "draft": draft},
    "write": {},
    "receive": {
        "number": owner_number,
        "count": st.sampled_from([3, 1, 2, 5, 0, ALL]),
        "done": st.just([]) | numbers,
        "lost": st.sampled_from([False, False, False, True]),
    },
    "read": {},
    "settle": {
        "how": st.sampled_from(["ack", "release", "retry", "reject"]),
        "number": owner_number,
        "numbers": numbers,
        "delay": delays,
        "charge": st.integers(0, 2),
    },
    "adopt": {"number": owner_number, "known": numbers},
    "enroll": {"number": owner_number},
    "beat": {"numbers": st.lists(owner_number, max_size=4)},
    "reap": {
        "number": owner_number,
        "missed": st.none() | st.integers(0, 1),
        "ran": st.none() | numbers,
        "again": st.just(True) | st.booleans(),
    },
    "dead_letters": {"numbers": numbers, "count": st.integers(0, 3)},
    "empty": {"how": st.sampled_from(["replay", "discard"]), "numbers": st.none() | numbers},
    "flush": {},
    "count": {},
}
OFTEN = ["send", "receive", "receive", "receive", "settle", "settle", "settle", "reap"]
calls = st.sampled_from([*CALLS, *OFTEN]).flatmap(
    lambda method: st.tuples(st.just(method), st.fixed_dictionaries(CALLS[method]))
)


class QueueMachine(RuleBasedStateMachine):
    """One queue, its model, and the calls made on both. Owners that die simply never return."""

    def __init__(self, make_queue: Callable[[str], LeasedQueue], *, prompt: bool) -> None:
        super().__init__()
        name = f"contract-{new_id()}"
        self.queue, self.worker = make_queue(name), make_queue(name)
        self.worker.open()
        self.model = Model(prompt=prompt)
        self.owners = [new_owner() for _ in range(OWNERS)]
        for owner in self.owners[1:]:
            self.queue.enroll(owner)
            self.model.enroll(owner)
        self.sent: list[str] = []
        self.written: dict[bytes, str] = {}
        self.lot = counter(1)

    def teardown(self) -> None:
        for owner in self.owners:
            self.queue.reap(owner)
        self.queue.flush()
        self.queue.close()
        self.worker.close()

    # One rule that chooses, not a rule for each call: Hypothesis would leave out half of the rules in each run.
    @rule(call=calls)
    def act(self, call: tuple[str, dict[str, Any]]) -> None:
        method, args = call
        getattr(self, method)(**args)

    # What the numbers mean

    def pick(self, numbers: Sequence[int], first: Sequence[str] = ()) -> list[str]:
        """Return ids: those of ``first``, from ``OTHERS`` on the latest sent ones, and one that was never sent."""
        others = [id for id in self.sent[::-1] if id not in first]
        ids = []
        for n in numbers:
            known = others if n >= OTHERS or not first else first
            ids.append(known[n % len(known)] if known and n != UNHEARD_OF else new_id())
        return ids

    def owner(self, number: int) -> int:
        """Return an owner: enrolled ones come first, the one that holds the most before the others."""
        return sorted(self.owners, key=lambda it: (it not in self.model.beats, -len(self.held(it))))[number]

    def held(self, owner: int) -> list[str]:
        return [delivery.id for delivery in self.model.adopt(owner)]

    def dead(self) -> list[str]:
        return [kept.id for kept in self.model.dead()]

    def data(self) -> bytes:
        return b"%d \x00\xff" % next(self.lot)

    def envelope(self, draft: Draft) -> Envelope:
        id = new_id() if draft.again is None else self.pick([draft.again])[0]
        if id not in self.sent:
            self.sent.append(id)
        rank = draft.priority if self.queue.supports_priority else 0
        return Envelope(id, self.data(), self.held_back(draft.delay), rank)

    def held_back(self, seconds: float) -> float:
        return seconds if self.queue.supports_delay else 0.0

    # In

    def send(self, drafts: list[Draft]) -> None:
        envelopes = [self.envelope(draft) for draft in drafts]
        self.queue.send(envelopes)
        self.model.send(envelopes)

    def send_once(self, key: str, draft: Draft) -> None:
        if not keeps_keys(self.queue):
            return
        envelope = self.envelope(draft)
        assert self.queue.send_once(key, envelope) == self.model.send_once(key, envelope)

    def write(self) -> None:
        data = self.data()
        self.queue.write(data)
        self.written[data] = data.hex()
        self.model.send([Envelope(data.hex(), data)])

    # Out

    def receive(self, number: int, count: int, done: list[int], lost: bool) -> None:
        owner = self.owner(number)
        ids = self.pick(done, self.held(owner))
        if owner not in self.model.beats:
            with pytest.raises(OwnerLost):
                self.worker.receive(owner, count, ids)
            return
        late = set(ids) - self.model.ack(owner, ids)
        batch = self.worker.receive(owner, count, ids)
        deliveries = self.worker.adopt(owner, self.held(owner)) if lost else batch.deliveries
        for delivery in deliveries:
            self.meet(delivery.id, delivery.data)
        lent = self.model.lend(owner, count, [delivery.id for delivery in deliveries], in_order=not lost)
        assert deliveries == lent
        assert lost or batch.late == late

    def meet(self, id: str, data: bytes) -> None:
        if data in self.written:
            self.model.name(self.written.pop(data), id)
            self.sent.append(id)

    def read(self) -> None:
        data = self.queue.read()
        if data is None:
            assert self.model.stats().ready == 0
        else:
            self.model.read(data)
            self.written.pop(data, None)

    def adopt(self, number: int, known: list[int]) -> None:
        owner = self.owner(number)
        ids = self.pick(known, self.held(owner))
        assert sorted(self.worker.adopt(owner, ids)) == sorted(self.model.adopt(owner, ids))

    def settle(self, how: str, number: int, numbers: list[int], delay: float, charge: int) -> None:
        owner = self.owner(number)
        ids, delay = self.pick(numbers, self.held(owner)), self.held_back(delay)
        args: dict[str, list[Any]] = {
            "ack": [ids],
            "release": [ids, delay],
            # If an id is given twice the first one counts: after that it is no longer the owner's.
            "retry": [[Retrial(id, 0.0 if at else delay, f"no {at}") for at, id in enumerate(ids)]],
            "reject": [[Rejection(id, f"never {at}", charge) for at, id in enumerate(ids)]],
        }
        settled = getattr(self.worker, how)(owner, *args[how])
        assert settled == getattr(self.model, how)(owner, *args[how])

    # Owners

    def enroll(self, number: int) -> None:
        owner = self.owner(number)
        self.queue.enroll(owner)
        self.model.enroll(owner)

    def beat(self, numbers: list[int]) -> None:
        owners = [self.owner(number) for number in numbers]
        assert self.queue.beat(owners) == self.model.beat(owners)

    def reap(self, number: int, missed: int | None, ran: list[int] | None, again: bool) -> None:
        owner = self.owner(number)
        beats = None if missed is None else self.model.beats.get(owner, 0) - missed
        running = None if ran is None else dict.fromkeys(self.pick(ran, self.held(owner)), "signal 9")
        assert self.queue.reap(owner, beats, running) == self.model.reap(owner, beats, running)
        if again:
            self.queue.enroll(owner)
            self.model.enroll(owner)

    # Dead letters, and the whole queue

    def dead_letters(self, numbers: list[int], count: int) -> None:
        letters, ids = self.queue.dead_letters(count=ALL), self.pick(numbers, self.dead())
        assert [tell(letter) for letter in letters] == [tell(kept) for kept in self.in_turn(letters)]
        assert self.queue.dead_letters(count=count) == letters[:count]
        assert self.queue.dead_letters(ids) == [letter for letter in letters if letter.id in ids]

    def in_turn(self, letters: Sequence[DeadLetter]) -> list[Held]:
        """Return the model's dead letters, newest first; those of the same moment in the order they were listed."""
        order = {letter.id: (letter.died, -at) for at, letter in enumerate(letters)}
        dead = self.model.dead()
        assert order.keys() == {kept.id for kept in dead}
        for newer, older in pairwise(dead):
            assert newer.died == older.died or order[newer.id][0] >= order[older.id][0]
        return sorted(dead, key=lambda kept: order[kept.id], reverse=True)

    def empty(self, how: str, numbers: list[int] | None) -> None:
        ids = None if numbers is None else self.pick(numbers, self.dead())
        assert getattr(self.queue, how)(ids) == getattr(self.model, how)(ids)

    def flush(self) -> None:
        if len(self.model.messages) < MANY:
            return  # otherwise there would rarely be any messages
        self.queue.flush()
        self.model.flush()
        self.written.clear()

    def count(self) -> None:
        stats = self.model.stats()
        assert len(self.queue) == stats.ready + stats.delayed
        assert self.queue.owners() == self.model.beats
        if self.queue.supports_peek:
            pages = (self.queue.peek(state, count=10_000, data=True) for state in self.queue.states)
            seen = [one for page in pages for one in page]
            for one in seen:
                self.meet(one.id, one.data or b"")
            assert sorted(map(shown, seen)) == sorted(map(shown, self.model.messages.values()))

    @invariant()
    def it_counts_what_the_model_counts(self) -> None:
        if self.model.fall_due():
            begun = time.monotonic()
            until(lambda: time.monotonic() - begun > SOON + CLOCKS, "it was due")
        assert self.queue.stats() == self.model.stats()


def tell(dead: DeadLetter | Held) -> tuple[Any, ...]:
    return dead.id, dead.data, dead.error, dead.attempts, dead.crashes, dead.redeliveries


def shown(message: Snapshot | Held) -> tuple[Any, ...]:
    return message.id, message.state, message.data, message.owner or 0, message.attempts, message.error


class ModelContract:
    """For any ``LeasedQueue``: every call returns what the model returns, whatever came before."""

    prompt = True
    """Whether a message takes its place the moment it is due. If not, a full batch may overlook it."""

    def make_queue(self, name: str = "contract") -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define make_queue(name).")

    def test_it_answers_as_the_model_does(self) -> None:
        make_queue, prompt = self.make_queue, self.prompt

        @seed(SEED)
        class Machine(QueueMachine):
            def __init__(self) -> None:
                super().__init__(make_queue, prompt=prompt)

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=max(1, STEPS // STEPS_AT_ONCE),
                stateful_step_count=STEPS_AT_ONCE,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
