"""The command: every peer on every store it knows, in random order, several rounds.

What it leaves with ``--json``, and what ``measured()`` answers to whoever measures more in the same run::

    {"seed": 7, "rounds": 3, "quick": false, "work": "noop", "machine": {...},
     "stores": {"redis": "what the server does before it answers a write", ...},
     "peers": {"with_rq": {
        "name": "RQ", "version": "3.0.0", "python": "3.11.7", "packages": {"redis": "8.1.0", ...},
        "stores": {"redis": {"default": {
            "what": "...", "kept": "no", "why": "...",
            "figures": {
                "enqueue per s": FIGURE, "enqueue many per s": FIGURE (absent where there is no such interface),
                "drain per s, 1 process": FIGURE, "drain per s, 2 processes": FIGURE,
                "pick-up p50 ms": FIGURE, "pick-up p95 ms": FIGURE, "pick-up p99 ms": FIGURE,
                "pss mb, 1 process": FIGURE}}}}}},
     "failed": [{"peer": "RQ", "module": "with_rq", "store": "redis", "configuration": "default", "round": 1,
                 "error": "... the last lines of its output"}],
     "not measured": {"name": "reason"}}

A FIGURE is ``{"median": 1.0, "min": 1.0, "max": 1.0, "all": [one per round]}``.
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
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from bench import stores
from bench.peers import summary
from bench.peers.catalogue import CONFIGURATIONS, NOT_MEASURED, WORK, declared, modules
from bench.peers.environments import NotInstalled, cache, environment
from bench.peers.measure import Case, Failed, Plan, drain, enqueue, pick_up
from tests.servers import Unavailable

FULL = Plan(drain_seconds=3.0, each_seconds=1.0, fill_seconds=6.0, samples=20, longest_gap=1.0)
QUICK = Plan(drain_seconds=0.7, each_seconds=0.4, fill_seconds=1.5, samples=8, longest_gap=0.5)


_FAILURES = (Failed, OSError, subprocess.SubprocessError, psycopg.Error, ArithmeticError, ValueError)


def main(argv: list[str] | None = None) -> int:
    """Answer 1 when a peer failed, else 0, whatever the figures are."""
    chosen = parser().parse_args(argv)
    found = measured(chosen)
    print(summary.table(found))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if found["failed"] else 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench.peers", description="Measure the peers of djutils.")
    made.add_argument("--quick", action="store_true", help="one round, short, the fastest configuration only")
    made.add_argument(
        "--peer", action="append", metavar="NAME", help="only this one, such as rq; again for more"
    )
    made.add_argument("--store", action="append", choices=stores.NAMES, help="only this one; again for more")
    made.add_argument("--configuration", action="append", choices=CONFIGURATIONS, help="only this one")
    made.add_argument("--work", default="noop", choices=WORK, help="what a command does; default %(default)s")
    made.add_argument("--rounds", type=int, help="default 3, with --quick 1")
    made.add_argument("--seed", type=int, default=random.randrange(10_000), help="of the order of turns")
    made.add_argument("--json", type=Path, metavar="FILE", help="leave every figure here as well")
    made.add_argument(
        "--environments", type=Path, default=cache(), metavar="FOLDER", help="default %(default)s"
    )
    return made


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """Everything that was found; the schema stands above."""
    plan = Plan(**(vars(QUICK if chosen.quick else FULL) | {"work": chosen.work}))
    rounds = chosen.rounds or (1 if chosen.quick else 3)
    found: dict[str, Any] = {
        "seed": chosen.seed,
        "rounds": rounds,
        "quick": chosen.quick,
        "work": chosen.work,
        "machine": _machine(),
        "stores": {},
        "peers": {},
        "failed": [],
        "not measured": dict(NOT_MEASURED),
    }
    _say(f"seed {chosen.seed}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="djutils-peers-")))
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
    configurations = set(chosen.configuration or (["fastest"] if chosen.quick else CONFIGURATIONS))
    running = _stores(chosen, folder, stack, found)
    cases = []
    for module in _chosen_modules(chosen.peer):
        peer = declared(module)
        wanted = [
            name
            for name in peer["stores"]
            if name in running and (chosen.work != "query" or "django" in peer)
        ]
        try:
            python = environment(module, chosen.environments) if wanted else Path()
        except NotInstalled as error:
            _failed(found, {"peer": peer["name"], "module": module, "error": str(error)})
            continue
        cases += [
            Case(module, peer, configuration, running[name], python, folder / "case", work=chosen.work)
            for name in wanted
            for configuration in sorted(configurations)
        ]
    return cases


def _chosen_modules(names: list[str] | None) -> list[str]:
    if not names:
        return modules()
    wanted = ["with_" + name.lower().replace("-", "_").removeprefix("with_") for name in names]
    unknown = set(wanted) - set(modules())
    if unknown:
        raise SystemExit(f"there is no {', '.join(sorted(unknown))}, but {', '.join(modules())}")
    return wanted


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
    return running


def _turn(case: Case, plan: Plan, number: int, found: dict[str, Any]) -> None:
    """One round of one case."""
    began = time.monotonic()
    try:
        turn = summary.Turn(
            enqueue(case, plan), drain(case, 1, plan), drain(case, 2, plan), pick_up(case, plan)
        )
    except _FAILURES as error:
        place = {"store": case.store.name, "configuration": case.configuration, "round": number}
        _failed(found, {"peer": case.peer["name"], "module": case.module, **place, "error": str(error)})
        return
    summary.add(found, case, turn)
    _say(f"  {turn} in {time.monotonic() - began:.0f} s")


def _failed(found: dict[str, Any], what: dict[str, Any]) -> None:
    found["failed"].append(what)
    _say("FAILED " + ", ".join(f"{name} {value}" for name, value in what.items()))


def _machine() -> dict[str, Any]:
    return {
        "processors": os.cpu_count(),
        "load at the start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
