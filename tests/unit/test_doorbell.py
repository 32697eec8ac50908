from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from djutils.queue.backends.database_sql import doorbell
from djutils.queue.backends.database_sql.doorbell import Doorbell, wait_for

LONG = 30.0


@pytest.fixture
def database(tmp_path: Path) -> Path:
    database = tmp_path / "db.sqlite3"
    database.touch()
    database.chmod(0o664)
    return database


@pytest.fixture
def bell(database: Path) -> Iterator[Doorbell]:
    bell = Doorbell(database, "mail")
    wait_for([bell], 0)
    yield bell
    bell.close()


def test_a_waiting_consumer_is_woken(bell: Doorbell, database: Path) -> None:
    ringing = threading.Timer(0.05, Doorbell(database, "mail").ring)
    ringing.start()
    began = time.monotonic()

    assert wait_for([bell], LONG)

    assert time.monotonic() - began < LONG / 2
    ringing.join()


def test_a_ring_before_the_wait_is_heard_once(bell: Doorbell, database: Path) -> None:
    Doorbell(database, "mail").ring()

    assert wait_for([bell], LONG)
    assert not wait_for([bell], 0.01)


def test_the_bell_of_another_queue_wakes_no_consumer(bell: Doorbell, database: Path) -> None:
    Doorbell(database, "thumbnails").ring()

    assert not wait_for([bell], 0.01)


def test_who_waits_for_several_bells_learns_which_one_rang(bell: Doorbell, database: Path) -> None:
    other = Doorbell(database, "thumbnails")
    wait_for([bell, other], 0)

    Doorbell(database, "thumbnails").ring()

    assert wait_for([bell, other], LONG) is other
    assert wait_for([bell, other], 0.01) is None
    other.close()


def test_it_can_ring_without_a_waiting_consumer(database: Path) -> None:
    Doorbell(database, "mail").ring()

    assert list(database.parent.iterdir()) == [database]


def test_many_rings_wake_a_second_one_who_waits(bell: Doorbell, database: Path) -> None:
    second = Doorbell(database, "mail")
    wait_for([second], 0)
    Doorbell(database, "mail").ring(3)

    assert wait_for([bell], LONG)
    assert wait_for([second], LONG)
    second.close()


def test_unheard_rings_of_busy_times_soon_come_to_an_end(bell: Doorbell, database: Path) -> None:
    for _ in range(70):
        Doorbell(database, "mail").ring(1000)

    heard = 0
    while wait_for([bell], 0):
        heard += 1
    assert heard < 40


def test_the_last_to_go_takes_it_away(bell: Doorbell, database: Path) -> None:
    second = Doorbell(database, "mail")
    wait_for([second], 0)
    (path,) = database.parent.glob("*-djutils-*")

    bell.close()
    assert stat.S_ISFIFO(path.stat().st_mode)
    second.close()
    assert not path.exists()


def test_one_that_was_removed_is_created_again(bell: Doorbell, database: Path) -> None:
    (path,) = database.parent.glob("*-djutils-*")
    path.unlink()
    wait_for([bell], 0)
    Doorbell(database, "mail").ring()

    assert wait_for([bell], LONG)


def test_every_user_who_may_write_the_database_may_ring(bell: Doorbell, database: Path) -> None:
    (path,) = database.parent.glob("*-djutils-*")

    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_where_there_can_be_none_it_is_as_if_it_never_rang(database: Path) -> None:
    bell = Doorbell(database, "mail")
    wait_for([bell], 0)
    (path,) = database.parent.glob("*-djutils-*")
    path.unlink()
    path.write_text("not a bell")

    assert not wait_for([bell], 0.01)
    assert path.read_text() == "not a bell"


def bell_of(database: Path) -> Path:
    (path,) = database.parent.glob("*-djutils-*")
    return path


def test_a_ring_never_writes_through_a_symbolic_link(bell: Doorbell, database: Path, tmp_path: Path) -> None:
    (victim := tmp_path / "victim").write_text("precious")
    path = bell_of(database)
    path.unlink()
    path.symlink_to(victim)

    Doorbell(database, "mail").ring()
    assert victim.read_text() == "precious"


def test_a_ring_never_writes_into_a_file(bell: Doorbell, database: Path, tmp_path: Path) -> None:
    (victim := tmp_path / "victim").write_text("precious")
    path = bell_of(database)
    path.unlink()
    path.hardlink_to(victim)

    Doorbell(database, "mail").ring()
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("kind", ["a file", "a FIFO"])
def test_a_consumer_never_follows_a_link_in_the_place_of_the_bell(
    kind: str, database: Path, tmp_path: Path
) -> None:
    bell, victim = Doorbell(database, "mail"), tmp_path / "victim"
    wait_for([bell], 0)
    path = bell_of(database)
    bell.close()
    victim.touch(0o600) if kind == "a file" else os.mkfifo(victim, 0o600)
    path.symlink_to(victim)

    assert not wait_for([bell], 0.01)
    assert stat.S_IMODE(victim.stat().st_mode) == 0o600
    assert path.is_symlink()
    bell.close()
    assert path.is_symlink()


def test_a_bell_that_was_made_before_keeps_its_rights(database: Path) -> None:
    bell = Doorbell(database, "mail")
    wait_for([bell], 0)
    path = bell_of(database)
    path.chmod(0o640)
    second = Doorbell(database, "mail")
    wait_for([second], 0)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    bell.close()
    second.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_a_strangers_bell_is_neither_heard_nor_rung(bell: Doorbell, database: Path) -> None:
    path = bell_of(database)
    os.chown(path, 12345, 12345)
    stranger = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    Doorbell(database, "mail").ring()
    with pytest.raises(BlockingIOError):
        os.read(stranger, 1)
    os.close(stranger)
    assert not wait_for([Doorbell(database, "mail")], 0.01)


def test_nothing_that_is_opened_by_name_is_changed_by_name() -> None:
    source = Path(doorbell.__file__).read_text()
    assert "os.chown" not in source
    assert ".chmod(" not in source
    assert source.count("os.open(") == source.count("| _FLAGS")
    assert "O_NOFOLLOW" in source
