"""The tutorial works: its pages are followed one after the other, in a separate project."""

from __future__ import annotations

from pathlib import Path

import pytest

from .tutorials import ROOT, Reader

PAGES = sorted((ROOT / "docs" / "tutorial").glob("[0-9]-*.rst"))


@pytest.mark.slow
def test_a_reader_who_follows_the_tutorial_sees_what_it_says(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        for page in PAGES:
            reader.play(page)
            reader.leave_second_terminal()
