"""Settings of the guestbook: SQLite, or what the environment says.

``GUESTBOOK_BACKEND``
    ``sqlite`` (default), ``redis`` (the queue in Redis, the entries in SQLite) or ``postgres`` (both in PostgreSQL)
``GUESTBOOK_URL``
    where that server is: ``redis://host:port/db`` or ``postgresql://user:password@host:port/database``
``GUESTBOOK_OUT``
    the folder for everything that is made: database, photos, thumbnails, mails
``GUESTBOOK_VISITORS``
    how many visitors are to sign, for the progress bar
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).resolve().parent.parent
OUT = Path(os.environ.get("GUESTBOOK_OUT") or HERE / "out").resolve()
OUT.mkdir(parents=True, exist_ok=True)


def sqlite() -> dict[str, Any]:
    """Return a SQLite database that several processes can write to without blocking each other for long."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": OUT / "guestbook.sqlite3",
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def postgres(url: str) -> dict[str, Any]:
    """Return the PostgreSQL database at ``url``."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }


BACKEND = os.environ.get("GUESTBOOK_BACKEND", "sqlite")
URL = os.environ.get("GUESTBOOK_URL", "")

# The queue. On SQLite and PostgreSQL there is nothing to set but the name.
QUEUE_NAME = "guestbook"
if BACKEND == "redis":
    QUEUE_BACKEND = "djutils.queue.backends.redis_backend.RedisQueue"
    QUEUE_CONNECTION = URL or "localhost:6379:0"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "djutils",
    "guestbook",
]
DATABASES = {"default": postgres(URL) if BACKEND == "postgres" else sqlite()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Messages are signed with it. This one is public: good for an example on 127.0.0.1, for nothing else.
SECRET_KEY = os.environ.get("GUESTBOOK_SECRET_KEY", "a-guestbook-that-nobody-else-can-reach-needs-no-secret")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

ROOT_URLCONF = "mysite.urls"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "mysite.policy.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
USE_TZ = True
TIME_ZONE = "UTC"

# Cookies are shared by all ports of 127.0.0.1: another project's login there must not end.
SESSION_COOKIE_NAME = "guestbook_sessionid"
CSRF_COOKIE_NAME = "guestbook_csrftoken"

MEDIA_ROOT = OUT / "media"
MEDIA_URL = "media/"
STATIC_URL = "static/"

DEFAULT_FROM_EMAIL = "Guestbook <guestbook@example.org>"
GUESTBOOK_OWNER = "owner@example.org"
GUESTBOOK_VISITORS = int(os.environ.get("GUESTBOOK_VISITORS") or 0)
GUESTBOOK_MAILS = OUT / "mails"
GUESTBOOK_PHOTOS = OUT / "photos"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"django": {"handlers": ["stderr"], "level": "INFO"}},
}
