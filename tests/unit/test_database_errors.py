"""What the codes of databases mean: wait for it, or do something about it."""

from __future__ import annotations

import pytest
from django.db import DataError, InterfaceError, InternalError, OperationalError, ProgrammingError

from djutils.queue.backends.database_sql.errors import Kind, kind_of


def raised(error: Exception, **attributes: str) -> Exception:
    """``error`` as Django raises it, because of a driver's that has ``attributes``."""
    error.__cause__ = type("DriverError", (Exception,), attributes)()
    return error


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("40P01", Kind.DEADLOCK),
        ("40001", Kind.DEADLOCK),
        ("55P03", Kind.BUSY),
        ("57014", Kind.BUSY),
        ("25006", Kind.READ_ONLY),
        ("25P03", Kind.GONE),
        ("28P01", Kind.LOGIN),
        ("28000", Kind.LOGIN),
        ("3D000", Kind.LOGIN),
        ("53100", Kind.FULL),
        ("53300", Kind.FULL),
        ("08006", Kind.GONE),
        ("08P01", Kind.GONE),
        ("57P01", Kind.GONE),
        ("57P02", Kind.GONE),
        ("57P03", Kind.GONE),
        ("57P05", Kind.GONE),
        ("58030", Kind.GONE),
        ("42P01", Kind.TABLES),
        ("42703", Kind.TABLES),
        ("42501", Kind.RIGHTS),
        ("26000", Kind.POOLER),
        ("42601", Kind.REFUSED),
        ("22P05", Kind.REFUSED),
        ("25P02", Kind.REFUSED),
        ("XX001", Kind.REFUSED),
    ],
)
def test_the_codes_of_postgresql(state: str, kind: Kind) -> None:
    assert kind_of(raised(OperationalError("no"), sqlstate=state)) is kind
    assert kind_of(raised(InternalError("no"), pgcode=state)) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1213, Kind.DEADLOCK),
        (1205, Kind.BUSY),
        (1969, Kind.BUSY),
        (3024, Kind.BUSY),
        (1290, Kind.READ_ONLY),
        (1792, Kind.READ_ONLY),
        (1836, Kind.READ_ONLY),
        (1045, Kind.LOGIN),
        (1049, Kind.LOGIN),
        (1040, Kind.FULL),
        (1114, Kind.FULL),
        (2002, Kind.GONE),
        (2006, Kind.GONE),
        (2013, Kind.GONE),
        (4031, Kind.GONE),
        (1927, Kind.GONE),
        (1146, Kind.TABLES),
        (1054, Kind.TABLES),
        (1142, Kind.RIGHTS),
        (1153, Kind.REFUSED),
        (1366, Kind.REFUSED),
        (1064, Kind.REFUSED),
    ],
)
def test_the_codes_of_mariadb_and_mysql(code: int, kind: Kind) -> None:
    assert kind_of(OperationalError(code, "no")) is kind
    assert kind_of(raised(OperationalError(code, "no"), sqlstate="HY000")) is kind
    assert kind_of(ProgrammingError(code, "no")) is kind


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("SQLITE_BUSY", "database is locked", Kind.BUSY),
        ("SQLITE_BUSY_SNAPSHOT", "database is locked", Kind.DEADLOCK),
        ("SQLITE_LOCKED_SHAREDCACHE", "database table is locked", Kind.BUSY),
        ("SQLITE_READONLY", "attempt to write a readonly database", Kind.READ_ONLY),
        ("SQLITE_READONLY_DBMOVED", "attempt to write a readonly database", Kind.READ_ONLY),
        ("SQLITE_FULL", "database or disk is full", Kind.FULL),
        ("SQLITE_IOERR_WRITE", "disk I/O error", Kind.GONE),
        ("SQLITE_CANTOPEN", "unable to open database file", Kind.GONE),
        ("SQLITE_ERROR", "no such table: djutils_queuemessage", Kind.TABLES),
        ("SQLITE_ERROR", "table djutils_queuemessage has no column named offers", Kind.TABLES),
        ("SQLITE_ERROR", "too many SQL variables", Kind.REFUSED),
        ("SQLITE_CORRUPT", "database disk image is malformed", Kind.REFUSED),
    ],
)
def test_the_results_of_sqlite(name: str, text: str, kind: Kind) -> None:
    assert kind_of(raised(OperationalError(text), sqlite_errorname=name)) is kind


def test_without_a_code_it_is_the_connection_that_failed() -> None:
    assert kind_of(OperationalError("connection refused")) is Kind.GONE
    assert kind_of(InterfaceError("connection already closed")) is Kind.GONE
    assert kind_of(OperationalError()) is Kind.GONE
    assert kind_of(DataError("cannot contain NUL")) is Kind.REFUSED


def test_a_plan_that_a_migration_made_old_is_made_again_on_a_new_connection() -> None:
    stale = raised(OperationalError("cached plan must not change result type"), sqlstate="0A000")
    assert kind_of(stale) is Kind.GONE
    assert kind_of(raised(OperationalError("not supported"), sqlstate="0A000")) is Kind.REFUSED


def test_only_what_ended_the_connection_or_leads_elsewhere_closes_it() -> None:
    closed = {kind for kind in Kind if not kind.spares_connection}
    assert closed == {Kind.READ_ONLY, Kind.LOGIN, Kind.FULL, Kind.GONE}
