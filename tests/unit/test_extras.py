"""What a message carries beside its call: extras, also those of a release that is newer than this one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from djutils.queue import codec
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.current import Lease
from djutils.queue.exceptions import MessageTooLarge, NotUnderstood
from djutils.queue.executor import Executor
from djutils.queue.keys import site_keys
from djutils.queue.message import Action, Envelope, Message, Retrial
from djutils.queue.queue import invoker
from djutils.queue.retry import UNKNOWN
from djutils.queue.signals import command_started
from djutils.testing import drain

from .commands_for_tests import fail_at_first, record
from .helpers import ListQueue, make_message


def from_the_next_release(message: Message, **fields: Any) -> bytes:
    """Return ``message`` as a release would send it whose header has more fields."""
    data = codec.encode(message)
    size = int.from_bytes(data[codec._HEADER_AT - 2 : codec._HEADER_AT], "big")
    header = json.loads(data[codec._HEADER_AT : codec._HEADER_AT + size]) | fields
    text = json.dumps(header).encode()
    signed = data[: codec._HEADER_AT - 2] + len(text).to_bytes(2, "big") + text + message.body
    return signed + site_keys().signing.sign(signed)


def test_extras_travel_with_their_message() -> None:
    message = make_message(record, 1).with_extras(tenant="café", trace=[1, {"a": None}])
    arrived = codec.decode(codec.encode(message), "unit")
    assert arrived == message
    assert arrived.extras == {"tenant": "café", "trace": [1, {"a": None}]}
    assert arrived.with_extras(tenant=7).extras == {"tenant": 7, "trace": [1, {"a": None}]}


def test_a_message_without_extras_pays_nothing() -> None:
    plain = make_message(record, 1)
    assert codec.encode(plain.with_extras()) == codec.encode(plain)
    assert plain.extras == {}


def test_extras_are_everybodys_own() -> None:
    message = make_message(record, 1).with_extras(tags=["a"])
    message.extras["tags"].append("b")
    message.extras["more"] = 1
    assert message.extras == {"tags": ["a"]}


@pytest.mark.parametrize(
    "extras", [{"a": object()}, {"a": float("nan")}, {"a": {1, 2}}, {"command": "x"}, {"queue": 1}]
)
def test_what_cannot_travel_is_refused_where_it_is_added(extras: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        make_message(record, 1).with_extras(**extras)


def test_extras_that_are_too_large_are_refused() -> None:
    with pytest.raises(MessageTooLarge, match=r"the most is 65535; nothing was sent"):
        codec.encode(make_message(record, 1).with_extras(a="x" * 65536))


# A rolling deploy: a site of the next release sends, a consumer of this one runs.


@pytest.fixture
def started() -> Iterator[list[Message]]:
    """The messages of the commands that have started."""
    seen: list[Message] = []

    def look(message: Message, **_: Any) -> None:
        seen.append(message)

    command_started.connect(look)
    yield seen
    command_started.disconnect(look)


def test_what_a_newer_release_added_is_run_and_kept(
    memory: MemoryQueue, ran: list[Any], started: list[Message]
) -> None:
    message = make_message(record, "x", queue=memory.name)
    memory.send([Envelope(message.id, from_the_next_release(message, colour="blue", lanes=[1, 2]))])

    assert invoker.dequeue()

    assert ran == ["x"]
    assert started[0].extras == {"colour": "blue", "lanes": [1, 2]}
    # And back: what is sent again has it still.
    invoker.resend(started[0])
    (again,) = memory.peek("ready", data=True)
    assert codec.decode(again.data or b"", memory.name).extras == {"colour": "blue", "lanes": [1, 2]}


def test_a_retry_on_four_methods_keeps_it(
    four_methods: ListQueue, ran: list[Any], started: list[Message]
) -> None:
    message = make_message(fail_at_first, "x", queue=four_methods.name)
    four_methods.write(from_the_next_release(message, colour="blue"))

    drain(retries=True)

    assert ran == ["x", "x"]
    assert [(one.attempt, one.extras) for one in started] == [
        (1, {"colour": "blue"}),
        (2, {"colour": "blue"}),
    ]


def test_what_must_be_understood_is_left_to_a_consumer_that_does(memory: MemoryQueue, ran: list[Any]) -> None:
    message = make_message(record, "x", queue=memory.name)
    memory.send([Envelope(message.id, from_the_next_release(message, crit=["lane"], lane="a"))])
    owner = new_owner()
    memory.enroll(owner)
    executor = Executor(memory.name, lease=Lease(memory, owner))

    for offers in range(UNKNOWN.max_attempts):
        (delivery,) = memory.receive(owner, 1).deliveries
        outcome = executor.execute(delivery)
        assert (delivery.offers, delivery.attempts, outcome.charge) == (offers, 0, 0)
        if outcome.action is Action.RETRY:
            memory.retry(owner, [Retrial(delivery.id, 0.0, outcome.error, outcome.charge)])

    assert outcome.action is Action.REJECT
    assert "must not be run without ['lane']" in outcome.error
    assert ran == []
    memory.reap(owner)


def test_dequeue_says_what_is_not_understood(memory: MemoryQueue, ran: list[Any]) -> None:
    message = make_message(record, "x", queue=memory.name)
    memory.send([Envelope(message.id, from_the_next_release(message, crit=["lane"]))])
    with pytest.raises(NotUnderstood, match="upgrade this one"):
        invoker.dequeue()
    assert (ran, memory.stats().dead) == ([], 1)
