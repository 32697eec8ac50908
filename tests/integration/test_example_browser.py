"""The guestbook in a real browser, with its daemon: what becomes of a call, its progress, and cancelling it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import browsers
from tests.conftest import missing

from .test_example import Open, opened

pytestmark = pytest.mark.slow
WITHIN = 60_000
"""Milliseconds that the page may take to show something."""


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """The example, when its two visitors have signed and all commands have run."""
    if browsers.missing:
        missing(browsers.missing)
    with opened(tmp_path_factory.mktemp("guestbook"), "--serve", "--entries", "2") as show:
        show.read_until("Ctrl-C closes both")
        yield show


@pytest.fixture
def browser() -> Iterator[Any]:
    with browsers.browser() as browser:
        yield browser


def visit(browser: Any, show: Open, **options: Any) -> tuple[Any, list[str]]:
    """Open the page; return the tab, and the list of what the browser complains of."""
    tab, complaints = browser.new_context(**options).new_page(), list[str]()
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(show.site)
    return tab, complaints


def card(tab: Any, number: int) -> Any:
    return tab.locator(".card").nth(number)


def test_a_poster_shows_live_how_far_it_is_and_then_itself(browser: Any, show: Open) -> None:
    tab, complaints = visit(browser, show)
    entry = card(tab, 0)

    entry.get_by_role("button", name="Make a poster").click()
    entry.locator(".call progress").wait_for(timeout=WITHIN)
    assert re.search(r"\d+ of 24 strips", entry.inner_text())
    entry.get_by_role("link", name="Poster").wait_for(timeout=WITHIN)

    assert entry.get_by_role("button").count() == 0
    assert len(list(Path(show.out).glob("media/posters/*.jpg"))) == 1
    assert not complaints


def test_a_poster_that_is_being_made_can_be_cancelled_and_made_again(browser: Any, show: Open) -> None:
    tab, complaints = visit(browser, show)
    entry = card(tab, 1)

    entry.get_by_role("button", name="Make a poster").click()
    entry.locator(".call progress").wait_for(timeout=WITHIN)
    entry.get_by_role("button", name="Cancel").click()
    entry.get_by_text("the poster: cancelled").wait_for(timeout=WITHIN)

    assert entry.get_by_role("button", name="Make a poster").is_visible()
    assert not complaints


def test_all_of_it_works_without_javascript(browser: Any, show: Open) -> None:
    tab, _ = visit(browser, show, java_script_enabled=False)

    card(tab, 1).get_by_role("button", name="Make a poster").click()
    assert re.search("the poster: (waiting|running)", card(tab, 1).inner_text())
    card(tab, 1).get_by_role("button", name="Cancel").click()

    for _ in range(100):
        if "the poster: cancelled" in card(tab, 1).inner_text():
            return
        tab.wait_for_timeout(200)
        tab.reload()
    pytest.fail(card(tab, 1).inner_text())
