"""Receivers of our signals that fail."""

from __future__ import annotations

from typing import Any

import pytest
from django.dispatch import Signal

from djutils.queue import signals

SIGNALS = {name: one for name, one in vars(signals).items() if isinstance(one, Signal)}


@pytest.mark.parametrize("name", SIGNALS)
def test_a_receiver_that_fails_is_logged_once(name: str, log: pytest.LogCaptureFixture) -> None:
    def stumble(**_: Any) -> None:
        raise ZeroDivisionError

    SIGNALS[name].connect(stumble)
    try:
        SIGNALS[name].send_robust(sender=None, message=None)
    finally:
        SIGNALS[name].disconnect(stumble)
    (line,) = log.records
    assert (line.name, line.exc_info and line.exc_info[0]) == ("djutils.queue.signals", ZeroDivisionError)
    assert "stumble" in line.getMessage()
