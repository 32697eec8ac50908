"""Other processes: found, signalled, waited for; with and without what only Linux has."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from djutils.queue.bin import processes
from tests.waiting import wait_until


@pytest.fixture(params=["linux", "elsewhere"], autouse=True)
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Elsewhere there is neither /proc nor pidfd."""
    if request.param == "elsewhere":
        monkeypatch.setattr(processes, "_PROC", tmp_path)
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    return str(request.param)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A shell with one child, in a session of its own."""
    with subprocess.Popen(["sh", "-c", "sleep 60; true"], start_new_session=True) as process:
        yield process
        os.killpg(process.pid, signal.SIGKILL)


def test_a_process_is_signalled_and_waited_for(sleeper: subprocess.Popen[bytes]) -> None:
    with processes.Process(sleeper.pid) as process:
        assert not process.wait(0.01)
        process.signal(signal.SIGKILL)
        wait_until(lambda: sleeper.poll() is not None)
        assert process.wait(1)
        process.signal(signal.SIGKILL)  # harms nobody
    os.killpg(sleeper.pid, 0)


def test_one_that_is_gone_cannot_be_taken_hold_of() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with pytest.raises(ProcessLookupError):
        processes.Process(gone.pid)


def test_the_members_of_a_session_are_found(sleeper: subprocess.Popen[bytes], system: str) -> None:
    if system == "linux":
        wait_until(lambda: len(processes.members(sleeper.pid)) == 2)
    assert sleeper.pid in processes.members(sleeper.pid, [sleeper.pid, os.getpid()])
    assert os.getpid() not in processes.members(sleeper.pid, [sleeper.pid, os.getpid()])


def test_a_family_is_a_process_and_what_descends_from_it(
    sleeper: subprocess.Popen[bytes], system: str
) -> None:
    if system == "linux":
        wait_until(lambda: len(processes.family(sleeper.pid)) == 2)
        assert set(processes.family(sleeper.pid)) < set(processes.family(os.getpid()))
    assert sleeper.pid in processes.family(sleeper.pid)
    assert os.getpid() not in processes.family(sleeper.pid)


def test_the_birth_tells_two_lives_apart(sleeper: subprocess.Popen[bytes], system: str) -> None:
    if system == "linux":
        assert processes.birth(sleeper.pid) == processes.birth(sleeper.pid) != processes.birth(1)
    else:
        assert processes.birth(sleeper.pid) == ""
