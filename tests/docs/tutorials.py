"""Follows a page of the tutorial as a reader would: creates its files, types its commands, compares the output.

A page is interpreted like this:

* a ``python`` block below a line that is the name of a file is that file; ``..., at the end`` means to add to it;
* a ``console`` block holds commands after ``$``, gone on with after ``>``, and below each what it prints,
  ``...`` for anything;
* blocks of the class ``second-terminal`` are about a program that keeps running in the background,
  those of the class ``queue-log`` about the file ``queue.log``: the lines are waited for.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from tests.consumers import kill_session

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


class Block(NamedTuple):
    language: str
    options: dict[str, str]
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """Every ``code-block`` of ``page``, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    starts = [n for n, line in enumerate(lines) if line.startswith(".. code-block:: ")]
    for start in starts:
        body = []
        for line in lines[start + 1 :]:
            if line and not line.startswith(" "):
                break
            body.append(line[4:])
        options = dict(re.findall(r"^:(\w+): *(.*)$", "\n".join(body), re.MULTILINE))
        text = "\n".join(body[len(options) :]).strip("\n")
        if named := re.fullmatch(r"``([\w./-]+)``(, .*)?:", lines[start - 2]):
            options["caption"] = f"{named[1]}{named[2] or ''}"
        yield Block(lines[start].split()[-1], options, text)


class Reader:
    """A reader with two terminals, in the folder ``desk``, who adds lines to the settings that the page gives."""

    def __init__(self, desk: Path, settings: str = "") -> None:
        self._folder = desk
        self._settings = settings
        self._second: subprocess.Popen[bytes] | None = None
        self._screen = desk / "second-terminal.txt"
        self._read: dict[Path, int] = {}
        here = Path(sys.executable).parent
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "DJUTILS_"))
        } | {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.leave_second_terminal()
        if (pidfile := self._folder / "queue.pid").exists():
            self._call("djutils-consumer stop -l queue.log -p queue.pid --timeout 5")
        assert not pidfile.exists()

    def play(self, page: Path) -> None:
        for block in blocks(page):
            place = block.options.get("class", "")
            if block.language == "python" and "caption" in block.options:
                self._write(block)
            elif block.language == "console" and place == "second-terminal":
                self._start(block.text.removeprefix("$ "))
            elif block.language == "console":
                self._type(block.text)
            elif place:
                self._wait_for(
                    block.text, self._folder / "queue.log" if place == "queue-log" else self._screen
                )

    def leave_second_terminal(self) -> None:
        """Press Ctrl-C in it."""
        if self._second:
            os.killpg(self._second.pid, signal.SIGINT)
            try:
                self._second.wait(PATIENCE)
            finally:
                if self._second.returncode is None:
                    kill_session(self._second.pid)
                    self._second.wait()
                self._second = None

    def _write(self, block: Block) -> None:
        name, _, where = block.options["caption"].partition(", ")
        if where and where != "at the end":
            return
        path = self._folder / name
        before = path.read_text(encoding="utf-8") + "\n" if where else ""
        after = self._settings if path.name == "settings.py" else ""
        path.write_text(before + block.text + "\n" + after, encoding="utf-8")

    def _type(self, text: str) -> None:
        text = re.sub(r"\n> ", "\r", text)  # a line that continues
        for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, expected = entry.partition("\n")
            line = line.replace("\r", "\n")
            if line.startswith("pip install"):
                continue
            if line.startswith("cd "):
                self._folder /= line.removeprefix("cd ")
            elif line.startswith("export "):
                self._environment |= dict(pair.split("=") for pair in line.split()[1:])
            else:
                printed = self._call(line)
                assert expected.strip() in {"", "..."} or missing(expected, printed) is None, printed

    def _call(self, line: str) -> str:
        # In a checkout that is not installed there is no such script.
        line = re.sub(r"^djutils-consumer\b", "python -m djutils.queue.bin.consumer", line)
        done = subprocess.run(
            line,
            shell=True,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout}"
        return done.stdout

    def _start(self, line: str) -> None:
        self.leave_second_terminal()
        self._read[self._screen] = self._screen.stat().st_size if self._screen.exists() else 0
        with self._screen.open("ab") as screen:
            self._second = subprocess.Popen(
                line.split(),
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_for(self, expected: str, path: Path) -> None:
        """Wait for the lines, below those that were waited for before."""

        def shown() -> str:
            return path.read_bytes()[self._read.get(path, 0) :].decode()

        def absent() -> list[str]:
            return [line for line, place in places(expected, shown()).items() if place is None]

        until(lambda: not absent(), lambda: f"{absent()}\n\n{shown()}")
        last = max(place for place in places(expected, shown()).values() if place is not None)
        rest = shown().splitlines(keepends=True)[last + 1 :]
        self._read[path] = len(path.read_bytes()) - len("".join(rest).encode())


def pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, line.strip().split("..."))))


def missing(expected: str, printed: str) -> str | None:
    """The first line of ``expected`` that ``printed`` does not have in this order."""
    lines = iter(printed.splitlines())
    for line in expected.strip().splitlines():
        if line.strip() not in {"", "..."} and not any(pattern(line).search(there) for there in lines):
            return line
    return None


def places(expected: str, printed: str) -> dict[str, int | None]:
    """Return for each line of ``expected`` which one of ``printed`` it is, in any order: several processes write."""
    lines = dict(enumerate(printed.splitlines()))
    found: dict[str, int | None] = {}
    for line in expected.strip().splitlines():
        if line.strip() not in {"", "..."}:
            fits = [number for number, there in lines.items() if pattern(line).search(there)]
            found[line] = fits[0] if fits else None
            lines = {number: there for number, there in lines.items() if number not in fits[:1]}
    return found


def until(true: Callable[[], bool], explain: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s in vain for: {explain()}"
        time.sleep(0.05)
