"""Atomic commands where the queue and the models reach their databases by different aliases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connections
from pytest_django import Settings

from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.exceptions import ConfigurationError, UnsupportedOption
from tests import servers
from tests.conftest import missing
from tests.poolers import pgbouncer
from tests.project.app import ledger
from tests.project.databases import from_url
from tests.sites import Site

POSTGRES = pytest.mark.parametrize("site", ["postgres"], indirect=True)
EACH = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb"], indirect=True)


@pytest.fixture
def pooled(site: Site) -> Iterator[dict[str, str]]:
    """The environment of a consumer whose models use a pooler and whose queue bypasses it."""
    direct = site.environment["DJUTILS_TEST_DATABASE_URL"]
    try:
        parts = urlsplit(direct)
        with pgbouncer(parts.port or 0) as pooler:
            yield {
                "DJUTILS_TEST_DATABASE_URL": parts._replace(
                    netloc=f"postgres@127.0.0.1:{pooler.port}"
                ).geturl(),
                "DJUTILS_TEST_DIRECT_URL": direct,
                "DJUTILS_TEST_QUEUE_CONNECTION": "direct",
            }
    except servers.Unavailable as error:
        missing(str(error))


@contextmanager
def alias(name: str, url: str) -> Iterator[str]:
    """An alias of this process."""
    connections.settings[name] = connections.settings["default"] | from_url(url)
    try:
        yield name
    finally:
        connections[name].close()
        del connections[name], connections.settings[name]


@POSTGRES
def test_past_a_pooler_what_a_failing_command_wrote_does_not_count(
    site: Site, pooled: dict[str, str]
) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    ledger.enter_and_stumble(mark)
    site.consumer(environment=pooled)

    site.wait_until_empty()

    (letter,) = site.queue.dead_letters()
    assert letter.attempts == 3
    assert letter.reason == "LookupError: it failed after it wrote"
    assert site.notes(mark) == []


@POSTGRES
@pytest.mark.parametrize("threads", [1, 4])
def test_past_a_pooler_what_commands_wrote_counts_once(
    site: Site, pooled: dict[str, str], threads: int
) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    for number in range(30):
        ledger.enter_atomically(f"{mark} {number}")
    site.consumer(threads=threads, environment=pooled)

    site.wait_until_empty()

    assert sorted(site.notes(mark)) == sorted(f"{mark} {number}" for number in range(30))
    assert site.queue.stats() == (0, 0, 0, 0, 0)


@POSTGRES
def test_an_alias_that_is_named_is_the_one_it_is_atomic_in(site: Site, pooled: dict[str, str]) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    with alias("direct", pooled["DJUTILS_TEST_DIRECT_URL"]):
        ledger.enter_directly(mark)
        site.consumer(environment=pooled)
        site.wait_until_empty()
    assert site.notes(mark) == [mark]


@POSTGRES
def test_one_database_is_recognised_by_every_address(site: Site, pooled: dict[str, str]) -> None:
    queue = DatabaseQueue("contract", site.alias)
    with alias("pooled", pooled["DJUTILS_TEST_DATABASE_URL"]):
        through = queue.through("pooled")
        assert through is not None
        assert (through.alias, through.name) == ("pooled", "contract")
        assert queue.through("pooled") is through
    assert queue.through(site.alias) is queue


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_two_databases_of_one_server_are_not_one(kind: str, request: pytest.FixtureRequest) -> None:
    here = request.getfixturevalue(f"{kind}_alias")
    url = request.getfixturevalue(f"{kind}_server").url
    with alias("another", url):
        assert DatabaseQueue("contract", here).through("another") is None


def test_two_names_of_one_file_are_one_database(sqlite_alias: str, tmp_path: Path) -> None:
    name = Path(connections[sqlite_alias].settings_dict["NAME"])
    (tmp_path / "link").symlink_to(name)
    with alias("link", f"sqlite:///{tmp_path / 'link'}"), alias("another", f"sqlite:///{tmp_path / 'other'}"):
        assert DatabaseQueue("contract").through("link") is not None
        assert DatabaseQueue("contract").through("another") is None


def test_a_queue_in_another_database_refuses_the_call_with_the_reason(
    postgres_alias: str, sqlite_alias: str, settings: Settings
) -> None:
    settings.QUEUE_CONNECTION, settings.QUEUE_NAME = postgres_alias, "atomic"
    with pytest.raises(UnsupportedOption) as caught:
        ledger.enter_atomically("x")
    assert "it writes to the database 'default', and the queue 'atomic' is in another one" in str(
        caught.value
    )
    assert f"declare it with atomic='{postgres_alias}'" in str(caught.value)
    assert len(DatabaseQueue("atomic", postgres_alias)) == 0


def test_an_alias_that_is_none_is_refused_at_the_call(sqlite_alias: str) -> None:
    with pytest.raises(ConfigurationError, match=r"'direct', .* is not an alias in DATABASES \(there are: "):
        ledger.enter_directly("x")


@POSTGRES
def test_a_consumer_whose_models_are_elsewhere_does_not_run_it(site: Site, tmp_path: Path) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    ledger.enter_atomically(mark)
    elsewhere = {
        "DJUTILS_TEST_DATABASE_URL": f"sqlite:///{tmp_path / 'elsewhere'}",
        "DJUTILS_TEST_DIRECT_URL": site.environment["DJUTILS_TEST_DATABASE_URL"],
        "DJUTILS_TEST_QUEUE_CONNECTION": "direct",
    }
    site.consumer(environment=elsewhere)

    site.wait_until_empty()

    (letter,) = site.queue.dead_letters()
    assert "is atomic, and was not run: the queue" in letter.reason
    assert site.notes(mark) == []


@EACH
def test_a_hook_that_fails_after_the_commit_does_not_undo_the_success(site: Site) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    handle = ledger.enter_with_a_hook_that_fails(mark)
    consumer = site.consumer()

    site.wait_until_empty()

    assert consumer.stop() == 0
    log = consumer.log()
    assert site.notes(mark) == [mark]
    assert site.queue.stats() == (0, 0, 0, 0, 0)
    assert f"{handle.id} {handle.command} succeeded in" in log
    assert (
        f"{handle.id} {handle.command} succeeded: it is committed and acknowledged. But one of its on_commit hooks"
        in log
    )
    assert "LookupError: the hook failed" in log
    assert "retried" not in log


@EACH
def test_without_autocommit_an_atomic_command_is_committed_and_its_neighbour_keeps_its_manners(
    site: Site,
) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    for number in range(3):
        ledger.enter_atomically(f"{mark} atomic {number}")
        ledger.enter_and_leave_it_open(f"{mark} open {number}")
    url = site.environment["DJUTILS_TEST_DATABASE_URL"]
    site.consumer(environment={"DJUTILS_TEST_DATABASE_URL": f"{url}?autocommit=0"})

    site.wait_until_empty()

    assert site.notes(mark) == [f"{mark} atomic {number}" for number in range(3)], site.logs()
    assert site.queue.stats() == (0, 0, 0, 0, 0)
