"""Pidfiles made by another user, in a folder that both can write to."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from djutils.queue.bin import processes
from djutils.queue.bin.pidfile import STATE, Pidfile, read, remove_stale
from djutils.queue.bin.stopping import end
from djutils.queue.exceptions import ConsumerError
from tests.users import MALLORY, NOBODY, acting_as, another_process, needs_root, public_folder

pytestmark = needs_root


@pytest.fixture
def pidfile() -> Iterator[Path]:
    with public_folder() as folder:
        yield folder / "pid"


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def hold(path: Path, how: int) -> AbstractContextManager[int]:
    """A process of mallory's that keeps the file locked."""

    def lock() -> object:
        file = path.open()
        fcntl.flock(file, how)
        return file

    return another_process(MALLORY, lock)


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("reader", [0, NOBODY])
def test_a_planted_one_never_ends_another_process(
    pidfile: Path, victim: subprocess.Popen[bytes], with_state: bool, reader: int
) -> None:
    info = json.dumps({"pid": victim.pid, "birth": processes.birth(victim.pid)})
    state = pidfile.with_name(pidfile.name + STATE)
    with acting_as(MALLORY):
        pidfile.write_text(f"{victim.pid}\n{'' if with_state else info}")
        if with_state:
            state.write_text(info)
    with hold(state if with_state else pidfile, fcntl.LOCK_EX), acting_as(reader):
        for act in (lambda: end(pidfile, 1.0), lambda: Pidfile(pidfile).__enter__()):
            with pytest.raises(ConsumerError) as caught:
                act()
            assert caught.value.exit_code == 73
    assert victim.poll() is None
    assert pidfile.exists()


def test_a_planted_state_file_is_not_believed(pidfile: Path, victim: subprocess.Popen[bytes]) -> None:
    state = pidfile.with_name(pidfile.name + STATE)
    pidfile.write_text(f"{victim.pid}\n")
    with acting_as(MALLORY):
        state.write_text(json.dumps({"pid": victim.pid, "birth": processes.birth(victim.pid)}))
    with hold(state, fcntl.LOCK_EX):
        found = read(pidfile)
        assert found is not None
        assert not found.alive
        with pytest.raises(ConsumerError, match="belongs to the user 4242"), Pidfile(pidfile):
            pass
    assert victim.poll() is None


@pytest.mark.parametrize("how", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_a_strangers_lock_prevents_neither_start_nor_stop(pidfile: Path, how: int) -> None:
    pidfile.write_text("1\n")
    with hold(pidfile, how):
        assert remove_stale(pidfile)
    pidfile.write_text("1\n")
    with hold(pidfile, how):
        with Pidfile(pidfile):
            assert pidfile.read_text() == f"{os.getpid()}\n"


def test_every_user_can_ask_whether_a_consumer_runs(pidfile: Path) -> None:
    with Pidfile(pidfile, queues=["a"]):
        with acting_as(NOBODY):
            holder = read(pidfile)
        assert holder is not None
        assert (holder.alive, holder.pid, holder.info) == (True, os.getpid(), {})
    with acting_as(NOBODY):
        assert read(pidfile) is None


def test_root_can_stop_what_another_user_has_started(pidfile: Path) -> None:
    with another_process(NOBODY, lambda: Pidfile(pidfile, grace=1).__enter__()) as consumer:
        assert read(pidfile).pid == consumer
        assert end(pidfile, 5.0).warning == ""
        assert os.waitstatus_to_exitcode(os.waitpid(consumer, 0)[1]) == -signal.SIGTERM
        assert remove_stale(pidfile)
