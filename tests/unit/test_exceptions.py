"""The tree of errors."""

from __future__ import annotations

import inspect
import pickle
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from djutils.queue import exceptions
from djutils.queue.exceptions import (
    BackendError,
    BackendUnavailable,
    ConfigurationError,
    ConsumerError,
    Control,
    EnqueueError,
    InvalidCommand,
    MessageError,
    MessageTooLarge,
    OwnerLost,
    QueueException,
    Reject,
    Retry,
)

TREE = [
    error
    for _, error in inspect.getmembers(exceptions, inspect.isclass)
    if error.__module__ == exceptions.__name__
]


@pytest.mark.parametrize("error", TREE)
def test_every_error_is_in_the_tree_and_drawn_in_the_docstring(error: type[Exception]) -> None:
    assert issubclass(error, QueueException)
    assert f" {error.__name__}" in (exceptions.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "branch"),
    [
        (InvalidCommand, ConfigurationError),
        (ConfigurationError, ImproperlyConfigured),
        (MessageTooLarge, EnqueueError),
        (exceptions.NotPicklable, EnqueueError),
        (exceptions.UnsupportedOption, EnqueueError),
        (exceptions.InvalidMessage, MessageError),
        (exceptions.UnknownCommand, MessageError),
        (exceptions.NotUnpicklable, MessageError),
        (BackendUnavailable, BackendError),
        (OwnerLost, BackendError),
        (Retry, Control),
        (Reject, Control),
    ],
)
def test_a_branch_can_be_caught_as_one(error: type[Exception], branch: type[Exception]) -> None:
    assert issubclass(error, branch)


def test_without_a_message_an_error_says_the_first_paragraph_of_its_docstring() -> None:
    assert str(MessageTooLarge()) == "The message exceeds QUEUE_MAX_MESSAGE_SIZE; nothing was sent."
    assert str(OwnerLost()) == "The backend does not know this owner: the messages it held were taken back."
    assert str(Retry()) == "The command asked to be retried."
    assert str(BackendError("another message")) == "another message"


@pytest.mark.parametrize(
    ("delay", "seconds"), [(None, None), (5, 5), (0.5, 0.5), (timedelta(minutes=2), 120.0)]
)
def test_retry_takes_seconds_or_a_timedelta(delay: float | timedelta | None, seconds: float | None) -> None:
    assert Retry("later", delay=delay).delay == seconds


def test_errors_survive_pickling_with_what_they_carry() -> None:
    copy = pickle.loads(pickle.dumps(ConsumerError("already running", exit_code=3)))
    assert (str(copy), copy.exit_code) == ("already running", 3)
    retry = pickle.loads(pickle.dumps(Retry("later", delay=4)))
    assert (str(retry), retry.delay) == ("later", 4)
