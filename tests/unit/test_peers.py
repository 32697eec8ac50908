from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.peers.catalogue import CONFIGURATIONS, declared, modules
from bench.peers.child import fill, take
from bench.peers.environments import resolved
from bench.peers.protocol import ROOT
from bench.peers.slots import Slots, Tally
from bench.run import reason_to_leave_out
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


@pytest.mark.parametrize("module", modules())
def test_a_peer_keeps_results_or_says_why_that_is_not_measured(module: str) -> None:
    peer = declared(module)

    assert len({"results", "without results"} & set(peer)) == 1
    assert ("def result_of(" in (ROOT / f"bench/peers/{module}.py").read_text()) is ("results" in peer)


def test_a_run_with_results_leaves_out_peers_that_keep_none() -> None:
    assert (
        reason_to_leave_out(declared("with_procrastinate"), ["noop", "kept"]) == "it keeps no return values"
    )
    assert reason_to_leave_out(declared("with_procrastinate"), ["noop", "sleep"]) is None
    assert reason_to_leave_out(declared("with_rq"), ["kept"]) is None


@pytest.mark.parametrize("count", [1, 2, 1_001, 1_002])
def test_the_last_command_is_put_alone_and_its_id_is_told(count: int) -> None:
    store: list[Any] = []
    peer = peer_on(store)

    last = take(peer, fill(peer, count, {}))

    assert len(store) == count
    assert last == f"id of {count}"


def peer_on(store: list[Any]) -> ModuleType:
    """A peer whose store is a list."""

    def enqueue(*call: Any) -> str:
        store.append(call)
        return f"id of {len(store)}"

    peer = ModuleType("with_list")
    vars(peer).update(enqueue=enqueue, enqueue_many=store.extend)
    return peer


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
