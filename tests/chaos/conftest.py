"""The seed, the fields in which things break, and the table of results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random, SystemRandom

import pytest
from pytest_django import Settings

from tests.conftest import DatabaseStarter, Starter

from . import table
from .catalogue import Fault
from .driver import Row
from .field import Field
from .grounds import Grounds

# In the environment, so that processes of pytest-xdist take the same.
SEED = os.environ.setdefault("DJUTILS_CHAOS_SEED", str(SystemRandom().randrange(10**6)))

FieldMaker = Callable[[str, Fault], Field]


@pytest.fixture
def make_field(
    request: pytest.FixtureRequest,
    sqlite_alias: str,
    settings: Settings,
    own_server: Starter,
    own_database: DatabaseStarter,
) -> Iterator[FieldMaker]:
    """Makes a field on a backend whose server is the test's own."""
    with ExitStack() as stack:
        grounds = Grounds(settings, request.getfixturevalue("tmp_path"), stack, own_server, own_database)

        def make(backend: str, fault: Fault) -> Field:
            random = Random(f"{SEED} {request.node.name}")
            return grounds.field(backend, sqlite_alias, random, fault)

        yield make


@pytest.fixture
def note_row(record_property: Callable[[str, object], None]) -> Callable[[Row], None]:
    """Adds a row to the final table, whichever process the test runs in."""
    return lambda row: record_property("row", table.cells(row))


def pytest_report_header() -> str:
    """So that a run can be repeated."""
    return f"chaos: DJUTILS_CHAOS_SEED={SEED}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """So that the documentation can have the table."""
    parser.addoption("--csv", type=Path, metavar="FILE", help="write the table of the faults there")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, and write it to the requested file."""
    reports = [
        report for kind in ("passed", "failed", "xfailed") for report in terminalreporter.stats.get(kind, ())
    ]
    rows = [value for report in reports for name, value in report.user_properties if name == "row"]
    if not rows:
        return
    terminalreporter.section(f"chaos, DJUTILS_CHAOS_SEED={SEED}")
    for line in table.aligned(rows):
        terminalreporter.write_line(line)
    if path := terminalreporter.config.getoption("--csv"):
        table.write_csv(rows, path)
