"""What ``bench.figures`` runs for each figure, store and kind of work: ``python -m bench.figures.child NAME PLAN FILE``."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import django

from bench.figures import fairness, kinds, lanes, latency, memory, scale, stages, store, waiting
from bench.figures.loads import Plan

_FIGURES = {
    "kinds": kinds,
    "latency": latency,
    "memory": memory,
    "scale": scale,
    "fairness": fairness,
    "store": store,
    "stages": stages,
    "lanes": lanes,
    "waiting": waiting,
}


def main(name: str, plan: str, file: str) -> None:
    """Leave the text, the head and the rows in ``file``."""
    django.setup()
    figure = _FIGURES[name]
    found = {"text": figure.__doc__, "head": figure.HEAD, "rows": figure.rows(Plan(**json.loads(plan)))}
    Path(file).write_text(json.dumps(found))


if __name__ == "__main__":
    # So that consumers and producers end with us.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    main(*sys.argv[1:])
