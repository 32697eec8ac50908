"""The distribution ``djutils`` on the package index is another project, with our import name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import djutils
from djutils.checks import check_distribution

OURS = Path(djutils.__file__).parent
CONSUMER = OURS / "queue" / "bin" / "consumer.py"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on ``sys.path`` that knows of the other distribution, but has none of its files yet."""
    info = tmp_path / "djutils-1.0.23.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: djutils\nVersion: 1.0.23\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def put_theirs(site: Path) -> None:
    (site / "djutils").mkdir()
    (site / "djutils" / "__init__.py").write_text("raise RuntimeError('made for another purpose')\n")


def test_files_of_both_in_one_folder_are_an_error(site: Path) -> None:
    (site / "djutils").symlink_to(OURS)

    (message,) = check_distribution(None)

    assert message.id == "djutils.E010"
    assert "'djutils' 1.0.23 is another project" in message.msg
    assert "pip uninstall djutils djutils-queue" in str(message.hint)


def test_the_other_package_elsewhere_is_warned_of(site: Path) -> None:
    put_theirs(site)

    (message,) = check_distribution(None)

    assert message.id == "djutils.W010"
    assert str(site / "djutils") in message.msg


def test_what_is_left_of_the_other_distribution_is_harmless(site: Path) -> None:
    assert check_distribution(None) == []


def test_our_own_distribution_under_its_former_name_is_no_stranger(site: Path) -> None:
    (site / "djutils").symlink_to(OURS)
    scripts = "[console_scripts]\ndjutils-consumer = djutils.queue.bin.consumer:main\n"
    (site / "djutils-1.0.23.dist-info" / "entry_points.txt").write_text(scripts)

    assert check_distribution(None) == []


def test_a_consumer_run_by_path_says_that_it_found_the_other_package(site: Path) -> None:
    put_theirs(site)

    done = subprocess.run(
        [sys.executable, CONSUMER, "status"],
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == os.EX_CONFIG
    assert f"{site / 'djutils' / '__init__.py'} is another project's package" in done.stderr
    assert "pip uninstall djutils djutils-queue" in done.stderr
    assert "Traceback" not in done.stderr
