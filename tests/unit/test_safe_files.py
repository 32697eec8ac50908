"""Files in folders that others can write to."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from djutils.queue.bin.safe_files import Directory, Untrusted, last_lines, open_log
from tests.users import MALLORY, NOBODY, acting_as, needs_root, public_folder


@pytest.fixture
def shared() -> Iterator[Path]:
    with public_folder() as folder:
        yield folder


def write(path: Path, text: bytes = b"ours\n") -> None:
    fd = open_log(path)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_log_is_for_us_and_our_group_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path / "log")
    finally:
        os.umask(before)
    assert (tmp_path / "log").stat().st_mode & 0o7777 == 0o640


def test_a_log_that_is_there_is_added_to_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("first\n")
    (tmp_path / "log").chmod(0o604)
    write(tmp_path / "log")
    assert (tmp_path / "log").read_text() == "first\nours\n"
    assert (tmp_path / "log").stat().st_mode & 0o7777 == 0o604


def test_our_own_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "releases" / "2").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/2")
    (tmp_path / "releases" / "2" / "log").symlink_to("../real")
    write(tmp_path / "current" / "log")
    assert (tmp_path / "releases" / "real").read_text() == "ours\n"


def test_links_that_lead_round_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for path in (tmp_path / "a", tmp_path / "a" / "log"):
        with pytest.raises(OSError, match="Too many levels"):
            open_log(path)


@pytest.mark.parametrize("name", ["/dev/null", "/dev/full", "/dev/stderr"])
def test_a_device_can_be_named(name: str) -> None:
    os.close(open_log(Path(name)))


def test_a_link_to_a_device_can_be_named(tmp_path: Path) -> None:
    hear, say = os.pipe()
    before = os.dup(1)
    os.dup2(say, 1)
    try:
        (tmp_path / "log").symlink_to("/dev/stdout")
        write(tmp_path / "log")
    finally:
        os.dup2(before, 1)
        os.close(before)
    assert os.read(hear, 99) == b"ours\n"
    os.close(hear)
    os.close(say)


def test_a_pipe_with_a_reader_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError, match="nothing reads"):
        open_log(tmp_path / "log")
    hear = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    say = open_log(tmp_path / "log")
    assert os.get_blocking(say)
    os.write(say, b"ours\n")
    assert os.read(hear, 99) == b"ours\n"
    os.close(hear)
    os.close(say)


def test_a_folder_or_a_socket_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_log(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="nothing reads"):
            open_log(tmp_path / "socket")


@needs_root
@pytest.mark.parametrize("reader", [0, NOBODY])
def test_the_link_of_a_stranger_is_not_followed(shared: Path, tmp_path: Path, reader: int) -> None:
    target = tmp_path / "precious"
    target.write_text("precious\n")
    with acting_as(MALLORY):
        (shared / "log").symlink_to(target)
        (shared / "logs").symlink_to(tmp_path)
    for path in (shared / "log", shared / "logs" / "new"):
        with acting_as(reader), pytest.raises(Untrusted, match="symbolic link of the user 4242"):
            open_log(path)
    assert target.read_text() == "precious\n"
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@needs_root
@pytest.mark.parametrize("reader", [0, NOBODY])
def test_the_file_of_a_stranger_is_not_written(shared: Path, reader: int) -> None:
    with acting_as(MALLORY):
        (shared / "log").touch()
        (shared / "log").chmod(0o666)
        os.mkfifo(shared / "pipe")
        (shared / "pipe").chmod(0o666)
        hear = os.open(shared / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    for name in ("log", "pipe"):
        with acting_as(reader), pytest.raises(Untrusted, match="belongs to the user 4242"):
            open_log(shared / name)
    os.close(hear)
    assert (shared / "log").read_bytes() == b""


@needs_root
def test_root_does_not_follow_the_links_of_a_folders_owner(shared: Path, tmp_path: Path) -> None:
    (shared / "home").mkdir()
    os.chown(shared / "home", MALLORY, MALLORY)
    with acting_as(MALLORY):
        (shared / "home" / "log").symlink_to(tmp_path / "log")
    with pytest.raises(Untrusted, match="symbolic link"):
        open_log(shared / "home" / "log")
    assert not (tmp_path / "log").exists()


@needs_root
def test_a_file_with_a_second_name_is_not_written_where_others_may_have_given_it(shared: Path) -> None:
    (shared / "precious").write_text("precious\n")
    (shared / "log").hardlink_to(shared / "precious")
    with pytest.raises(Untrusted, match="hard link"):
        open_log(shared / "log")
    assert (shared / "precious").read_text() == "precious\n"


@needs_root
def test_what_root_has_put_into_a_closed_folder_is_written_whosever_it_is(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    os.chown(tmp_path / "log", MALLORY, MALLORY)
    write(tmp_path / "log")
    assert (tmp_path / "log").read_text() == "ours\n"


def test_an_opened_directory_stays_the_same_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with Directory(tmp_path / "a") as directory:
        (tmp_path / "a").rename(tmp_path / "b")
        (tmp_path / "a").mkdir()
        os.close(directory.open_or_create("file", os.O_RDWR))
    assert (tmp_path / "b" / "file").exists()


def test_the_last_lines_of_a_log_are_found_however_long_it_is(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        log.seek(1 << 40)  # a hole: it takes no room
        log.write(b"".join(b"%04d %s\n" % (number, b"x" * 100) for number in range(1000)))
    lines = last_lines(tmp_path / "log")
    assert [line[:4] for line in lines] == [f"{number:04}" for number in range(980, 1000)]


def test_the_last_lines_begin_after_what_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("old\nnew\n")
    assert last_lines(tmp_path / "log", since=4) == ["new"]
    assert last_lines(tmp_path / "log", since=99) == []


def test_of_what_is_no_file_there_are_no_last_lines(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "nothing", Path("/dev/null")):
        assert last_lines(path) == []
