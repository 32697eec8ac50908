"""The keys that sign: which are used, and which are refused without being shown."""

from __future__ import annotations

import hashlib
import hmac
import pickle
from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from djutils.checks import check_keys, check_strength_of_keys
from djutils.queue import codec
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.bin import preflight
from djutils.queue.exceptions import ConfigurationError, ConsumerError, InvalidMessage
from djutils.queue.keys import PURPOSE
from djutils.queue.message import Message
from djutils.queue.signing import keys_from

from .commands_for_tests import record
from .test_codec import SAMPLE, SAMPLE_KEY, SAMPLE_MESSAGE

PLAIN = Message("0" * 32, "app.commands.churn", "line", 1_700_000_000.25, pickle.dumps(((1,), {}), 5))
# The same in every process of a parallel run: tests are named after it.
STRONG = hashlib.sha256(b"strong").hexdigest()
SECRET = "correct horse battery staple"

EMPTY = ["", " ", "\n\t ", b"", b"  "]
NO_KEYS = [None, 7, 1.5, True, ["nested"], {"k": "v"}]


REFUSED = [
    *(("SECRET_KEY_FALLBACKS", [value], "SECRET_KEY_FALLBACKS[0]") for value in (*EMPTY, *NO_KEYS)),
    *(("SECRET_KEY_FALLBACKS", ["old", value], "SECRET_KEY_FALLBACKS[1]") for value in EMPTY),
    *(("QUEUE_SIGNING_KEYS", [value], "QUEUE_SIGNING_KEYS[0]") for value in (*EMPTY, *NO_KEYS)),
    *(("QUEUE_SIGNING_KEYS", ("new", value), "QUEUE_SIGNING_KEYS[1]") for value in EMPTY),
    *(("QUEUE_SIGNING_KEYS", value, "QUEUE_SIGNING_KEYS") for value in ([], SECRET, b"x", {"a"}, 7, {})),
    *(("SECRET_KEY_FALLBACKS", value, "SECRET_KEY_FALLBACKS") for value in (SECRET, {"a"}, None)),
    *(("SECRET_KEY", value, "SECRET_KEY") for value in (" ", b" ", 7, ["a"])),
]


@pytest.mark.parametrize(("setting", "value", "named"), REFUSED)
def test_an_empty_key_and_what_is_no_key_is_refused_wherever_it_would_count(
    settings: Settings, memory: MemoryQueue, setting: str, value: Any, named: str
) -> None:
    good = codec.encode(PLAIN)
    setattr(settings, setting, value)
    for use in (lambda: record(1), lambda: codec.decode(good, "line"), lambda: codec.encode(PLAIN)):
        with pytest.raises(ConfigurationError) as caught:
            use()
        assert str(caught.value).startswith(f"{named} ")
        assert SECRET not in str(caught.value)
    assert len(memory) == 0
    (found,) = check_keys(None)
    assert (found.id, found.msg) == ("djutils.E030", str(caught.value))
    with pytest.raises(ConsumerError) as refused:
        preflight.check_settings()
    assert str(refused.value).startswith(f"{named} ")
    assert check_strength_of_keys(None) == []


def test_what_anyone_signed_with_an_empty_key_is_not_accepted(settings: Settings) -> None:
    empty = keys_from(hmac.digest(b"", PURPOSE, "sha256"))[0]
    genuine = codec.encode(PLAIN)
    signed = genuine[:4] + empty.id + genuine[8:-32]
    settings.SECRET_KEY_FALLBACKS = [""]
    with pytest.raises(ConfigurationError):
        codec.decode(signed + empty.sign(signed), "line")


@pytest.mark.parametrize("empty", ["", b"", None])
def test_without_a_secret_key_nothing_is_signed(settings: Settings, empty: Any) -> None:
    settings.SECRET_KEY = empty
    with pytest.raises(ConfigurationError, match="SECRET_KEY is empty"):
        codec.encode(PLAIN)


def test_keys_of_the_queues_own_sign_and_are_accepted(settings: Settings) -> None:
    settings.QUEUE_SIGNING_KEYS = ["new", b"old"]
    by_new = codec.encode(PLAIN)
    settings.QUEUE_SIGNING_KEYS = ["old"]
    by_old = codec.encode(PLAIN)
    settings.QUEUE_SIGNING_KEYS = ("new", "old")
    assert codec.encode(PLAIN) == by_new != by_old
    assert codec.decode(by_new, "line") == codec.decode(by_old, "line") == PLAIN


def test_with_keys_of_its_own_the_queue_accepts_no_others(settings: Settings) -> None:
    settings.SECRET_KEY_FALLBACKS = ["older"]
    by_secret_key = codec.encode(PLAIN)
    settings.QUEUE_SIGNING_KEYS = ["own"]
    with pytest.raises(InvalidMessage):
        codec.decode(by_secret_key, "line")
    settings.QUEUE_SIGNING_KEYS = ["own", settings.SECRET_KEY]
    assert codec.decode(by_secret_key, "line") == PLAIN
    # What the queue does not use may be as it likes.
    settings.SECRET_KEY_FALLBACKS = [""]
    assert codec.decode(by_secret_key, "line") == PLAIN


def test_bytes_stored_by_version_1_are_read_with_keys_of_the_queues_own(settings: Settings) -> None:
    settings.QUEUE_SIGNING_KEYS = ["new", SAMPLE_KEY]
    assert codec.decode(SAMPLE, "shop") == SAMPLE_MESSAGE


@pytest.mark.parametrize(
    "weak", ["short", "a" * 60, "abcd" * 20, "django-insecure-" + STRONG, b"short", STRONG[:49]]
)
def test_a_weak_key_is_named_by_the_check_for_a_deployment(settings: Settings, weak: Any) -> None:
    settings.SECRET_KEY = STRONG
    settings.SECRET_KEY_FALLBACKS = [STRONG[::-1], weak]
    (found,) = check_strength_of_keys(None)
    assert (found.id, found.msg.split()[0]) == ("djutils.W030", "SECRET_KEY_FALLBACKS[1]")
    settings.QUEUE_SIGNING_KEYS = [weak, STRONG]
    (found,) = check_strength_of_keys(None)
    assert found.msg.split()[0] == "QUEUE_SIGNING_KEYS[0]"
    settings.QUEUE_SIGNING_KEYS = [STRONG]
    assert check_strength_of_keys(None) == []


def test_weak_keys_warn_only_where_a_site_is_deployed(settings: Settings) -> None:
    settings.SECRET_KEY = "django-insecure-of-startproject"
    assert run_checks(tags=["djutils"]) == []
    assert [found.id for found in run_checks(tags=["djutils"], include_deployment_checks=True)] == [
        "djutils.W030"
    ]
