"""The measurements see to it that what they measure has happened."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench import stores
from bench.peers.catalogue import declared
from bench.peers.measure import Case, Failed, Plan, drain, see_result

SHORT = Plan(drain_seconds=0.1, each_seconds=0.1, fill_seconds=0.1, processes=(1,))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """djutils on SQLite, with results, in the environment of the tests."""
    peer = declared("with_djutils")
    peer["configurations"]["default"]["few"] = 200
    with stores.running("sqlite", tmp_path) as store:
        return Case("with_djutils", peer, "default", store, Path(sys.executable), tmp_path / "case", "kept")


def test_a_drain_with_results_ends_when_one_was_found(case: Case) -> None:
    assert drain(case, 1, SHORT) > 0
    assert json.loads((case.folder / "result.json").read_text()) == {"kept": True}


def test_a_result_that_is_not_there_fails_the_case(case: Case) -> None:
    case.begin()
    id = case.ask("fill", 3)["id"]

    with pytest.raises(Failed, match=f"result of {id} was not kept"):
        see_result(case, id, within=0)
