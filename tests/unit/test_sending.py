"""The one door from a command to a backend, for callers that send once."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import ForeignMessage, InvalidCommand, MessageTooLarge, UnsupportedOption
from djutils.queue.sending import pack
from djutils.queue.sending_unique import send_once

from .commands_for_tests import Greeting, elsewhere, note_atomically, record
from .conftest import Heard
from .helpers import ListQueue


def test_of_two_parcels_with_one_key_one_is_sent_and_announced(memory: MemoryQueue, heard: Heard) -> None:
    first, second = pack(Greeting("a"), memory), pack(Greeting("b"), memory)
    assert [send_once(memory, "key", parcel) for parcel in (first, second)] == [True, False]
    assert len(memory) == 1
    ((name, facts),) = heard
    assert (name, facts["message"], facts["sender"]) == ("command_enqueued", first.message, Greeting)


def test_a_queue_of_four_methods_takes_what_every_caller_sends(four_methods: ListQueue, heard: Heard) -> None:
    for _ in range(2):
        assert send_once(four_methods, "key", pack(Greeting("a"), four_methods))
    assert (len(four_methods), len(heard)) == (2, 2)


def test_what_cannot_be_sent_is_refused_when_it_is_packed(
    memory: MemoryQueue, four_methods: ListQueue, settings: Settings
) -> None:
    with pytest.raises(UnsupportedOption, match="has no priorities"):
        pack(elsewhere.command(1), four_methods)
    with pytest.raises(UnsupportedOption, match="is in no database"):
        pack(note_atomically.command("x"), memory)
    wrong = Greeting("x")
    wrong.priority = 1000
    with pytest.raises(InvalidCommand, match="priority=1000 of this"):
        pack(wrong, memory)
    del wrong.data  # a subclass may have it as a property
    with pytest.raises(InvalidCommand, match="priority=1000 of this"):
        pack(wrong, memory)
    settings.QUEUE_MAX_MESSAGE_SIZE = 10
    with pytest.raises(MessageTooLarge):
        pack(record.command("x"), memory)


def test_a_changed_key_signs_the_next_call(memory: MemoryQueue, settings: Settings) -> None:
    before = pack(record.command("x"), memory).envelope.data
    settings.QUEUE_SIGNING_KEYS = ["the next key of this site, as long as Django asks for"]
    after = pack(record.command("x"), memory).envelope.data

    assert codec.decode(after, memory.name).command == record.command_class.name
    with pytest.raises(ForeignMessage):
        codec.decode(before, memory.name)
