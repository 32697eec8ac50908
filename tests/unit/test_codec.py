"""A message as signed bytes: only what we signed comes back, and nothing is unpickled before."""

from __future__ import annotations

import hashlib
import hmac
import pickle
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.exceptions import ForeignMessage, InvalidMessage, NotPicklable, NotUnpicklable
from djutils.queue.keys import site_keys
from djutils.queue.message import Message

from .commands_for_tests import Bomb, Spoilt, Unpicklable

PLAIN = Message("0" * 32, "app.commands.churn", "line", 1_700_000_000.25, pickle.dumps(((1,), {}), 5))
FULL = PLAIN._replace(eta=1_700_000_060.5, priority=-7, attempt=3)

SAMPLE_KEY = "the key of the stored sample"
SAMPLE = bytes.fromhex(
    "646a7101d5d32a79018bcfe5687b7000800000000000002a41d954fc4010000041d954fc4f200000f90000000300357b2263"
    "6f6d6d616e64223a2273686f702e636f6d6d616e64732e636875726e5f64617461222c227175657565223a2273686f70227d"
    "80059517000000000000008c02c3a9944b0386947d948c04666c616794887386942ee3d55907497bc9dc6ff4e14986242da4"
    "dbef5a3aaa678825853d4d4b7776a8ed"
)
SAMPLE_MESSAGE = Message(
    id="018bcfe5687b7000800000000000002a",
    command="shop.commands.churn_data",
    queue="shop",
    created=1_700_000_000.25,
    body=codec.dump((("é", 3), {"flag": True})),
    eta=1_700_000_060.5,
    priority=-7,
    attempt=3,
)


@pytest.mark.parametrize(
    "message",
    [
        PLAIN,
        FULL,
        PLAIN._replace(eta=0.0),
        PLAIN._replace(body=b""),
        PLAIN._replace(body=bytes(range(256)) * 300),
        PLAIN._replace(command="café.commands.zählen"),
    ],
)
def test_what_was_encoded_comes_back(message: Message) -> None:
    assert codec.decode(codec.encode(message), "line") == message


def test_bytes_stored_by_version_1_are_read_forever(settings: Settings) -> None:
    settings.SECRET_KEY = SAMPLE_KEY
    message = codec.decode(SAMPLE, "shop")
    assert message == SAMPLE_MESSAGE
    assert codec.load(message.body) == (("é", 3), {"flag": True})


def test_where_blake2b_is_refused_messages_are_signed_with_hmac(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SECRET_KEY = SAMPLE_KEY
    elsewhere = codec.encode(SAMPLE_MESSAGE)

    def refuse(**options: Any) -> Any:
        raise ValueError("[digital envelope routines] unsupported")  # as OpenSSL's provider for FIPS says

    with monkeypatch.context() as restricted:
        restricted.setattr(hashlib, "blake2b", refuse)
        site_keys.cache_clear()
        assert codec.encode(SAMPLE_MESSAGE) == SAMPLE
        with pytest.raises(ForeignMessage):
            codec.decode(elsewhere, "shop")
    site_keys.cache_clear()
    assert codec.decode(elsewhere, "shop") == codec.decode(SAMPLE, "shop") == SAMPLE_MESSAGE


@pytest.mark.parametrize("message", [PLAIN, FULL])
def test_a_flipped_bit_anywhere_is_refused(message: Message) -> None:
    data = codec.encode(message)
    for at in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            with pytest.raises(InvalidMessage):
                codec.decode(bytes(damaged), "line")


def test_a_message_cut_off_anywhere_is_refused() -> None:
    data = codec.encode(PLAIN)
    for length in range(len(data)):
        with pytest.raises(InvalidMessage):
            codec.decode(data[:length], "line")
        with pytest.raises(InvalidMessage):
            codec.decode(data[len(data) - length :], "line")


def test_bytes_added_at_either_end_are_refused() -> None:
    data = codec.encode(PLAIN)
    for changed in (data + b"\0", b"\0" + data, data + data):
        with pytest.raises(InvalidMessage):
            codec.decode(changed, "line")


@pytest.mark.parametrize(
    "foreign", [b"", b"\0", b"hello", b'{"id": 1}', pickle.dumps({"task": 1}), b"dj", b"djq", b"\xff" * 400]
)
def test_foreign_bytes_are_told_from_ours(foreign: bytes) -> None:
    with pytest.raises(InvalidMessage, match="not a message of djutils"):
        codec.decode(foreign, "line")


@pytest.mark.parametrize("version", [2, 9, 255])
def test_a_future_version_asks_for_an_upgrade(version: int) -> None:
    data = b"djq" + bytes([version]) + codec.encode(PLAIN)[4:]
    with pytest.raises(InvalidMessage, match=rf"version {version} .* version 1: upgrade this consumer"):
        codec.decode(data, "line")


def test_a_message_for_another_queue_is_refused_and_both_are_named() -> None:
    with pytest.raises(InvalidMessage, match="for the queue 'line', but found on 'other'"):
        codec.decode(codec.encode(PLAIN), "other")


def test_a_message_of_another_site_is_refused_and_the_fallbacks_are_named(settings: Settings) -> None:
    data = codec.encode(PLAIN)
    settings.SECRET_KEY = "another one"
    with pytest.raises(InvalidMessage, match="SECRET_KEY_FALLBACKS"):
        codec.decode(data, "line")


@pytest.mark.parametrize("old", ["the old key", b"the old key in bytes"])
def test_a_key_among_the_fallbacks_is_accepted_and_the_new_one_signs(
    settings: Settings, old: str | bytes
) -> None:
    settings.SECRET_KEY = old
    data = codec.encode(PLAIN)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the new key", ["an even older one", old]
    assert codec.decode(data, "line") == PLAIN
    signed_now = codec.encode(PLAIN)
    settings.SECRET_KEY_FALLBACKS = []
    assert codec.decode(signed_now, "line") == PLAIN
    with pytest.raises(InvalidMessage):
        codec.decode(data, "line")


def test_a_fallback_that_is_the_key_itself_changes_nothing(settings: Settings) -> None:
    data = codec.encode(PLAIN)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY, "older"]
    assert codec.encode(PLAIN) == data
    assert codec.decode(data, "line") == PLAIN


def test_the_secret_key_itself_signs_nothing(settings: Settings) -> None:
    data = codec.encode(PLAIN)
    plain = hmac.digest(settings.SECRET_KEY.encode(), data[:-32], "sha256")
    assert data[-32:] != plain
    assert hashlib.sha256(settings.SECRET_KEY.encode()).digest()[:4] != data[4:8]


@pytest.mark.parametrize("header", [b'{"command":"c"}', b"[1]", b"\xff", b""])
def test_a_genuine_message_whose_header_is_not_understood_is_refused_like_any_other(header: bytes) -> None:
    data = codec.encode(PLAIN)
    signed = data[: codec._HEADER_AT - 2] + len(header).to_bytes(2, "big") + header + PLAIN.body
    with pytest.raises(InvalidMessage, match="upgrade this consumer"):
        codec.decode(signed + site_keys().signing.sign(signed), "line")


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000])
def test_the_signature_is_blake2b_with_the_derived_key(settings: Settings, size: int) -> None:
    key = hmac.digest(settings.SECRET_KEY.encode(), b"djutils.queue.envelope.v1", "sha256")
    data = codec.encode(PLAIN._replace(body=bytes(size)))
    assert data[-32:] == hashlib.blake2b(data[:-32], key=key, digest_size=32).digest()


def test_decoding_unpickles_nothing(tmp_path: Path) -> None:
    bomb = tmp_path / "went off"
    data = codec.encode(PLAIN._replace(body=codec.dump(Bomb(str(bomb)))))
    message = codec.decode(data, "line")
    for refused, queue in [(data[:-1], "line"), (data, "other"), (data[:-33] + b"X" + data[-32:], "line")]:
        with pytest.raises(InvalidMessage):
            codec.decode(refused, queue)
    assert not bomb.exists()
    codec.load(message.body).close()
    assert bomb.exists(), "the bomb would have gone off"


@pytest.mark.parametrize(
    ("data", "culprit"),
    [
        (((1, Unpicklable()), {}), r"The argument 2 \(Unpicklable\)"),
        (((lambda: 0,), {}), r"The argument 1 \(function\)"),
        (((1,), {"flag": 1, "what": Unpicklable()}), r"The argument 'what' \(Unpicklable\)"),
        ({"a": Unpicklable()}, r"The command's data \(dict\)"),
        (Unpicklable(), r"The command's data \(Unpicklable\)"),
        ((Unpicklable(), 2), r"The command's data \(tuple\)"),
        (((1, 2), Unpicklable()), r"The command's data \(tuple\)"),
        (((1, 2), [Unpicklable()]), r"The command's data \(tuple\)"),
    ],
)
def test_what_cannot_be_pickled_is_named(data: Any, culprit: str) -> None:
    with pytest.raises(NotPicklable, match=f"^{culprit} cannot be pickled: ") as caught:
        codec.dump(data)
    assert caught.value.__cause__ is not None


def test_what_is_nested_too_deeply_is_not_picklable() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotPicklable, match="The argument 1"):
        codec.dump(((deep,), {}))
    while deep:  # freed level by level
        deep = deep[0]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "EOFError"),
        (b"\x80\x05nonsense", "UnpicklingError"),
        (pickle.dumps(Spoilt()), "LookupError: the class has changed"),
        (b"cno.such.module\nThing\n.", "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_unpickled_says_why(body: bytes, why: str) -> None:
    with pytest.raises(NotUnpicklable, match=why):
        codec.load(body)
