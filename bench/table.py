"""The table: ratios first, since only they mean anything on another machine."""

from __future__ import annotations

from typing import Any

TARGETS = {"enqueue": 0.5, "drain": 0.25}

_COLUMNS = ("", "ours", "bare", "ratio", "asked for")


def render(found: dict[str, Any]) -> str:
    """Answer everything that was found, for people."""
    lines = [", ".join(f"{name} {value}" for name, value in found["machine"].items())]
    for name, store in found["stores"].items():
        lines += ["", f"{name}: {store['what']}", *_table(_rows(store)), *_notes(store)]
    return "\n".join(lines)


def _rows(store: dict[str, Any]) -> list[tuple[str, ...]]:
    enqueue, drain, idle = store["enqueue"], store["drain"], store["idle"]
    queries = "" if idle["queries per s"] is None else f"{idle['queries per s']:.1f} queries/s"
    return [
        (
            "enqueue, one by one",
            f"{enqueue['us']:.0f} us",
            f"{enqueue['bare us']:.0f} us",
            _ratio(enqueue),
            f">= {TARGETS['enqueue']}",
        ),
        (
            "drain of no-op commands, 1 process, 1 thread",
            f"{drain['per s']:,.0f}/s",
            f"{drain['bare per s']:,.0f}/s",
            _ratio(drain),
            f">= {TARGETS['drain']}",
        ),
        (
            "pick-up by an idle consumer, p50 / p95",
            f"{idle['p50 ms']:.1f} / {idle['p95 ms']:.1f} ms",
            "",
            "",
            "",
        ),
        ("idle consumer, all its processes", f"{idle['cpu s per min']:.2f} CPU s/min", queries, "", ""),
    ]


def _ratio(measured: dict[str, Any]) -> str:
    return f"{measured['ratio']:.2f} ({min(measured['ratios']):.2f}-{max(measured['ratios']):.2f})"


def _notes(store: dict[str, Any]) -> list[str]:
    enqueue, drain = store["enqueue"], store["drain"]
    both = enqueue["both us"]
    also = f"; payload and id apart, in one MULTI: {both:.0f} us" if both else ""
    return [
        f"  bare write: {store['bare write']}, {enqueue['bytes']} bytes{also}",
        f"  bare drain: {store['bare drain']}",
        f"  the consumer's processor time while draining: {drain['cpu us']:.0f} us per command",
    ]


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    every = [_COLUMNS, *rows]
    widths = [max(len(row[place]) for row in every) for place in range(len(_COLUMNS))]
    lines = [
        "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in every
    ]
    rule = "  " + "  ".join("-" * width for width in widths)
    return [lines[0], rule, *lines[1:]]
