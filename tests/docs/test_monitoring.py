"""The metrics that pages, the dashboard and the alert rules name are those that the collector has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import combinations
from typing import Any

from tests.conftest import missing
from tests.scraping import bridge

from .tutorials import ROOT

MONITORING = ROOT / "docs" / "monitoring"
NAME = re.compile(r"\bdjutils_\w+")
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}


def exposed() -> set[str]:
    """Return the names of all samples."""
    families = bridge().QueueCollector().describe()
    return {f"{family.name}{suffix}" for family in families for suffix in SUFFIXES[family.type]}


def rules() -> list[dict[str, Any]]:
    if find_spec("yaml") is None:
        missing("'pyyaml' is not installed: pip install '.[test]'")
    parsed = import_module("yaml").safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))
    (group,) = parsed["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MONITORING / "grafana.json").read_text(encoding="utf-8"))
    return found


def expressions(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        yield from (target["expr"] for target in panel["targets"])


def closed(expression: str) -> bool:
    """Whether what is opened is closed."""
    return all(expression.count(left) == expression.count(right) for left, right in ("()", "[]", "{}"))


def test_the_reference_lists_every_metric_with_its_type_and_its_labels() -> None:
    page = (ROOT / "docs" / "reference" / "metrics.rst").read_text(encoding="utf-8")
    rows = re.findall(r"^    \* - ``(\w+)``\n      - (\w+)\n      - (.+)$", page, re.MULTILINE)
    listed = {(name, kind, *re.findall(r"\w+", labels)) for name, kind, labels in rows}

    assert listed == {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, *family._labelnames)
        for family in bridge().QueueCollector().describe()
    }


def test_the_alert_rules_are_rules_about_metrics_that_exist() -> None:
    known = exposed()

    assert len({rule["alert"] for rule in rules()}) == 5
    for rule in rules():
        named = set(NAME.findall(rule["expr"]))
        assert named and named <= known, rule
        assert closed(rule["expr"])
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[0-9]+m", rule.get("for", "1m"))
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert all(rule["annotations"][text] for text in ("summary", "description"))


def test_the_dashboard_shows_metrics_that_exist() -> None:
    panels = dashboard()["panels"]
    named = {name for expression in expressions(panels) for name in NAME.findall(expression)}

    assert named <= exposed()
    assert {"djutils_queue_up", "djutils_command_run_seconds_bucket", "djutils_command_runs_total"} <= named
    assert all(map(closed, expressions(panels)))
    assert all('queue=~"$queue"' in expression for expression in expressions(panels))


def test_the_dashboard_can_be_imported_anywhere() -> None:
    found = dashboard()
    variables = {variable["name"]: variable["type"] for variable in found["templating"]["list"]}
    sources = [panel["datasource"] for panel in found["panels"]]

    assert variables == {"datasource": "datasource", "queue": "query"}
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert "id" not in found, "Grafana gives it a number when it is imported"
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])


def test_no_panel_covers_another() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]

    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
