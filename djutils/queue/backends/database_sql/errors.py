"""What a driver's errors mean."""

from __future__ import annotations

from enum import Enum

from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.backends.base import own_alias
from djutils.queue.deadlocks import Deadlock
from djutils.queue.exceptions import BackendError, BackendUnavailable


class Kind(Enum):
    """What an error of the database means to the caller, and what can be done about it."""

    DEADLOCK = "Another transaction was in the way; calling again helps."
    BUSY = "A row or table was locked, or the server was busy, for too long; calling again later may help."
    READ_ONLY = (
        "It takes no writes at the moment: it is a standby, was set read-only, or has no disk space left."
    )
    LOGIN = "Check NAME, USER and PASSWORD of this alias in DATABASES, and the server's rules for logins."
    FULL = "The server is out of connections, memory or disk space."
    GONE = "Check that the server is up, can be reached, and knows this login."
    TABLES = "A table or column of djutils is missing: run 'manage.py migrate djutils --database {alias}'."
    RIGHTS = "Grant its database user the rights that the page 'Least privilege' lists."
    POOLER = (
        "There seems to be a connection pooler in between: let QUEUE_CONNECTION name an alias that connects to "
        "the server directly."
    )
    REFUSED = ""

    @property
    def is_outage(self) -> bool:
        """Whether the same call may succeed later."""
        return self not in {Kind.TABLES, Kind.RIGHTS, Kind.POOLER, Kind.REFUSED}

    @property
    def spares_connection(self) -> bool:
        """Whether the connection can still be used. After other errors, a new one may lead to another server."""
        return self in {Kind.DEADLOCK, Kind.BUSY} or not self.is_outage


# PostgreSQL: a code of five characters, or its class, the first two.
_SQLSTATES = {
    "40P01": Kind.DEADLOCK,
    "40001": Kind.DEADLOCK,
    "55P03": Kind.BUSY,  # lock_timeout
    "57014": Kind.BUSY,  # statement_timeout, or cancelled by an operator
    "25006": Kind.READ_ONLY,
    "25P03": Kind.GONE,  # idle in a transaction for too long; psycopg reports an internal error
    "25P04": Kind.GONE,  # transaction_timeout
    "53": Kind.FULL,
    "28": Kind.LOGIN,
    "3D": Kind.LOGIN,
    "08": Kind.GONE,
    "57": Kind.GONE,  # shut down, crashed, or the session was ended
    "58": Kind.GONE,  # the server's disk or operating system failed
    "42P01": Kind.TABLES,
    "42703": Kind.TABLES,
    "42501": Kind.RIGHTS,
    "26000": Kind.POOLER,  # a prepared statement that only another server has
    "42P05": Kind.POOLER,
}
# MariaDB and MySQL. Codes from 2000 to 2999 are the client's: it reports a lost connection.
_CODES = {
    Kind.DEADLOCK: {1020, 1213, 3058},
    Kind.BUSY: {1205, 1206, 1317, 1969, 3024, 3572},
    Kind.READ_ONLY: {1290, 1792, 1836},
    Kind.LOGIN: {1044, 1045, 1049, 1129, 1130, 1698, 3118, 4151},
    Kind.FULL: {1021, 1037, 1038, 1040, 1041, 1114, 1203, 1226},
    Kind.GONE: {0, 1030, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1180, 1184, 1927, 3169, 4031},
    Kind.TABLES: {1054, 1146, 1932},
    Kind.RIGHTS: {1142, 1143, 1227, 1370},
}
_KINDS = {code: kind for kind, codes in _CODES.items() for code in codes}
# SQLite: the name of a result code, or its first part.
_RESULTS = {
    "SQLITE_BUSY_SNAPSHOT": Kind.DEADLOCK,
    "SQLITE_BUSY": Kind.BUSY,
    "SQLITE_LOCKED": Kind.BUSY,
    "SQLITE_INTERRUPT": Kind.BUSY,
    "SQLITE_READONLY": Kind.READ_ONLY,
    "SQLITE_FULL": Kind.FULL,
    "SQLITE_NOMEM": Kind.FULL,
    "SQLITE_IOERR": Kind.GONE,
    "SQLITE_CANTOPEN": Kind.GONE,
    "SQLITE_PROTOCOL": Kind.GONE,
}


class translated_errors:  # noqa: N801  (used like a function; as a class it takes a third of the time)
    """Translate the driver's errors into ours. A lost connection is closed, unless it is in a transaction."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def __enter__(self) -> BaseDatabaseWrapper:
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and isinstance(error, DatabaseError | InterfaceError):
            self._raise(error)

    def _raise(self, error: Exception) -> None:
        kind, alias = kind_of(error), self._connection.alias.removesuffix(own_alias(""))
        free = not self._connection.in_atomic_block
        # In a transaction managed by hand a second try would not have what the first one followed.
        if kind is Kind.DEADLOCK and free and self._connection.autocommit:
            raise Deadlock(str(error)) from error
        if free and not kind.spares_connection:
            self._connection.close()
        wrong = BackendUnavailable if kind.is_outage else BackendError
        what = "is unavailable" if kind.is_outage else "refused"
        raise wrong(
            f"The database '{alias}' {what} ({_told(error)}). {kind.value.format(alias=alias)}".rstrip()
        ) from error


def kind_of(error: Exception) -> Kind:
    """Return what an error of Django's database layer means, by the code its driver gave it."""
    cause, code = error.__cause__, error.args[0] if error.args else None
    if isinstance(code, int):  # of MariaDB and MySQL; some of their drivers also have an SQLSTATE
        return Kind.GONE if 2000 <= code < 3000 else _KINDS.get(code, Kind.REFUSED)
    if state := getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None):
        if state == "0A000" and "cached plan" in str(error):
            return Kind.GONE  # a migration changed the table; a new connection makes a new plan
        return _SQLSTATES.get(state) or _SQLSTATES.get(state[:2], Kind.REFUSED)
    if name := getattr(cause, "sqlite_errorname", None):
        return _of_sqlite(name, str(error))
    # An error without a code comes from the client: it could not connect, or has lost the connection.
    return Kind.GONE if isinstance(error, OperationalError | InterfaceError) else Kind.REFUSED


def _of_sqlite(name: str, text: str) -> Kind:
    if text.startswith("no such ") or "has no column" in text:
        return Kind.TABLES
    return _RESULTS.get(name) or _RESULTS.get("_".join(name.split("_")[:2]), Kind.REFUSED)


def _told(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
