"""The table of results of all runs, for the terminal or the documentation."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from .driver import Row

HEADS = (
    *("fault", "backend", "tried", "sent", "executed", "dead", "lost", "doubled", "doubled within a lease"),
    *("recovery s", "took s"),
)
_NAMES = {
    "sqlite": "SQLite",
    "postgres": "PostgreSQL",
    "mariadb": "MariaDB",
    "redis": "Redis",
    "folder": "four methods",
}


def cells(row: Row) -> tuple[str, ...]:
    """One run as text, in the order of ``HEADS``."""
    verdict = row.verdict
    counts = (
        *(row.tried, verdict.sent, verdict.executed, verdict.dead, len(verdict.lost)),
        *(verdict.doubled, len(verdict.doubled_within_lease)),
    )
    return (row.fault, row.backend, *map(str, counts), f"{row.recovery:.1f}", f"{row.took:.1f}")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines for a terminal."""
    table = [HEADS, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    ]


def write_csv(rows: Sequence[Sequence[str]], path: Path) -> None:
    """Write a line for each fault, all its backends together, and one with the sums."""
    runs = [dict(zip(HEADS, row, strict=True)) for row in rows]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for fault in sorted({run["fault"] for run in runs}):
            same = [run for run in runs if run["fault"] == fault]
            backends = ", ".join(
                name for key, name in _NAMES.items() if key in {run["backend"] for run in same}
            )
            writer.writerow([fault, backends, *_summed(same)])
        writer.writerow([f"{len(runs)} runs in all", "", *_summed(runs)])


def _summed(runs: Sequence[dict[str, str]]) -> list[str]:
    counted = ("tried", "sent", "lost", "doubled within a lease")
    sums = [str(sum(int(run[head]) for run in runs)) for head in counted]
    return [*sums, f"{max(float(run['recovery s']) for run in runs):.1f}"]
