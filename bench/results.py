"""What a run has found, as reStructuredText for people."""

from __future__ import annotations

import textwrap
from typing import Any

from bench.found import BARE, KEPT_PART, PARTS, STORES, Row, rows
from bench.goals import NOT_MEASURED, Goal, goals
from bench.peers.catalogue import WORK
from bench.text import aligned

KEPT = {
    "yes": "runs again",
    "failed": "marked as failed",
    "stuck": "stays as running",
    "lost": "lost (at most once)",
}

_COLUMNS = {
    "enqueue per s": "enqueue/s",
    "enqueue of bare": "of bare",
    "enqueue by Django per s": "by Django/s",
    "enqueue many per s": "many/s",
    "enqueue many of bare": "of bare",
    "drain per s, 1 process": "drain/s, 1",
    "drain per s, 2 processes": "drain/s, 2",
    "drain of bare": "of bare",
    **{f"{work} per s, 2 processes": f"{work}/s, 2" for work in WORK if work != "noop"},
    KEPT_PART: "of noop",
    "pick-up p50 ms": "p50 ms",
    "pick-up p95 ms": "p95 ms",
    "pick-up p99 ms": "p99 ms",
    "pss mb, 1 process": "PSS MB",
    "idle cpu s per min": "idle CPU s/min",
    "idle queries per s": "idle queries/s",
}
_PACKAGES = ("django", "psycopg", "asyncpg", "redis", "hiredis", "uvloop")
_WIDTH = 118
_LEGEND = (
    "In the tables of the stores are medians of the rounds (smallest-largest). 'of bare' is the part of what the bare "
    "store does in the same configuration, measured right after the case in each round; of drains the better of one "
    "and two processes. 'by Django' is a bare INSERT by Django's cursor, the others are the driver's. p50 to p99 are "
    "milliseconds from the call until an idle worker begins it. PSS is of all processes of one idle worker. Queries "
    "are Redis's commands, those in scripts too, or PostgreSQL's transactions."
)

_OF_SLEEP = " Commands that sleep run in 32 threads of each worker process where a case has threads and no coroutines."

_OF_KEPT = (
    " In 'kept/s, 2' are commands per second, two processes, results kept: each command returns a small number, and after "
    "each drain the harness asked for the result of the last one. 'of noop' is the part it is of 'drain/s, 2' of the same "
    "run, whose commands return nothing; a configuration that always keeps results keeps those too. Commands count when "
    "they begin: what a worker does with the results of its last batch is not in the time."
)


def render(found: dict[str, Any]) -> str:
    """Return the whole text; ``bench.run`` has the schema of ``found``."""
    chapters = [_head(found), _goals(found)]
    chapters += [_store(found, store) for store in STORES if store in found["stores"]]
    chapters += [_results_kept(found), _kept(found), _versions(found), _left_out(found)]
    return "\n\n".join("\n".join(lines) for lines in chapters if lines) + "\n"


def _head(found: dict[str, Any]) -> list[str]:
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    return [
        *_title("Results", "="),
        *_paragraph(
            f"Measured on {found['date']}: {machine}. Compare ratios, never the absolute figures: every "
            f"round measured the peers, djutils and the bare stores one after another in random order."
        ),
        "",
        *_paragraph(
            f"Rounds: {found['rounds']}, seed {found['seed']}, command: {found['work']}. To repeat it::"
        ),
        "",
        f"    {found['command']}",
        "",
        *_paragraph(_legend(found["work"].split(", "))),
        *(["", *_paragraph(found["note"])] if "note" in found else []),
    ]


def _legend(works: list[str]) -> str:
    return _LEGEND + (_OF_SLEEP if "sleep" in works else "") + (_OF_KEPT if "kept" in works else "")


def _goals(found: dict[str, Any]) -> list[str]:
    text = (
        "The best arrangement of djutils against the best arrangement of the other, over configurations "
        "and numbers of processes. Upper limits hold for every configuration."
    )
    stated = goals(found)
    if found["work"] != "noop" or all(goal.verdict == NOT_MEASURED for goal in stated):
        return []
    return [*_title("Goals", "-"), *_paragraph(text), "", *aligned(Goal._fields, stated)]


# One store.


def _store(found: dict[str, Any], store: str) -> list[str]:
    here = rows(found, store)
    columns = [name for name in _COLUMNS if any(name in row.figures for row in here)]
    head = ["case", "configuration", "after kill -9", *(_COLUMNS[name] for name in columns)]
    lines = [_cells(row, columns) for row in here]
    return [*_title(STORES[store], "-"), *_paragraph(f"{found['stores'][store]}."), "", *aligned(head, lines)]


def _cells(row: Row, columns: list[str]) -> list[str]:
    kept = "" if row.module == BARE else KEPT[row.kept]
    return [row.name, row.configuration, kept, *(_figure(name, row.figures.get(name)) for name in columns)]


def _figure(name: str, figure: dict[str, Any] | None) -> str:
    if figure is None:
        return ""
    if name in {*PARTS, KEPT_PART}:
        return f"{figure['median']:.3f}"
    median, least, most = (_number(figure[name]) for name in ("median", "min", "max"))
    return median if least == most else f"{median} ({least}-{most})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


# What stands behind the figures.


def _results_kept(found: dict[str, Any]) -> list[str]:
    if "kept" not in found["work"].split(", "):
        return []
    peers = sorted(found["peers"].items())
    said = [f"* {peer['name']}: {peer['results']}." for _, peer in peers if "results" in peer]
    text = "For 'kept/s, 2' in both configurations; what a configuration says of results holds for 'drain/s, 2' only."
    lines = [line for one in said for line in _paragraph(one, "  ")]
    return [*_title("How results are kept", "-"), *_paragraph(text), "", *lines]


def _kept(found: dict[str, Any]) -> list[str]:
    lines = _title("After kill -9 of a worker", "-")
    for module, peer in sorted(found["peers"].items()):
        for configuration in _arrangements(peer) if module != BARE else {}:
            lines += _paragraph(f"* {peer['name']}, {configuration}", "  ")
    return lines


def _arrangements(peer: dict[str, Any]) -> dict[str, None]:
    """What a peer says of its configurations; what it says of all stores alike stands once."""
    said: dict[str, None] = {}
    for store, kept in peer["stores"].items():
        for name, one in kept.items():
            differs = len({other[name]["kept"] for other in peer["stores"].values() if name in other}) > 1
            where = f" on {STORES[store]}" if differs else ""
            said[f"{name}{where} ({one['what']}): {KEPT[one['kept']]}; {one['why']}."] = None
    return said


def _versions(found: dict[str, Any]) -> list[str]:
    lines = _title("Versions", "-")
    lines += [*_paragraph(", ".join(found["versions"].values()) + "."), ""]
    for module, peer in sorted(found["peers"].items()):
        if module == BARE:
            continue
        packages = {name.lower(): version for name, version in peer["packages"].items()}
        used = [
            f"Python {peer['python']}",
            *(f"{one} {packages[one]}" for one in _PACKAGES if one in packages),
        ]
        lines += _paragraph(f"* {peer['name']} {peer['version']}: {', '.join(used)}", "  ")
    return lines


def _left_out(found: dict[str, Any]) -> list[str]:
    lines = [f"* not measured: {name}, {reason}" for name, reason in found["not measured"].items()]
    for failed in found["failed"]:
        place = ", ".join(str(value) for name, value in failed.items() if name not in {"error", "module"})
        # The last lines of its output stand in the JSON.
        lines += _paragraph(f"* failed: {place}: {failed['error'].partition(chr(10))[0]}", "  ")
    return [*_title("Left out", "-"), *lines] if lines else []


def _title(text: str, rule: str) -> list[str]:
    return [text, rule * len(text), ""]


def _paragraph(text: str, further: str = "") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )
