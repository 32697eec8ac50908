"""A worker process hears every signal, whatever happens to its command at that moment."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from djutils.queue.exceptions import TimeLimitExceeded
from djutils.queue.workers.os_signals import WorkerSignals


@pytest.fixture
def signals() -> Iterator[WorkerSignals]:
    found = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signals = WorkerSignals()
    for number in found:
        signal.signal(number, signals._ours[number])
    yield signals
    for number, handler in found.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_heard_that_arrives_with_the_end_of_a_time_limit(
    signals: WorkerSignals, number: signal.Signals
) -> None:
    main = threading.get_ident()

    def end_and_signal() -> None:
        time.sleep(0.05)
        # While the command waits in C: both are pending when it comes back to Python.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(TimeLimitExceeded))
        signal.pthread_kill(main, number)

    other = threading.Thread(target=end_and_signal)
    other.start()
    with pytest.raises(TimeLimitExceeded):
        time.sleep(0.5)
        time.sleep(0)
    other.join()

    assert signals.heard(0) == number
