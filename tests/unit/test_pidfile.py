"""The pidfile and its state file: the lock is authoritative, and nothing else is in the pidfile."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from djutils.queue.bin import processes
from djutils.queue.bin.pidfile import STATE, Pidfile, read, remove_stale
from djutils.queue.exceptions import ConsumerError
from tests.waiting import wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pid"


def fork(live: Callable[[], object]) -> int:
    """Return the process id of a child that calls ``live`` and ends with code 0 if the result is true."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = 0 if live() else 2
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def state_of(path: Path) -> Path:
    return path.with_name(path.name + STATE)


def in_child(live: Callable[[], object]) -> int:
    return exit_code(fork(live))


def test_it_says_who_holds_it(path: Path) -> None:
    with Pidfile(path, queues=["a"], processes=2):
        holder = read(path)
        assert holder is not None
        assert (holder.alive, holder.pid) == (True, os.getpid())
        assert holder.info["queues"] == ["a"]
        assert holder.info["started"] > 0


def test_it_holds_the_process_id_and_a_newline(path: Path) -> None:
    with Pidfile(path, queues=["a"]) as pidfile:
        pidfile.rewrite(workers=[1, 2, 3])
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_shell_can_send_a_signal_to_what_it_names(path: Path) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    try:
        with Pidfile(path):
            subprocess.run(["sh", "-ec", f"kill -USR1 $(cat {path})"], check=True)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]


def test_it_is_removed_at_the_end(path: Path) -> None:
    with Pidfile(path):
        assert sorted(path.parent.iterdir()) == [path, state_of(path)]
    assert read(path) is None
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_every_user_may_read_it_and_only_its_owner_the_state_whatever_the_umask(
    path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        with Pidfile(path):
            assert path.stat().st_mode & 0o777 == 0o644
            assert state_of(path).stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_second_one_is_told_who_was_first(path: Path) -> None:
    with Pidfile(path), pytest.raises(ConsumerError, match=f"process {os.getpid()}") as caught, Pidfile(path):
        pass
    assert caught.value.exit_code == 75


def test_one_without_a_holder_is_replaced_whatever_it_names(path: Path) -> None:
    path.write_text(f"{os.getppid()}\n{{}}\n")
    holder = read(path)
    assert holder is not None
    assert not holder.alive
    with Pidfile(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_that_of_a_killed_process_is_stale(path: Path) -> None:
    def take_and_die() -> None:
        Pidfile(path).__enter__()
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(take_and_die) == -signal.SIGKILL
    holder = read(path)
    assert holder is not None
    assert not holder.alive
    assert remove_stale(path)
    assert list(path.parent.iterdir()) == []


def test_one_that_is_held_is_not_removed_as_stale(path: Path) -> None:
    with Pidfile(path):
        assert not remove_stale(path)
        assert path.exists()


def test_a_child_that_let_go_does_not_keep_it_locked(path: Path) -> None:
    hear, say = os.pipe()
    pidfile = Pidfile(path).__enter__()

    def let_go_and_live_on() -> bool:
        pidfile.let_go()
        os.close(say)
        return os.read(hear, 1) == b""

    child = fork(let_go_and_live_on)
    assert in_child(lambda: read(path).alive) == 0
    pidfile.let_go()  # as if killed
    wait_until(lambda: (holder := read(path)) and not holder.alive)
    os.close(say)
    os.close(hear)
    assert exit_code(child) == 0


def test_the_state_is_rewritten_in_place(path: Path) -> None:
    with Pidfile(path, workers=[1, 2, 3]) as pidfile:
        inode = state_of(path).stat().st_ino
        pidfile.rewrite(workers=[])
        holder = read(path)
        assert holder is not None
        assert holder.info["workers"] == []
        assert state_of(path).stat().st_ino == inode


def test_what_an_unfinished_rewrite_left_over_does_not_matter(path: Path) -> None:
    path.write_text("12\n")
    state_of(path).write_text('{"pid": 12, "queues": []}\n": [3, 4]}\n')
    holder = read(path)
    assert holder is not None
    assert (holder.alive, holder.pid, holder.info) == (False, 12, {"pid": 12, "queues": []})


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"7", b'{"pid": "x"}', b"\xff\xfe", None])
def test_a_damaged_or_missing_state_leaves_the_pid_and_the_lock(path: Path, damage: bytes | None) -> None:
    with Pidfile(path, queues=["a"]):
        if damage is None:
            state_of(path).unlink()
        else:
            state_of(path).write_bytes(damage)
        holder = read(path)
        assert holder is not None
        assert (holder.alive, holder.pid) == (True, os.getpid())
        with pytest.raises(ConsumerError, match="Already running"), Pidfile(path):
            pass
        assert not remove_stale(path)
        assert path.exists()


def test_one_of_a_version_that_kept_everything_in_the_pidfile_is_understood(path: Path) -> None:
    info = {"birth": processes.birth(os.getpid()), "queues": ["a"]}
    path.write_text(f"{os.getpid()}\n{json.dumps(info)}\n")
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert read(path) == (True, os.getpid(), info, os.geteuid())
        with pytest.raises(ConsumerError, match=f"process {os.getpid()}"), Pidfile(path):
            pass
        assert not remove_stale(path)
    holder = read(path)
    assert holder is not None
    assert not holder.alive
    assert remove_stale(path)


def test_a_lock_is_believed_only_of_the_process_that_is_named(path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger, path.open("a") as held:
        for birth in ("", processes.birth(stranger.pid), "0"):
            path.write_text(f"{stranger.pid}\n{json.dumps({'birth': birth})}\n")
            fcntl.flock(held, fcntl.LOCK_EX)
            holder = read(path)
            assert holder is not None
            assert not holder.alive
        stranger.kill()


@pytest.mark.parametrize("text", ["", "\n", "12", "12\n", "12\n{", "12\n[]"])
def test_a_damaged_one_can_be_read_and_replaced(path: Path, text: str) -> None:
    path.write_text(text)
    holder = read(path)
    assert holder is not None
    assert (holder.alive, holder.pid, holder.info) == (False, 12 if "12" in text else 0, {})
    with Pidfile(path):
        assert read(path).pid == os.getpid()


def test_a_reader_does_not_get_in_the_way_of_a_start(path: Path) -> None:
    state_of(path).touch()
    hear, say = os.pipe()

    def start() -> bool:
        os.write(say, b"1")
        return Pidfile(path).__enter__().path == path

    with state_of(path).open() as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        child = fork(start)
        os.read(hear, 1)
        fcntl.flock(reader, fcntl.LOCK_UN)
        assert exit_code(child) == 0
    os.close(hear)
    os.close(say)


@pytest.mark.parametrize("how", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_a_lock_on_a_stale_pidfile_does_not_keep_a_consumer_from_starting(path: Path, how: int) -> None:
    path.write_text("1\n")
    with path.open() as held:
        fcntl.flock(held, how)
        with Pidfile(path):
            assert path.read_text() == f"{os.getpid()}\n"
            assert read(path).alive


def test_one_that_was_replaced_meanwhile_is_left_to_its_new_owner(path: Path) -> None:
    with Pidfile(path):
        path.unlink()
        path.write_text("1\n")
    assert path.read_text() == "1\n"


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConsumerError, match="symbolic link") as caught, Pidfile(path):
        pass
    assert caught.value.exit_code == 73
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_is_no_pidfile_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    before = set(path.parent.iterdir())
    for use in (lambda: Pidfile(path).__enter__(), lambda: read(path), lambda: remove_stale(path)):
        with pytest.raises(ConsumerError, match="is not a pidfile"):
            use()
    assert path.read_text() == "precious"
    assert set(path.parent.iterdir()) == before


def test_one_with_a_second_name_is_left_alone(path: Path) -> None:
    path.write_text("1\n")
    path.with_name("other").hardlink_to(path)
    with pytest.raises(ConsumerError, match="is not a pidfile"), Pidfile(path):
        pass
    assert path.read_text() == "1\n"


def test_a_state_file_that_is_a_link_is_not_followed(path: Path) -> None:
    path.with_name("other").write_text("precious")
    state_of(path).symlink_to(path.with_name("other"))
    with pytest.raises(ConsumerError, match="symbolic link"), Pidfile(path):
        pass
    assert path.with_name("other").read_text() == "precious"


def test_something_that_is_no_file_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ConsumerError, match="is not a pidfile"), Pidfile(path):
        pass


def test_a_directory_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(ConsumerError, match=f"{path} does not exist; create it"), Pidfile(path / "pid"):
        pass
