"""The values that travel."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from djutils.queue.ids import new_id
from djutils.queue.message import DeadLetter, Message


def test_an_id_is_a_uuid_of_version_7() -> None:
    for parsed in [uuid.UUID(new_id()), uuid.UUID(new_id(0)), uuid.UUID(new_id(2**48 - 1))]:
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)


def test_an_id_is_32_small_hexadecimal_digits_even_at_the_epoch() -> None:
    assert len(new_id(0)) == 32
    assert set(new_id()) <= set("0123456789abcdef")


def test_ids_do_not_repeat() -> None:
    assert len({new_id(0) for _ in range(2000)}) == 2000


def test_ids_sort_by_time() -> None:
    ids = [new_id(milliseconds) for milliseconds in (1, 2, 1_700_000_000_000, 1_700_000_000_001)]
    assert sorted(ids) == ids
    assert int(ids[2][:12], 16) == 1_700_000_000_000


def test_ids_of_the_same_millisecond_sort_too() -> None:
    ids = [new_id() for _ in range(500)]
    # Its resolution is a quarter of a microsecond, so that neighbours may change places.
    assert [id[:15] for id in sorted(ids)] == [id[:15] for id in ids]


def test_a_message_says_when_it_was_enqueued() -> None:
    message = Message("id", "name", "queue", 0.5, b"")
    assert message.enqueued_at == datetime(1970, 1, 1, 0, 0, 0, 500_000, UTC)


def test_a_message_cannot_be_changed() -> None:
    message = Message("id", "name", "queue", 0.5, b"")
    with pytest.raises(AttributeError):
        message.command = "another"  # type: ignore[misc]


def test_the_reason_of_a_dead_letter_is_the_first_line_of_its_error() -> None:
    letter = DeadLetter("id", b"", "ValueError: no\n\nTraceback ...", datetime.now(UTC))
    assert letter.reason == "ValueError: no"
    assert DeadLetter("id", b"", "", datetime.now(UTC)).reason == ""
