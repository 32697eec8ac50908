"""Django's settings in the environment of a peer that has Django."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from bench.peers.catalogue import declared
from bench.peers.protocol import FASTEST, FOLDER, HOST, PASSWORD, PORT, PROCESSES, STORE, URL, USER
from bench.peers.work import THREADS

_peer = declared(os.environ["BENCH_PEER"])

if STORE == "mariadb":
    import_module("pymysql").install_as_MySQLdb()

# The fastest keeps its connections; by default Django's peers connect again for each command.
_AGE = None if FASTEST else 0


def _database() -> dict[str, Any]:
    if STORE in {"postgres", "mariadb"}:
        return {
            "ENGINE": f"django.db.backends.{'postgresql' if STORE == 'postgres' else 'mysql'}",
            "NAME": URL.rpartition("/")[2],
            "USER": USER,
            "PASSWORD": PASSWORD,
            "HOST": HOST,
            "PORT": PORT,
            "CONN_MAX_AGE": _AGE,
            # Django has psycopg prepare nothing unless it is told to.
            "OPTIONS": {"prepare_threshold": 0} if FASTEST and STORE == "postgres" else {},
        }
    # As for djutils. The fastest flushes a commit to the system, not to the disk.
    synchronous = "; PRAGMA synchronous = NORMAL" if FASTEST else ""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(FOLDER / "bench.sqlite3"),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode = WAL" + synchronous,
        },
        "CONN_MAX_AGE": _AGE,
    }


SECRET_KEY = "only the measurements know this one"
DEBUG = False
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", *_peer["apps"]]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": _database()}


def _filled(value: Any) -> Any:
    """What a literal cannot say stands in it as a name."""
    if isinstance(value, dict):
        return {name: _filled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner) for inner in value]
    return (
        {"PROCESSES": PROCESSES, "THREADS": THREADS, "URL": URL}.get(value, value)
        if isinstance(value, str)
        else value
    )


for _chapter in ("fastest" if FASTEST else "default", STORE):
    globals().update(_filled(_peer["settings"].get(_chapter, {})))
if "Q_CLUSTER" in globals():
    globals()["Q_CLUSTER"] |= {"redis": URL} if STORE == "redis" else {"orm": "default"}
