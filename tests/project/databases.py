"""Database URLs, both ways: ``sqlite:////path``, ``postgres://user:password@host:port/name``, ``mysql://...``.

``?pool=2`` asks for a pool of two connections, ``?autocommit=0`` for transactions by hand.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
    "mysql": "django.db.backends.mysql",
    "mariadb": "django.db.backends.mysql",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "django.db.backends.sqlite3": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
    "django.db.backends.mysql": {"charset": "utf8mb4"},
}


def from_url(url: str) -> dict[str, Any]:
    """The entry of ``DATABASES`` that a URL means."""
    parts = urlsplit(url)
    engine = ENGINES[parts.scheme]
    asked = {name: int(value) for name, (value,) in parse_qs(parts.query).items()}
    options = dict(OPTIONS.get(engine, {}))
    if size := asked.get("pool"):
        options["pool"] = {"min_size": 1, "max_size": size}
    entry = {
        "ENGINE": engine,
        "NAME": unquote(parts.path[1:]),
        "OPTIONS": options,
        "AUTOCOMMIT": bool(asked.get("autocommit", 1)),
    }
    if parts.scheme == "sqlite":
        return entry
    return entry | {
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }


def to_url(entry: dict[str, Any]) -> str:
    """The URL of an entry of ``DATABASES``, to hand a database to another process."""
    scheme = next(scheme for scheme, engine in ENGINES.items() if engine == entry["ENGINE"])
    name = quote(str(entry["NAME"]))
    if scheme == "sqlite":
        return f"sqlite:///{name}"
    user, password = quote(entry.get("USER") or "", safe=""), quote(entry.get("PASSWORD") or "", safe="")
    return f"{scheme}://{user}:{password}@{entry['HOST']}:{entry['PORT']}/{name}"
