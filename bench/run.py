"""The command: djutils, its peers and the bare stores, in random order, several rounds.

What it leaves with ``--json`` and takes with ``--from``::

    {"date": "2026-11-24", "command": "how to repeat it", "seed": 7, "rounds": 3, "quick": false,
     "work": "noop", "machine": {...},
     "stores": {"redis": "what the server does before it answers a write", ...},
     "versions": {"redis": "Redis 8.0.2", ...},
     "peers": {"with_rq": {
        "name": "RQ", "version": "3.0.0", "python": "3.11.7", "packages": {"redis": "8.1.0", ...},
        "results": "how it keeps them" (absent where that is not measured),
        "stores": {"redis": {"default": {
            "what": "...", "kept": "yes", "why": "...",
            "figures": {
                "enqueue per s": FIGURE, "enqueue many per s": FIGURE (absent where there is no such interface),
                "drain per s, 1 process": FIGURE, "drain per s, 2 processes": FIGURE,
                "kept per s, 2 processes": FIGURE, "kept of noop": FIGURE (both only with ``--work kept``, as others of its kind),
                "enqueue of bare": FIGURE, "enqueue of bare by Django": FIGURE,
                "enqueue many of bare": FIGURE, "drain of bare": FIGURE (all four absent of the bare store),
                "pick-up p50 ms": FIGURE, "pick-up p95 ms": FIGURE, "pick-up p99 ms": FIGURE,
                "idle cpu s per min": FIGURE, "idle queries per s": FIGURE (absent where the server does not count),
                "pss mb, 1 process": FIGURE}}}}}},
     "failed": [{"peer": "RQ", "module": "with_rq", "store": "redis", "configuration": "default", "round": 1,
                 "error": "... the last lines of its output"}],
     "not measured": {"name": "reason"},
     "note": "what else ran meanwhile" (absent without ``--note``)}

``with_djutils`` and ``with_bare`` stand among the peers. A FIGURE is ``{"median": 1.0, "min": 1.0, "max": 1.0, "all": [one per round]}``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench import chart, guard, results, stores
from bench.found import BARE, OURS
from bench.peers import summary
from bench.peers.catalogue import CONFIGURATIONS, LEADERS, NOT_MEASURED, WORK, declared, modules
from bench.peers.environments import NotInstalled, cache, environment
from bench.peers.measure import Case, Failed, Idle, Plan, drain, enqueue, idle
from bench.peers.protocol import ROOT
from bench.processes import is_linux
from tests.servers import Unavailable

FULL = Plan(
    drain_seconds=0.7,
    each_seconds=0.4,
    fill_seconds=1.5,
    processes=(1, 2),
    idle=Idle(samples=8, longest_gap=0.5, settle_seconds=0.5, seconds=1.5),
)
QUICK = Plan(drain_seconds=0.4, each_seconds=0.2, fill_seconds=0.8, processes=(2,))

_RESULTS, _CHART = Path("bench/RESULTS.rst"), Path("docs/_static/speed.svg")
_WHERE = "if everything is measured, default "

_FAILURES = (Failed, OSError, subprocess.SubprocessError, psycopg.Error, ArithmeticError, ValueError)


def main(argv: list[str] | None = None) -> int:
    """Return 1 when a case failed or the guard says no, else 0, whatever the figures are."""
    chosen = parser().parse_args(argv)
    if not is_linux():
        print("The measurements read processes as Linux shows them.", file=sys.stderr)
        return 1
    if chosen.guard:
        return guard.main(chosen.store or list(guard.FLOORS), chosen.results)
    found = json.loads(chosen.found.read_text()) if chosen.found else _measured(chosen)
    if chosen.note:
        found["note"] = chosen.note
    text = results.render(found)
    print(text)
    if is_whole(chosen):
        chosen.results, chosen.chart = chosen.results or ROOT / _RESULTS, chosen.chart or ROOT / _CHART
    left = {
        chosen.json: json.dumps(found, indent=2) + "\n",
        chosen.results: text,
        chosen.chart: chart.draw(found),
    }
    for file, content in left.items():
        if file:
            file.write_text(content)
    return 1 if found["failed"] else 0


def is_whole(chosen: argparse.Namespace) -> bool:
    """Is everything there is to be measured?"""
    parts = chosen.found or chosen.quick or chosen.peer or chosen.store or chosen.configuration or chosen.work
    return not parts


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench", description="Measure djutils, its peers and the bare stores."
    )
    made.add_argument(
        "--guard", action="store_true", help="only see to it that djutils has not become slower"
    )
    made.add_argument(
        "--quick", action="store_true", help="one short round of the fastest peers, as fast as they can be"
    )
    made.add_argument(
        "--peer",
        action="append",
        metavar="NAME",
        help="only this one, such as rq, djutils or bare; again for more",
    )
    made.add_argument("--store", action="append", choices=stores.NAMES, help="only this one; again for more")
    made.add_argument("--configuration", action="append", choices=CONFIGURATIONS, help="only this one")
    made.add_argument(
        "--work",
        action="append",
        choices=WORK,
        help="what a command does, again for more; default noop; of others, or several, only the drain by two processes is "
        "measured; with kept, only peers that keep results take part",
    )
    made.add_argument("--rounds", type=int, help="default 3, with --quick 1")
    made.add_argument("--seed", type=int, default=random.randrange(10_000), help="of the order of turns")
    made.add_argument(
        "--from", type=Path, metavar="FILE", dest="found", help="measure nothing, take what --json left"
    )
    made.add_argument(
        "--note", metavar="TEXT", help="what readers should know, such as what else ran meanwhile"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="leave every figure here")
    made.add_argument("--results", type=Path, metavar="FILE", help=f"leave the text here; {_WHERE}{_RESULTS}")
    made.add_argument("--chart", type=Path, metavar="FILE", help=f"leave a picture here; {_WHERE}{_CHART}")
    made.add_argument(
        "--environments", type=Path, default=cache(), metavar="FOLDER", help="default %(default)s"
    )
    return made


def _measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """Everything that was found; the schema stands above."""
    plan = replace(QUICK if chosen.quick else FULL, only_drains=(chosen.work or ["noop"]) != ["noop"])
    rounds = chosen.rounds or (1 if chosen.quick else 3)
    found: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": _command(chosen, rounds),
        "seed": chosen.seed,
        "rounds": rounds,
        "quick": chosen.quick,
        "work": ", ".join(chosen.work or ["noop"]),
        "machine": _machine(),
        "stores": {},
        "versions": {},
        "peers": {},
        "failed": [],
        "not measured": dict(NOT_MEASURED),
    }
    _say(f"seed {chosen.seed}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="djutils-bench-")))
        cases = _cases(chosen, folder, stack, found)
        order = random.Random(chosen.seed)
        for number in range(1, rounds + 1):
            order.shuffle(cases)
            for case in cases:
                _say(f"round {number}: {case}")
                _turn(case, plan, number, found)
    summary.close(found)
    return found


def _cases(chosen: argparse.Namespace, folder: Path, stack: ExitStack, found: dict[str, Any]) -> list[Case]:
    """What is to be measured: servers started, environments made."""
    works = chosen.work or ["noop"]
    running = _stores(chosen, folder, stack, found)
    cases = []
    for module, where in _chosen_modules(chosen).items():
        peer = declared(module)
        if reason := reason_to_leave_out(peer, works):
            found["not measured"][peer["name"]] = reason
            continue
        wanted = [name for name in where if name in running]
        try:
            python = environment(module, chosen.environments) if wanted else Path()
        except NotInstalled as error:
            _failed(found, {"peer": peer["name"], "module": module, "error": str(error)})
            continue
        cases += [
            Case(module, peer, configuration, running[name], python, folder / "case", work=work)
            for name in wanted
            for configuration in _configurations(chosen)
            for work in works
            if _can(peer, work)
        ]
    if works == ["noop"]:
        _set_beside(cases, environment(BARE, chosen.environments))
    return cases


def _configurations(chosen: argparse.Namespace) -> list[str]:
    return sorted(set(chosen.configuration or (["fastest"] if chosen.quick else CONFIGURATIONS)))


def _set_beside(cases: list[Case], python: Path) -> None:
    """Give each case the bare store it is compared with; those that are alike share it."""
    peer = declared(BARE)
    bare: dict[tuple[str, str], Case] = {}
    for case in cases:
        if case.module != BARE:
            alike = case.store.name, case.configuration
            fresh = Case(BARE, peer, case.configuration, case.store, python, case.folder)
            case.bare = bare.setdefault(alike, fresh)


def reason_to_leave_out(peer: dict[str, Any], works: Sequence[str]) -> str | None:
    """Return why the peer has no part in a run of these works; None: it has."""
    return peer["without results"] if "kept" in works and "results" not in peer else None


def _can(peer: dict[str, Any], work: str) -> bool:
    return work == "noop" or (peer.get("waits", True) and (work != "query" or "django" in peer))


def _chosen_modules(chosen: argparse.Namespace) -> dict[str, Sequence[str]]:
    """Which, and on which stores."""
    everywhere = {module: declared(module)["stores"] for module in modules()}
    if not chosen.peer:
        return {OURS: everywhere[OURS], BARE: everywhere[BARE], **LEADERS} if chosen.quick else everywhere
    wanted = ["with_" + name.lower().replace("-", "_").removeprefix("with_") for name in chosen.peer]
    unknown = set(wanted) - set(everywhere)
    if unknown:
        raise SystemExit(f"there is no {', '.join(sorted(unknown))}, but {', '.join(everywhere)}")
    return {module: everywhere[module] for module in wanted}


def _stores(
    chosen: argparse.Namespace, folder: Path, stack: ExitStack, found: dict[str, Any]
) -> dict[str, stores.Store]:
    running = {}
    for name in chosen.store or stores.NAMES:
        try:
            running[name] = stack.enter_context(stores.running(name, folder))
        except Unavailable as error:
            _failed(found, {"store": name, "error": str(error)})
            continue
        found["stores"][name] = running[name].what
        found["versions"][name] = stores.version(running[name])
    return running


def _turn(case: Case, plan: Plan, number: int, found: dict[str, Any]) -> None:
    """One round of one case."""
    began = time.monotonic()
    try:
        figures = _measure(case, plan)
    except _FAILURES as error:
        place = {"store": case.store.name, "configuration": case.configuration, "round": number}
        _failed(found, {"peer": case.peer["name"], "module": case.module, **place, "error": str(error)})
        return
    summary.add(found, case, figures)
    shown = ", ".join(f"{name} {value:,.{1 if value >= 1 else 3}f}" for name, value in figures.items())
    _say(f"  {shown} in {time.monotonic() - began:.0f} s")


def _measure(case: Case, plan: Plan) -> dict[str, float]:
    if case.work != "noop" or plan.only_drains:
        name = "drain" if case.work == "noop" else case.work
        return {f"{name} per s, 2 processes": drain(case, 2, plan)}
    turn = _round(case, plan)
    return turn.figures() | (turn.of(_round(case.bare, QUICK)) if case.bare else {})


def _round(case: Case, plan: Plan) -> summary.Turn:
    return summary.Turn(
        enqueue(case, plan),
        {processes: drain(case, processes, plan) for processes in plan.processes},
        idle(case, plan.idle) if plan.idle else {},
    )


def _failed(found: dict[str, Any], what: dict[str, Any]) -> None:
    found["failed"].append(what)
    _say("FAILED " + ", ".join(f"{name} {value}" for name, value in what.items()))


def _command(chosen: argparse.Namespace, rounds: int) -> str:
    """How to have the same again, in the same order."""
    words = ["python -m bench", *(["--quick"] if chosen.quick else [])]
    for option in ("peer", "store", "configuration", "work"):
        words += [f"--{option} {value}" for value in getattr(chosen, option) or ()]
    return " ".join([*words, f"--rounds {rounds} --seed {chosen.seed}"])


def _machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "load at the start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
