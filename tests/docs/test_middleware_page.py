"""The how-to about middleware is true: what it shows is put into a project and used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue import queue_command
from djutils.queue.backends import queues
from djutils.queue.ids import new_id
from djutils.testing import drain

from .tutorials import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "write-a-middleware.rst"
seen: list[Any] = []


@pytest.fixture
def shop(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``shop("middleware")``: a module of the page, in a project whose queue is in memory."""
    for block in blocks(PAGE):
        if block.options.get("caption", "").startswith("shop/"):
            path = tmp_path / block.options["caption"]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.QUEUE_BACKEND = "djutils.queue.backends.memory.MemoryQueue"
    settings.QUEUE_NAME = f"page.{new_id()}"
    seen.clear()
    yield lambda name: importlib.import_module(f"shop.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@queue_command
def look() -> None:
    seen.append(sys.modules["shop.middleware"].tenant.get())


def plain() -> None:
    seen.append(1)


count = queue_command(name="counted")(plain)


def test_the_tenant_is_carried_to_the_worker(shop: Any, settings: Settings) -> None:
    tenant = shop("middleware").tenant
    settings.QUEUE_MIDDLEWARE = ["shop.middleware.CarryTenant"]
    token = tenant.set("acme")
    look()
    tenant.reset(token)

    drain()

    assert seen == ["acme"]


def test_runs_and_outcomes_are_measured(shop: Any, settings: Settings) -> None:
    prometheus = pytest.importorskip("prometheus_client")
    settings.QUEUE_MIDDLEWARE = ["shop.measure.Measure"]
    count()

    drain()

    name = count.command_class.name
    read = prometheus.REGISTRY.get_sample_value
    assert read("commands_total", {"command": name, "outcome": "ACK"}) == 1
    assert read("commands_seconds_count", {"command": name}) == 1


@pytest.mark.parametrize(("hour", "ran", "stats"), [(8, [], (0, 1, 0, 0, 0)), (9, [1], (0, 0, 0, 0, 0))])
def test_what_is_too_early_for_its_option_is_postponed(
    shop: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch, hour: int, ran: list[int], stats: Any
) -> None:
    opening = shop("opening")
    settings.QUEUE_MIDDLEWARE = ["shop.opening.NotBefore"]
    shown = datetime(2040, 7, 1, hour, 30, tzinfo=UTC)
    monkeypatch.setattr(opening.timezone, "localtime", lambda: shown)
    queue_command(name=f"from-nine-at-{hour}", from_hour=9)(plain)()  # type: ignore[call-overload]

    drain()

    assert (seen, queues[settings.QUEUE_NAME].stats()) == (ran, stats)
