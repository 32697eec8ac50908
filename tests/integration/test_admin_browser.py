"""The admin's pages in a real browser, with and without JavaScript, under a strict content security policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connections

from tests import browsers
from tests.admins import NOTE, let_die, send
from tests.conftest import missing
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
SLOW = "TimeoutError: the bank did not answer within 30 s, and what it was asked for may or may not be done"


@pytest.fixture(autouse=True)
def loop_of_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser's driver runs an event loop in this thread, where Django would refuse its database."""
    if browsers.missing:
        missing(browsers.missing)
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    user = User.objects.create_superuser("alice", password="secret")
    with browsers.served() as address:
        yield address
    LogEntry.objects.filter(user=user).delete()
    user.delete()
    connections.close_all()


class Visit:
    """A tab of a signed-in operator; it collects what the browser complains of."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.tab.on("console", self._note)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.goto(f"{address}/admin/")
        self.tab.fill("#id_username", "alice")
        self.tab.fill("#id_password", "secret")
        self.tab.click("input[type=submit]")

    def _note(self, message: Any) -> None:
        if message.type in {"error", "warning"} and "favicon" not in message.text + str(message.location):
            self.complaints.append(message.text)

    def follow(self, text: str) -> None:
        self.tab.get_by_role("link", name=text, exact=True).first.click()

    def sees_rows(self, count: int) -> None:
        rows = self.tab.locator("table.found tbody tr")
        wait_until(lambda: rows.count() == count, 10, why=lambda: f"{rows.count()} rows")

    def reads(self, text: str) -> None:
        """Wait for a text; a page that was asked for may not be there yet, or be there in part."""
        page = self.tab.locator("#container")
        wait_until(lambda: text in page.inner_text(), 10, why=page.inner_text)

    def is_too_wide(self, part: str) -> bool:
        """Return whether the page that has ``part`` needs scrolling sideways."""
        self.tab.locator(part).wait_for()
        self.tab.wait_for_load_state()
        return bool(self.tab.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


@pytest.fixture
def browser() -> Iterator[Any]:
    with browsers.browser() as found:
        yield found


@pytest.mark.parametrize("javascript", [True, False])
def test_an_operator_looks_replays_and_discards(
    site: Site, address: str, browser: Any, javascript: bool
) -> None:
    let_die(site.queue, 130)
    let_die(site.queue, 1, SLOW)
    visit = Visit(browser, address, java_script_enabled=javascript)
    tab = visit.tab
    visit.follow("Dead letters")
    visit.sees_rows(100)
    visit.follow("Next page »")
    visit.sees_rows(31)

    tab.fill("input[name=reason]", "bank")
    tab.click("form.filter input[type=submit]")
    visit.sees_rows(1)
    visit.follow(NOTE)
    visit.reads("the bank did not answer")
    tab.get_by_role("button", name="Replay").click()
    visit.reads("1 dead letter will run again.")
    visit.reads("waiting")

    visit.follow("Dead letters")
    tab.locator("input[name=selected]").nth(0).check()
    tab.locator("input[name=selected]").nth(1).check()
    tab.locator("button[value=discard_selected]").click()
    tab.get_by_role("button", name="Yes, discard").click()
    visit.reads("2 dead letters discarded.")

    tab.locator("button[value=discard_matching]").click()
    visit.reads("Discard 128 dead letters?")
    tab.get_by_role("button", name="Yes, discard").click()
    visit.reads("128 dead letters discarded.")
    assert site.queue.stats()[:] == (1, 0, 0, 0, 0)
    assert LogEntry.objects.filter(user__username="alice").count() == 3
    tab.goto(f"{address}/admin/")
    visit.tab.locator("#recent-actions-module a").last.click()
    visit.reads("waiting")
    assert visit.complaints == []


def test_all_on_a_page_are_ticked_at_once(site: Site, address: str, browser: Any) -> None:
    let_die(site.queue, 5)
    visit = Visit(browser, address)
    visit.follow("Dead letters")
    visit.tab.locator("#select-all").check()
    visit.tab.locator("button[value=replay_selected]").click()
    visit.reads("5 dead letters will run again.")


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_beyond_the_edge(site: Site, address: str, browser: Any, width: int, scheme: str) -> None:
    let_die(site.queue, 3)
    let_die(
        site.queue, 1, f"{SLOW}: {'x' * 300}", "shop.billing.commands.send_the_monthly_invoice_to_a_customer"
    )
    send(site.queue, 3, delay=3600.0)
    visit = Visit(browser, address, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for name in ("Dead letters", "Queue messages"):
        visit.tab.goto(f"{address}/admin/")
        visit.follow(name)
        assert not visit.is_too_wide("table.found")
        for cell in visit.tab.locator("table.found tbody tr").first.locator("td:visible").all():
            box = cell.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        visit.tab.locator("table.found .what a").first.click()
        assert not visit.is_too_wide("dl.facts")
    assert visit.complaints == []
