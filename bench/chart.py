"""Draws how fast queues are drained: a picture for each store, as SVG, from what a run has found.

Its colours are visible on white and on black, because the background is unknown.
"""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

from bench.found import BARE, OURS, STORES, best, rows

_WIDTH = 760
_LEFT, _RIGHT, _NUMBER = 240, 80, 72
_BAR, _STEP, _TOP, _GAP = 16, 24, 34, 26
_TEXT, _PEER, _OURS = "#7b7b7b", "#9c9c9c", "#2f80ed"

_STYLE = (
    f"text {{ font: 13px system-ui, sans-serif; fill: {_TEXT} }}"
    f" .title {{ font-weight: 600; font-size: 15px }}"
    f" .ours {{ font-weight: 600; fill: {_OURS} }}"
    f" .limit {{ stroke: {_TEXT}; stroke-dasharray: 4 3 }}"
)


class Bar(NamedTuple):
    """The fastest arrangement of one case."""

    name: str
    speed: float
    loses: bool
    ours: bool


def bars(found: dict[str, Any], store: str) -> list[Bar]:
    """Return the fastest first. ``loses``: a killed worker's command is lost, in the fastest arrangement."""
    fastest = best(found, store, "drain")
    made = {}
    for row in rows(found, store):
        speeds = row.medians("drain")
        if row.module != BARE and fastest.get(row.module) in speeds:
            made[row.module] = Bar(row.name, max(speeds), row.kept == "lost", row.module == OURS)
    return sorted(made.values(), key=lambda bar: -bar.speed)


def draw(found: dict[str, Any]) -> str:
    """Return the picture."""
    lines, y = [], 0
    for store in STORES:
        if here := bars(found, store):
            lines += _panel(store, here, best(found, store, "drain").get(BARE), y)
            y += _TOP + _STEP * len(here) + _GAP
    lines.append(_text(8, y + 4, "* loses the command that a killed worker runs"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 14}" role="img">'
    title = "<title>Commands drained per second, the fastest arrangement of each</title>"
    return "\n".join([head, title, f"<style>{_STYLE}</style>", *lines, "</svg>"]) + "\n"


def _panel(store: str, here: list[Bar], limit: float | None, y: int) -> list[str]:
    scale = (_WIDTH - _LEFT - _RIGHT) / max(limit or 0.0, here[0].speed)
    lines = [_text(8, y + 18, f"{STORES[store]}: commands per second", ' class="title"')]
    for place, bar in enumerate(here):
        lines += _bar(bar, y + _TOP + place * _STEP, scale)
    if limit:
        lines += _limit(store, limit, limit * scale + _LEFT, y, y + _TOP + len(here) * _STEP)
    return lines


def _bar(bar: Bar, y: int, scale: float) -> list[str]:
    width = max(bar.speed * scale, 1.0)
    kind = ' class="ours"' if bar.ours else ""
    colour = _OURS if bar.ours else _PEER
    baseline = y + _BAR - 3
    name = bar.name + (" *" if bar.loses else "")
    return [
        _text(_LEFT - _NUMBER, baseline, name, kind + ' text-anchor="end"'),
        _text(_LEFT - 8, baseline, f"{bar.speed:,.0f}", kind + ' text-anchor="end"'),
        f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>',
    ]


def _limit(store: str, limit: float, x: float, top: int, bottom: int) -> list[str]:
    """The bare store is a line, not a bar: it runs nothing."""
    return [
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + _TOP - 6}" y2="{bottom}" class="limit"/>',
        _text(round(x), top + 18, f"bare {STORES[store]} {limit:,.0f}", ' text-anchor="middle"'),
    ]


def _text(x: int, y: int, text: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}"{more}>{escape(text)}</text>'
