"""The type hints of a decorated function reach whoever calls it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from . import commands_for_tests

TYPED = """
from djutils.queue.decorators import crontab, periodic_command, queue_command

@queue_command
def bare(a: int, *, b: str = "") -> float: return 1.0

@queue_command(priority=1)
def with_options(a: int) -> float: return 1.0

@periodic_command(crontab())
def by_clock() -> float: return 1.0

reveal_type(bare(1, b="x").id)
reveal_type(bare.call(1))
reveal_type(with_options.using(priority=2)(1))
reveal_type(by_clock())
bare("1")
bare(1, c=2)
with_options.using(priority=2)()
"""


@pytest.mark.slow
def test_the_type_hints_reach_the_caller(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "typed.py").write_text(TYPED)
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports = silent\n")
    root = Path(commands_for_tests.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--no-color-output", "typed.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.findall(
        r"^typed\.py:(\d+): (?:note: Revealed type is \"(.*)\"|error: .*\[(.*)\])$", done.stdout, re.MULTILINE
    )
    assert [(what or code).replace("builtins.", "") for _, what, code in said] == [
        "str",
        "float",
        "tuple[str, str, str, fallback=djutils.queue.results.Result]",
        "float",
        "arg-type",
        "call-arg",
        "call-arg",
    ], done.stdout + done.stderr
