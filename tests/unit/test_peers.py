from __future__ import annotations

from pathlib import Path

import pytest

from bench.peers.catalogue import CONFIGURATIONS, declared, modules
from bench.peers.environments import resolved
from bench.peers.protocol import ROOT
from bench.peers.slots import Slots, Tally
from bench.stamps import Stamps


def write_slot(folder: Path, name: str, count: int, first: float, last: float) -> None:
    stamps = Stamps(folder / name)
    stamps._values[0], stamps._values[1], stamps._values[2] = count, first, last


@pytest.mark.parametrize("module", modules())
def test_a_peer_says_what_it_is_without_being_imported(module: str) -> None:
    peer = declared(module)

    assert set(peer["configurations"]) == set(CONFIGURATIONS)
    for configuration in peer["configurations"].values():
        assert {"what", "kept", "why", "batch", "forks"} <= set(configuration)
    assert set(peer["stores"]) <= {"redis", "postgres", "sqlite", "mariadb"}


def test_djutils_is_measured_as_it_stands_in_this_checkout() -> None:
    assert resolved("ROOT[postgres]") == ["--editable", f"{ROOT}[postgres]"]
    assert resolved("rq[x]>=2") == ["rq[x]>=2"]


def test_many_commands_that_began_at_once_count_each(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    tally = Tally(tmp_path)

    slots.hit(100)
    slots.hit(50)
    tally.look()

    assert tally.count == 150


def test_the_slots_of_all_threads_and_processes_are_added_up(tmp_path: Path) -> None:
    write_slot(tmp_path, "7-70", 30, 1.0, 4.0)
    write_slot(tmp_path, "7-71", 20, 1.5, 5.0)
    write_slot(tmp_path, "8-80", 51, 2.0, 3.0)
    tally = Tally(tmp_path)

    tally.look()

    assert (tally.count, tally.first, tally.last, tally.processes) == (101, 1.0, 5.0, 2)
    assert tally.per_second(1) == 25.0


def test_a_worker_that_never_begins_is_not_waited_for_forever(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="0 of 1"):
        Tally(tmp_path).wait_for(1, patience=0.0)
