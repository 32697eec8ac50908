"""Measures djutils alone, a table for each figure: ``python -m bench.figures``, ``--quick`` in some minutes."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import stores
from bench.figures.catalogue import FIGURES
from bench.peers.catalogue import declared
from bench.peers.measure import Case
from bench.text import aligned

_MODULE = "with_djutils"
_COMMANDS, _QUICK_COMMANDS = 1_000_000, 200_000


def main(chosen: argparse.Namespace) -> int:
    """Print a table for each figure; return 1 if something could not be measured."""
    commands = chosen.commands or (_QUICK_COMMANDS if chosen.quick else _COMMANDS)
    plan = json.dumps({"quick": chosen.quick, "commands": commands})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="djutils-figures-")))
        running = [
            stack.enter_context(stores.running(name, folder))
            for name in chosen.store or ("redis", "postgres", "sqlite")
        ]
        print(f"{os.cpu_count()} processors; {', '.join(map(stores.version, running))}", flush=True)
        good = [_figure(name, running, plan, folder) for name in chosen.figure or FIGURES]
    return 0 if all(good) else 1


def _figure(name: str, running: Iterable[stores.Store], plan: str, folder: Path) -> bool:
    """Measure one figure on every store and print it; return whether all could be measured."""
    head, rows, text, good = [], [], "", True
    for store in running:
        for work in FIGURES[name]:
            case = Case(
                _MODULE, declared(_MODULE), "fastest", store, Path(sys.executable), folder / "case", work
            )
            try:
                found = _found(case, name, plan)
            except subprocess.CalledProcessError as error:
                print(f"{name} on {store.name} could not be measured: {error}", file=sys.stderr)
                good = False
                continue
            text, head = found["text"].strip(), ["store", *found["head"]]
            rows += [[store.name, *row] for row in found["rows"]]
    if rows:
        print("\n".join(["", name, "-" * len(name), "", text, "", *aligned(head, rows)]), flush=True)
    return good


def _found(case: Case, name: str, plan: str) -> dict[str, Any]:
    case.begin()
    file = case.folder / "figure.json"
    command = [sys.executable, "-m", "bench.figures.child", name, plan, str(file)]
    child = subprocess.Popen(command, env=case.environment(1), cwd=case.folder)
    try:
        if child.wait():
            raise subprocess.CalledProcessError(child.returncode, command)
    finally:
        # Not killed: it has consumers to end.
        child.terminate()
        child.wait()
    return dict(json.loads(file.read_text()))


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench.figures", description=__doc__)
    made.add_argument("--store", action="append", choices=stores.NAMES, help="only this one; again for more")
    made.add_argument(
        "--figure", action="append", choices=list(FIGURES), help="only this one; again for more"
    )
    made.add_argument("--quick", action="store_true", help="short, with few samples")
    made.add_argument(
        "--commands",
        type=int,
        metavar="COUNT",
        help=f"how many run while memory is looked at; default {_COMMANDS}, with --quick {_QUICK_COMMANDS}",
    )
    return made


if __name__ == "__main__":
    # So that every process we started ends with us.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main(_parser().parse_args()))
