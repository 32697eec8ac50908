"""Whether a Redis or Valkey server keeps what a consumer relies on, and allows what it does."""

from __future__ import annotations

from djutils.queue.backends.redis_client import RedisClient
from djutils.queue.backends.redis_rights import withheld
from djutils.queue.exceptions import BackendError, ConfigurationError

_OLDEST = (6, 2)


def check_server(server: RedisClient) -> None:
    """Raise ``ConfigurationError`` for a server that is too old, or may evict messages when its memory is full."""
    lines = server.call("INFO").decode().splitlines()
    info = dict(line.split(":", 1) for line in lines if ":" in line)
    if tuple(map(int, info["redis_version"].split(".")[:2])) < _OLDEST:
        raise ConfigurationError(
            f"Redis at {server.address} is {info['redis_version']}; RedisQueue needs 6.2 or newer."
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if int(info.get("maxmemory", 0)) and policy != "noeviction":
        raise ConfigurationError(
            f"Redis at {server.address} would evict messages when its memory is full"
            f" (maxmemory-policy {policy}). Set maxmemory-policy to noeviction, or give the queue"
            " its own server."
        )


def check_rights(server: RedisClient, prefix: str) -> None:
    """Raise a ``BackendError`` if the server forbids anything that a consumer does with the keys of ``prefix``."""
    if denied := server.denied(prefix):
        raise BackendError(withheld(server.address, server.user, denied))
    server.run("probe", *server.probe(prefix))
    try:
        # A wait for what is no sorted set is refused at once; a real one may take an idle server 100 ms.
        server.wait([f"{prefix}count"], 0.0)
    except BackendError as error:
        if "WRONGTYPE" not in str(error.__cause__):
            raise
    server.call("PING")
