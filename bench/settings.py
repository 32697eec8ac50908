"""Settings of the project that is measured; which store it uses comes from the environment."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

STORE = os.environ["BENCH_STORE"]
URL = os.environ["BENCH_URL"]


def _database() -> dict[str, Any]:
    if STORE != "postgres":
        # As docs/how-to/choose-a-backend.rst has it.
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": URL if STORE == "sqlite" else ":memory:",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode = WAL",
            },
        }
    parts = urlsplit(URL)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
        # A producer under load is a web worker: it keeps its connection.
        "CONN_MAX_AGE": None,
    }


SECRET_KEY = "only the measurements know this one"
DEBUG = False
USE_TZ = True
INSTALLED_APPS = ["djutils", "bench"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": _database()}
QUEUE_NAME = "bench"

if STORE == "redis":
    QUEUE_BACKEND = "djutils.queue.backends.redis_backend.RedisQueue"
    QUEUE_CONNECTION = URL
