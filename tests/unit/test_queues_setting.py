"""``QUEUES``: single queues in other stores than the project's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from djutils.checks import check_backend, check_names, check_values
from djutils.queue import conf
from djutils.queue.backends import queues
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.bin import status
from djutils.queue.bin.introduction import have_leases, introduce
from djutils.queue.bin.options import Options
from djutils.queue.exceptions import ConfigurationError, QueueException
from djutils.queue.inspecting import known_queues
from djutils.queue.workers.options import ConsumerOptions
from djutils.testing import assert_enqueued, enqueued

from .commands_for_tests import record
from .helpers import ListQueue

MEMORY = "djutils.queue.backends.memory.MemoryQueue"


@pytest.fixture
def side(memory: MemoryQueue, settings: Settings) -> ListQueue:
    """The queue 'side' is a ListQueue; everything else is in memory."""
    settings.QUEUES = {"side": {"BACKEND": "tests.unit.helpers.ListQueue"}}
    queue = queues["side"]
    assert isinstance(queue, ListQueue)
    queue.flush()
    return queue


def test_a_listed_queue_is_there_and_every_other_one_where_the_flat_settings_say(
    memory: MemoryQueue, side: ListQueue
) -> None:
    record.using(queue_name="side")(1)
    record(2)
    record.using(queue_name="third")(3)

    assert (len(side), len(memory), len(queues["third"])) == (1, 1, 1)
    assert isinstance(queues["third"], MemoryQueue)


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"BACKEND": "a.B", "CONNECTION": "there"}, ("a.B", "there")),
        ({"BACKEND": "a.B"}, ("a.B", "")),
        ({"CONNECTION": "there"}, (MEMORY, "there")),
        ({}, (MEMORY, "here")),
    ],
)
def test_what_an_entry_leaves_out(memory: MemoryQueue, settings: Settings, entry: Any, place: Any) -> None:
    settings.QUEUE_CONNECTION = "here"
    settings.QUEUES = {"side": entry}

    assert conf.settings.place_of("side") == place
    assert conf.settings.place_of("other") == (MEMORY, "here")


def test_what_a_backend_cannot_do_is_refused_for_its_own_queues_only(
    memory: MemoryQueue, side: ListQueue
) -> None:
    record.using(priority=5)(1)
    with pytest.raises(QueueException, match="ListQueue has no priorities"):
        record.using(priority=5, queue_name="side")(1)


def test_listed_queues_are_looked_into_and_found_by_tests(memory: MemoryQueue, side: ListQueue) -> None:
    record.using(queue_name="side")(1)

    assert side in known_queues(None)
    assert len(enqueued()) == 1
    assert_enqueued(record, 1)


@pytest.mark.parametrize(
    "value",
    [
        ["side"],
        {"side": MEMORY},
        {"side": {"BACKEND": MEMORY, "NAME": "x"}},
        {5: {"BACKEND": MEMORY}},
    ],
)
def test_an_invalid_setting_is_found_by_the_check_and_refused_at_the_call(
    memory: MemoryQueue, settings: Settings, value: Any
) -> None:
    settings.QUEUES = value

    (found,) = check_values(None)
    with pytest.raises(ConfigurationError, match="QUEUES must be a dictionary from the names of queues"):
        record(1)

    assert found.id == "djutils.E002"
    assert "QUEUES must be a dictionary" in found.msg


def test_the_check_names_the_queue_whose_backend_cannot_be_loaded(
    memory: MemoryQueue, settings: Settings
) -> None:
    settings.QUEUES = {"side": {"BACKEND": "djutils.queue.backends.memory.MemoryQueu"}}

    (found,) = check_backend(None)

    assert found.id == "djutils.E001"
    assert found.msg.startswith("QUEUES['side']: QUEUE_BACKEND cannot be imported; did you mean")
    record(1)  # the others work


def test_it_is_a_known_setting(side: ListQueue) -> None:
    assert check_names(None) == []


def test_a_consumer_says_where_each_of_its_queues_is(
    memory: MemoryQueue, side: ListQueue, log: pytest.LogCaptureFixture
) -> None:
    consumer = ConsumerOptions(queues=["third", "side", memory.name])

    introduce(consumer, Options("run", consumer), ())

    assert f"Queues: third, {memory.name}; MemoryQueue: at least once." in log.text
    assert "Queues: side; ListQueue: at most once under a kill" in log.text
    assert not have_leases(consumer.queues)
    assert have_leases(["third"])


class TwiceAtMost(MemoryQueue):
    """A project's own backend, which promises less."""

    guarantee = "twice at most"


def test_a_backend_says_what_it_guarantees_at_the_start_and_in_the_status(
    memory: MemoryQueue, settings: Settings, log: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    settings.QUEUE_BACKEND = f"{__name__}.TwiceAtMost"
    settings.QUEUES = {"side": {"BACKEND": "tests.unit.helpers.ListQueue"}}
    consumer = ConsumerOptions(queues=("own", "side"))

    introduce(consumer, Options("run", consumer), ())
    (side,) = status.report(None, tmp_path / "none.pid", ["side"], 0.0)["queues"]

    assert "Queues: own; TwiceAtMost: twice at most." in log.text
    assert side["guarantee"].startswith("at most once under a kill")
    assert TwiceAtMost.guarantee != MemoryQueue.guarantee == "at least once"
