"""Reading metrics as Prometheus does: by the parsers of its own client."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.test import RequestFactory

from tests.conftest import missing

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Scrape:
    """What one request for the metrics gave."""

    def __init__(self, accept: str = "text/plain") -> None:
        response = bridge().metrics(RequestFactory().get("/metrics", headers={"accept": accept}))
        assert response.status_code == 200
        self.content_type: str = response["Content-Type"]
        self.text: str = response.content.decode()
        openmetrics = self.content_type.startswith("application/openmetrics-text")
        parser = import_module(f"prometheus_client.{'openmetrics.' if openmetrics else ''}parser")
        self.families = {family.name: family for family in parser.text_string_to_metric_families(self.text)}
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """Return the number of a sample; None if it is absent."""
        return self._values.get((name, frozenset(labels.items())))

    def told_of(self, queue: str) -> list[tuple[str, Mapping[str, str]]]:
        """Return the names and the labels of every sample about ``queue``."""
        return [(name, dict(labels)) for name, labels in self._values if ("queue", queue) in labels]

    def counters(self) -> dict[Any, float]:
        """Return everything that must never decrease."""
        kinds = ("_total", "_bucket", "_count", "_sum")
        return {key: value for key, value in self._values.items() if key[0].endswith(kinds)}


def bridge() -> Any:
    """Return ``djutils.contrib.prometheus``; skip the test where its package is missing."""
    if find_spec("prometheus_client") is None:
        missing("'prometheus-client' is not installed: pip install '.[test]'")
    return import_module("djutils.contrib.prometheus")
