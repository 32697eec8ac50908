"""The guard: is djutils still as close to the bare stores as it was? ``python -m bench --guard``.

It measures djutils and the bare store in turns, so that other load on the machine affects both, and
compares ratios only. The floors are a third below the figures of a quiet machine. A figure below its floor is
measured again after the others, up to three times: noise passes, a real slowdown does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from bench import stores
from bench.peers.catalogue import declared
from bench.peers.measure import Case, Failed
from bench.text import aligned
from tests.servers import Unavailable

FLOORS = {
    "sqlite": {"enqueue": 0.40, "drain": 0.18},
    "postgres": {"enqueue": 0.32, "drain": 0.48},
    "redis": {"enqueue": 0.37, "drain": 0.20},
}
ATTEMPTS = 3

Measured = dict[str, dict[str, float]]
"""For ``enqueue`` and ``drain``: ``ours`` and ``bare`` per second, their ``ratio``, later ``attempts``."""

_MODULE = "with_djutils"
_COLUMNS = ("store", "what", "djutils", "bare store", "ratio", "at least", "attempts", "verdict")


def main(names: Sequence[str], results: Path | None = None) -> int:
    """Return 1 when something has become slower, or could not be measured; leave the table in ``results``."""
    if unknown := set(names) - set(FLOORS):
        print(f"There is no floor for {', '.join(unknown)}.", file=sys.stderr)
        return 1
    try:
        found = tried(names, _measured)
    except (Unavailable, Failed, psycopg.Error, subprocess.SubprocessError) as error:
        print(f"A store could not be measured: {error}", file=sys.stderr)
        return 1
    text = "\n".join(table(found))
    print(text)
    if results:
        results.write_text(text + "\n", encoding="utf-8")
    return 1 if any(below(name, measured) for name, measured in found.items()) else 0


def tried(names: Sequence[str], measure: Callable[[str, list[str]], Measured]) -> dict[str, Measured]:
    """Return the best attempt of each figure; ``measure`` is called again for those below their floors."""
    found: dict[str, Measured] = {name: {} for name in names}
    for attempt in range(1, ATTEMPTS + 1):
        for name, before in found.items():
            if wanted := below(name, before):
                _keep_better(before, measure(name, wanted), attempt)
    return found


def below(name: str, measured: Measured) -> list[str]:
    """What is not as fast as it should be, or not measured yet."""
    return [
        what
        for what, floor in FLOORS[name].items()
        if what not in measured or measured[what]["ratio"] < floor
    ]


def _keep_better(before: Measured, now: Measured, attempt: int) -> None:
    for what, one in now.items():
        kept = max(before.get(what, one), one, key=lambda each: each["ratio"])
        before[what] = kept | {"attempts": attempt}


def _measured(name: str, wanted: list[str]) -> Measured:
    with tempfile.TemporaryDirectory(prefix="djutils-guard-") as place:
        folder = Path(place)
        with stores.running(name, folder) as store:
            peer, python = declared(_MODULE), Path(sys.executable)
            case = Case(_MODULE, peer, "default", store, python, folder / "case")
            case.begin()
            command = [sys.executable, "-m", "bench.turns", *wanted]
            environment = case.environment(1)
            done = subprocess.run(command, env=environment, cwd=place, stdout=subprocess.PIPE, check=True)
            return dict(json.loads(done.stdout))


def table(found: dict[str, Measured]) -> list[str]:
    return aligned(
        _COLUMNS,
        [
            (
                store,
                what,
                f"{one['ours']:,.0f}/s",
                f"{one['bare']:,.0f}/s",
                f"{one['ratio']:.2f}",
                f"{FLOORS[store][what]:.2f}",
                f"{one['attempts']}",
                "slower" if what in below(store, measured) else "",
            )
            for store, measured in found.items()
            for what, one in measured.items()
        ],
    )
