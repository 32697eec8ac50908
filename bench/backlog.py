"""Does a queue slow down with a large backlog? ``python -m bench.backlog``, some minutes per store.

One worker process drains some thousands of commands: from a queue that holds nothing else, with a
million waiting behind them, with a million delayed ones of higher priority, and on PostgreSQL while
a long transaction keeps vacuum from removing anything.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import stores
from bench.peers.catalogue import declared
from bench.peers.measure import Case

_MODULE = "with_djutils"


def main(names: list[str], million: int) -> None:
    """Print a table for each store."""
    for name in names:
        with tempfile.TemporaryDirectory(prefix="djutils-backlog-") as place:
            folder = Path(place)
            with stores.running(name, folder) as store:
                case = Case(
                    _MODULE, declared(_MODULE), "fastest", store, Path(sys.executable), folder / "case"
                )
                case.begin()
                command = [sys.executable, "-m", "bench.heaps", str(million)]
                subprocess.run(command, env=case.environment(1), cwd=place, check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.backlog", description=__doc__)
    parser.add_argument(
        "--store", action="append", choices=stores.NAMES, help="only this one; again for more"
    )
    parser.add_argument("--million", type=int, default=1_000_000, metavar="COUNT", help="default %(default)s")
    chosen = parser.parse_args()
    main(chosen.store or ["redis", "postgres", "sqlite"], chosen.million)
