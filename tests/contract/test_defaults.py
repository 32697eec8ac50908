"""What ``LeasedQueue`` makes of the methods that a backend must define."""

from __future__ import annotations

import inspect

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import BackendUnavailable
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Stats
from djutils.testing.contract import LeasedQueueContract
from djutils.testing.contract_machine import ModelContract
from tests.contract.mandatory import MANDATORY, Dying, MandatoryQueue, MandatoryQueueWithStore


class TestDefaults(LeasedQueueContract, ModelContract):
    def make_queue(self, name: str = "contract") -> MandatoryQueue:
        return MandatoryQueue(name)


class TestDefaultsBesideAStore(LeasedQueueContract, ModelContract):
    def make_queue(self, name: str = "contract") -> MandatoryQueueWithStore:
        return MandatoryQueueWithStore(name)


@pytest.mark.parametrize("method", MANDATORY)
def test_a_method_that_is_missing_says_so(method: str) -> None:
    call = getattr(LeasedQueue("unit"), method)
    needed = [
        None for one in inspect.signature(call).parameters.values() if one.default is inspect.Parameter.empty
    ]
    with pytest.raises(NotImplementedError, match=rf"^LeasedQueue must define {method}\("):
        call(*needed)
    assert f"``{method}``" in (LeasedQueue.__doc__ or "")


def test_what_a_caller_died_before_sending_is_sent_by_the_next_with_its_key() -> None:
    name = f"contract-{new_id()}"
    queue = MandatoryQueueWithStore(name)
    with pytest.raises(BackendUnavailable):
        Dying(name).send_once("key", Envelope("first", b"first", 60.0))
    assert queue.stats() == Stats()

    assert not queue.send_once("key", Envelope("second", b"second"))
    assert queue.stats() == Stats(delayed=1)
    assert not queue.send_once("key", Envelope("third", b"third"))
    assert queue.stats() == Stats(delayed=1)


def test_without_a_store_every_caller_sends() -> None:
    queue = MandatoryQueue(f"contract-{new_id()}")

    assert [queue.send_once("key", Envelope(new_id(), b"data")) for _ in range(2)] == [True, True]
    assert len(queue) == 2
