"""Settings of the project the tests run in.

``DJUTILS_TEST_DATABASE_URL`` chooses the default database, so that a consumer started by a test
finds the test's; without it there is a SQLite file that lives as long as the process.
``DJUTILS_TEST_MYSQL_DRIVER=mysqlclient`` talks to MariaDB through that one instead of PyMySQL.
``DJUTILS_TEST_DIRECT_URL`` adds a second one, ``direct``; ``DJUTILS_TEST_CACHE_FOLDER`` a cache in files, ``files``. Any
``QUEUE_...`` setting may come from ``DJUTILS_TEST_QUEUE_...``, as JSON or as plain text; so may ``TASKS`` and ``USE_TZ``.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import clock
from .databases import from_url, to_url

if clock.CLOCK in os.environ:
    clock.falsify()

if find_spec("pymysql") and os.environ.get("DJUTILS_TEST_MYSQL_DRIVER") != "mysqlclient":
    import_module("pymysql").install_as_MySQLdb()


def _temporary_database() -> str:
    directory, creator = Path(tempfile.mkdtemp(prefix="djutils-tests-")), os.getpid()

    def remove() -> None:
        if os.getpid() == creator:  # a forked child must not take its parent's database away
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)
    return to_url({"ENGINE": "django.db.backends.sqlite3", "NAME": directory / "project.sqlite3"})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _test_database(entry: dict[str, Any]) -> dict[str, str]:
    # A file in SQLite too: a database in memory cannot be seen by other threads and processes.
    path = Path(entry["NAME"])
    return {"NAME": str(path.with_name(f"test_{path.name}"))} if "sqlite" in entry["ENGINE"] else {}


SECRET_KEY = "only the tests know this one"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.project.urls"
STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": from_url(os.environ.get("DJUTILS_TEST_DATABASE_URL") or _temporary_database())}
DATABASES["default"]["TEST"] = _test_database(DATABASES["default"])
if _direct := os.environ.get("DJUTILS_TEST_DIRECT_URL"):
    DATABASES["direct"] = from_url(_direct)

if _folder := os.environ.get("DJUTILS_TEST_CACHE_FOLDER"):
    CACHES = {
        "files": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": _folder}
    }

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "djutils",
    "tests.project.app",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

_PREFIX = "DJUTILS_TEST_"
globals().update(
    {
        name.removeprefix(_PREFIX): _value(text)
        for name, text in os.environ.items()
        if name.startswith((f"{_PREFIX}QUEUE", f"{_PREFIX}TASKS", f"{_PREFIX}USE_TZ"))
    }
)
