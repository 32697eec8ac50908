from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import moments
from bench.figures.catalogue import FIGURES
from bench.peers.catalogue import WORK

FOLDER = Path(moments.__file__).with_name("figures")


@pytest.fixture(autouse=True)
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(moments, "_PATH", tmp_path / "moments")
    moments._file.cache_clear()
    yield
    moments._file.cache_clear()


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_what_it_is_and_has_a_head_and_rows(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    given = {ast.unparse(node.targets[0]) for node in tree.body if isinstance(node, ast.Assign)}

    assert ast.get_docstring(tree)
    assert "rows" in defined
    assert "HEAD" in given


def test_a_figure_is_measured_for_kinds_of_work_that_there_are() -> None:
    assert {work for works in FIGURES.values() for work in works} <= set(WORK)


def test_what_has_begun_is_found_with_the_moment_of_its_call() -> None:
    before = time.monotonic()
    moments.note(1, before - 0.5)
    moments.note(0, before)

    slow, fast = moments.wait_for(2, patience=0.0)

    assert (slow.kind, slow.called) == (1, before - 0.5)
    assert (fast.kind, fast.called) == (0, before)
    assert before <= slow.began <= fast.began <= time.monotonic()
    assert slow.milliseconds >= 500


def test_what_was_forgotten_is_not_found() -> None:
    moments.note(0, 1.0)
    moments.forget()
    moments.note(0, 2.0)

    assert [each.called for each in moments.noted()] == [2.0]


def test_what_never_begins_is_not_waited_for_forever() -> None:
    moments.note(0, 1.0)

    with pytest.raises(TimeoutError, match="1 of 2"):
        moments.wait_for(2, patience=0.0)
