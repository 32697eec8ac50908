"""Measures one peer with one configuration on one store that runs; each figure begins with an empty store."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.peers.protocol import ROOT
from bench.peers.slots import Tally
from bench.processes import cpu_seconds, family
from bench.stores import Store, empty, queries

_PATIENCE = 60.0
_LAST_LINES = 15
_FEW, _MANY = 100, 150_000
_KEPT_WITHIN = 10.0
"""Seconds from the beginning of the last command until its result must be there."""


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long."""

    drain_seconds: float
    each_seconds: float
    fill_seconds: float
    processes: tuple[int, ...]
    """How many drain, one number after another."""
    idle: Idle | None = None
    """None: nothing of a worker that has nothing to do."""
    only_drains: bool = False
    """True: of commands that do nothing, too, only the drain by two processes."""


@dataclass(frozen=True)
class Idle:
    """How often to call an idle worker, and how long to look at it."""

    samples: int
    longest_gap: float
    settle_seconds: float
    seconds: float


class Failed(Exception):
    """The peer did not do what it should; the message ends with the last lines of its output."""


@dataclass
class Case:
    """A peer, a configuration and a store, and what was learned about them on the way."""

    module: str
    peer: dict[str, Any]
    configuration: str
    store: Store
    python: Path
    folder: Path
    work: str = "noop"
    bare: Case | None = None
    """The store alone in the same configuration, to be measured right after each round of this case."""
    speeds: dict[int, float] = field(default_factory=dict)
    filling: float = 0.0
    about: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.peer['name']} ({self.configuration}) on {self.store.name}, {self.work}"

    @property
    def said(self) -> dict[str, Any]:
        """What the peer declares of this configuration."""
        return dict(self.peer["configurations"][self.configuration])

    @property
    def batch(self) -> int:
        return int(self.said["batch"])

    def environment(self, processes: int) -> dict[str, str]:
        django = {"DJANGO_SETTINGS_MODULE": "bench.peers.site"} if self.peer.get("django") else {}
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DJANGO"))
        }
        return (
            kept
            | django
            | {
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "ignore",
                "PATH": f"{self.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
                "BENCH_PEER": self.module,
                "BENCH_STORE": self.store.name,
                "BENCH_URL": self.url,
                "BENCH_FOLDER": str(self.folder),
                "BENCH_CONFIGURATION": self.configuration,
                "BENCH_PROCESSES": str(processes),
                "BENCH_WORK": self.work,
            }
        )

    @property
    def url(self) -> str:
        if self.store.name in {"postgres", "mariadb"}:
            return self.store.url.rpartition("/")[0] + "/bench"
        return str(self.folder / "bench.sqlite3") if self.store.name == "sqlite" else self.store.url

    # One child after another.

    def begin(self) -> None:
        """Empty the store and the folder, and let the peer make its tables."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        empty(self.store)
        self.about = self.ask("prepare")

    def ask(self, verb: str, *arguments: object) -> dict[str, Any]:
        """Have a child in the peer's environment do something, and return what it found."""
        log = self.folder / f"{verb}.log"
        with log.open("wb") as output:
            done = subprocess.run(
                self._command(verb, *arguments),
                env=self.environment(1),
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_PATIENCE * 3,
                check=False,
            )
        if done.returncode:
            raise Failed(f"{verb} ended with {done.returncode}:\n{_last_lines(log)}")
        return json.loads((self.folder / f"{verb}.json").read_text())

    def _command(self, verb: str, *arguments: object) -> list[str]:
        return [str(self.python), "-m", "bench.peers.child", self.module, verb, *map(str, arguments)]

    @contextmanager
    def worker(self, processes: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Run the peer's workers in the block; yield those we started."""
        alone = 1 if self.said["forks"] else processes
        log = self.folder / "worker.log"
        with log.open("wb") as output:
            children = [
                subprocess.Popen(
                    self._command("work", processes // alone),
                    env=self.environment(processes // alone),
                    cwd=self.folder,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                for _ in range(alone)
            ]
        try:
            yield children
        except (TimeoutError, Failed) as error:
            raise Failed(f"{error}; the worker said:\n{_last_lines(log)}") from error
        finally:
            for child in children:
                child.terminate()
            for child in children:
                _end(child)


def _all_live(children: list[subprocess.Popen[bytes]]) -> None:
    ended = [child.returncode for child in children if child.poll() is not None]
    if ended:
        raise TimeoutError(f"a worker ended by itself with {ended[0]}")


def _end(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    # Processes that outlived their parent.
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])


def pss(pids: list[int]) -> float:
    """Megabytes of these processes and all under them; what they share is counted once."""
    total = 0
    for pid in {member for started in pids for member in family(started)}:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # it has just ended
            continue
        total += int(text.partition("Pss:")[2].split()[0])
    return total / 1024


# The figures.


def enqueue(case: Case, plan: Plan) -> dict[str, float]:
    """Calls per second, one by one and, where the peer has an interface for it, many at once."""
    case.begin()
    return case.ask("enqueue", plan.each_seconds)


def drain(case: Case, processes: int, plan: Plan) -> float:
    """Fill the queue, then let workers empty it; commands per second."""
    few = int(case.said.get("few", _FEW))
    about = None
    if processes not in case.speeds:
        # Once: how fast is it about?
        about = _drain(case, processes, few)
    speed = case.speeds[processes]
    wanted = int(min(speed * plan.drain_seconds, case.filling * plan.fill_seconds, _MANY))
    wanted = max(few, wanted, 4 * case.batch if speed > 1000 else 0)
    return about if about and wanted == few else _drain(case, processes, wanted)


def _drain(case: Case, processes: int, count: int) -> float:
    case.begin()
    filled = case.ask("fill", count)
    case.filling = filled["per s"]
    tally = Tally(case.folder / "stamps")
    with case.worker(processes) as children:
        tally.wait_for(count, _PATIENCE, processes, check=lambda: _all_live(children))
        time.sleep(0.2)  # what runs twice would come now
        if case.work == "kept":
            see_result(case, filled["id"])
    tally.look()
    if tally.count != count:
        raise Failed(f"{tally.count} commands began where {count} were put")
    if tally.processes > processes and case.peer["distribution"] != "django-q2":
        raise Failed(f"{tally.processes} processes ran commands where {processes} were asked for")
    case.speeds[processes] = tally.per_second(min(case.batch, count // 2))
    return case.speeds[processes]


def see_result(case: Case, id: str, within: float = _KEPT_WITHIN) -> None:
    """Raise ``Failed`` unless the store has the result of the command ``id`` in ``within`` seconds."""
    deadline = time.monotonic() + within
    while not case.ask("result", id)["kept"]:
        if time.monotonic() > deadline:
            raise Failed(f"the result of {id} was not kept within {within:.0f} s")


def idle(case: Case, plan: Idle) -> dict[str, Any]:
    """One worker with nothing to do: how soon it begins when there is something, and what it costs else."""
    waits = case.peer.get("waits", True)
    case.begin()
    with case.worker(1) as children:
        milliseconds = case.ask("pick_up", plan.samples, plan.longest_gap)["ms"] if waits else _began(case)
        time.sleep(plan.settle_seconds)
        memory = pss([child.pid for child in children])
        asked, used, began = queries(case.store), _cpu(children), time.monotonic()
        time.sleep(plan.seconds)
        used, elapsed = _cpu(children) - used, time.monotonic() - began
        answered = queries(case.store)
    if not waits:
        return {"pss mb": memory}
    return {
        "pss mb": memory,
        "ms": milliseconds,
        "cpu s per min": used / elapsed * 60,
        "queries per s": None if asked is None or answered is None else (answered - asked) / elapsed,
    }


def _began(case: Case) -> None:
    case.ask("fill", 1)
    Tally(case.folder / "stamps").wait_for(1, _PATIENCE)


def _cpu(children: list[subprocess.Popen[bytes]]) -> float:
    return sum(cpu_seconds(child.pid) for child in children)
