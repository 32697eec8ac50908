"""The permissions that RedisQueue needs on a server with users (ACL), and the command that grants them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Each with the number of arguments in the shortest call that the server does not refuse as incomplete.
_OF_PRODUCERS = {
    "hlen": 1,
    "hmget": 2,
    "hset": 3,
    "hsetnx": 3,
    "incr": 1,
    "llen": 1,
    "lpush": 2,
    "time": 0,
    "zadd": 3,
    "zcard": 1,
    "zcount": 3,
    "zscore": 2,
}
_OF_CONSUMERS = {
    "del": 1,
    "exists": 1,
    "hdel": 2,
    "hexists": 2,
    "hget": 2,
    "hgetall": 1,
    "hincrby": 3,
    "hkeys": 1,
    "hscan": 2,
    "incrby": 2,
    "lpos": 2,
    "lrange": 3,
    "lrem": 3,
    "ltrim": 3,
    "mget": 1,
    "pexpire": 2,
    "rpush": 2,
    "set": 2,
    "unlink": 1,
    "zlexcount": 3,
    "zmscore": 2,
    "zrange": 3,
    "zrangebylex": 3,
    "zrangebyscore": 3,
    "zrem": 2,
    "zremrangebyrank": 3,
    "zrevrange": 3,
    "zscan": 2,
}
_OF_CONNECTIONS = ("client|setname", "ping", "select")
_OF_SCRIPTS = ("eval", "evalsha")
_OUTSIDE_OF_SCRIPTS = ("bzpopmin", "info")

PRODUCER = tuple(sorted({*_OF_CONNECTIONS, *_OF_SCRIPTS, *_OF_PRODUCERS}))
"""What a process that only enqueues needs."""
CONSUMER = tuple(sorted({*PRODUCER, *_OF_CONSUMERS, *_OUTSIDE_OF_SCRIPTS}))
"""What a consumer needs, and any process that shows or replays dead letters."""
NOTIFICATIONS = ("publish", "subscribe")
"""What lets ``wait()`` hear of an end at once, on the channels ``&{djq:*``; without it, it looks again and again."""

TRIALS = tuple(f"{command} {words}" for command, words in (_OF_PRODUCERS | _OF_CONSUMERS).items())
"""How ``lua/probe.lua`` tries the commands that scripts use."""


def grant(user: str, commands: Iterable[str]) -> str:
    """Return the line for ``redis-cli`` that allows ``user`` these commands on the keys of every queue."""
    return " ".join(("ACL SETUSER", user, "~{djq:*", *(f"+{command}" for command in commands)))


def withheld(address: str, user: str, commands: Sequence[str]) -> str:
    """Return the error text for a server that forbids these commands; with none, for one that forbids the keys."""
    what = f"call {', '.join(commands)} on" if commands else "touch"
    return (
        f"Redis at {address} does not let its user '{user}' {what} the keys of this"
        f" queue. Allow it: {grant(user, commands)}. The guide to least privilege lists what producers and"
        " consumers need."
    )
