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
    """A shell with one child, in its own session."""
    with subprocess.Popen(["sh", "-c", "sleep 60; true"], start_new_session=True) as process:
        yield process
        os.killpg(process.pid, signal.SIGKILL)


def test_a_process_is_signalled_and_waited_for(sleeper: subprocess.Popen[bytes]) -> None:
    with processes.Process(sleeper.pid) as process:
        assert not process.wait(0.01)
        process.signal(signal.SIGKILL)
        wait_until(lambda: sleeper.poll() is not None)
        assert process.wait(1)
        process.signal(signal.SIGKILL)  # has no effect
    os.killpg(sleeper.pid, 0)


def test_one_that_is_gone_cannot_be_taken_hold_of() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with pytest.raises(ProcessLookupError):
        processes.Process(gone.pid)


def test_everyone_is_found_with_group_and_session(sleeper: subprocess.Popen[bytes], system: str) -> None:
    if system == "elsewhere":
        assert processes.everyone() == {}
        return

    def members() -> set[str]:
        return {its.name for its in processes.everyone().values() if its.session == sleeper.pid}

    wait_until(lambda: members() == {"sh", "sleep"})
    its = processes.everyone()[sleeper.pid]
    assert (its.parent, its.group, its.session) == (os.getpid(), sleeper.pid, sleeper.pid)


def test_the_ancestors_of_a_process_are_found(sleeper: subprocess.Popen[bytes], system: str) -> None:
    if system == "linux":
        assert processes.ancestors(sleeper.pid)[:2] == [os.getpid(), os.getppid()]
    else:
        assert processes.ancestors(os.getpid()) == [os.getppid()]


def test_a_process_has_an_identity_and_open_files(
    sleeper: subprocess.Popen[bytes], system: str, tmp_path: Path
) -> None:
    with (tmp_path / "file").open("w") as file:
        held, other = os.fstat(file.fileno()), tmp_path.stat()
        if system == "linux":
            assert processes.identity(sleeper.pid) == (os.geteuid(), os.getegid())
            assert processes.has_open(os.getpid(), held) is True
            assert processes.has_open(os.getpid(), other) is False
        else:
            assert processes.identity(sleeper.pid) is None
            assert processes.has_open(os.getpid(), held) is None


def test_a_process_is_the_same_while_it_lives(sleeper: subprocess.Popen[bytes], system: str) -> None:
    born = processes.birth(sleeper.pid)
    assert processes.is_same(sleeper.pid, born)
    assert processes.is_same(sleeper.pid, "")
    assert processes.is_same(sleeper.pid, "0") is (system == "elsewhere")
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert not processes.is_same(gone.pid, "")


def test_the_birth_tells_two_lives_apart(sleeper: subprocess.Popen[bytes], system: str) -> None:
    if system == "linux":
        assert processes.birth(sleeper.pid) == processes.birth(sleeper.pid) != processes.birth(1)
    else:
        assert processes.birth(sleeper.pid) == ""
