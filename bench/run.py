"""The command: starts the stores, measures each in a process of its own, prints one table."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench import stores, table
from bench.processes import is_linux
from tests.servers import Unavailable


def main(argv: list[str] | None = None) -> int:
    """Answer 1 when a store could not be measured, else 0, whatever the figures are."""
    chosen = _parser().parse_args(argv)
    if not is_linux():
        print("The measurements read processor times as Linux keeps them.", file=sys.stderr)
        return 1
    found: dict[str, Any] = {"machine": _machine(), "stores": {}}
    failed = 0
    for name in chosen.store.split(","):
        try:
            found["stores"][name] = _measure(name, chosen)
        except (Unavailable, subprocess.CalledProcessError) as error:
            print(f"{name} could not be measured: {error}", file=sys.stderr)
            failed = 1
    print(table.render(found))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n")
    return failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--store", default=",".join(stores.NAMES), help="which ones; default %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="leave every figure here as well")
    parser.add_argument("--count", type=int, default=10_000, help="messages per drain; default %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="turns of ours and bare; default %(default)s")
    parser.add_argument("--samples", type=int, default=16, help="pick-ups; default %(default)s")
    return parser


def _measure(name: str, chosen: argparse.Namespace) -> dict[str, Any]:
    if name not in stores.NAMES:
        raise Unavailable(f"there is no store of this name, but {', '.join(stores.NAMES)}")
    plan = {
        "rounds": chosen.rounds,
        "seconds": 0.4,
        "count": chosen.count,
        "idle": 8.0,
        "samples": chosen.samples,
    }
    with tempfile.TemporaryDirectory(prefix="djutils-bench-") as folder, _started(name, folder) as store:
        print(f"{name}: {store.what} ...", file=sys.stderr)
        environment = {
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "BENCH_STORE": store.name,
            "BENCH_URL": store.url,
            "BENCH_FOLDER": folder,
        }
        subprocess.run(
            [sys.executable, "-m", "bench.measure", json.dumps(plan)],
            env=os.environ | environment,
            check=True,
        )
        return {"what": store.what} | json.loads((Path(folder) / "found.json").read_text())


def _started(name: str, folder: str) -> Any:
    return stores.running(name, Path(folder))


def _machine() -> dict[str, Any]:
    return {
        "processors": os.cpu_count(),
        "load at the start": round(os.getloadavg()[0], 2),
        "python": sys.version.split()[0],
    } | {name: _version(name) for name in ("django", "psycopg", "redis", "hiredis")}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
