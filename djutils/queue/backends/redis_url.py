"""Parsing the ``QUEUE_CONNECTION`` of RedisQueue, without a server and without its driver."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from djutils.queue.exceptions import ConfigurationError

_SCHEMES = ("redis", "rediss", "unix")
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class ConnectionOptions(dict[str, Any]):
    """The options of a connection. Its repr hides the values, because one of them may be a password."""

    def __repr__(self) -> str:
        return f"<ConnectionOptions: {', '.join(self)}>"


def options_of(connection: str) -> ConnectionOptions:
    """Return the options of a connection, including its ``scheme``; raises ``ConfigurationError``."""
    try:
        return ConnectionOptions(_from_url(connection) if "://" in connection else _as_in_2011(connection))
    except ValueError:
        # Without its cause: urllib's message shows the part that is invalid.
        raise not_understood() from None


def not_understood() -> ConfigurationError:
    """Return the error that lists the valid forms, and shows nothing of the given value."""
    return ConfigurationError(
        "QUEUE_CONNECTION is not understood by RedisQueue (its value is not shown: it may hold a"
        " password). Write host:port:db, or redis://user:password@host:port/db, or rediss://... for TLS,"
        " or unix:///path/to/socket?db=0; or leave it empty for localhost:6379:0. Percent-encode special"
        f" characters of a password. After a question mark may follow: {', '.join(_RULES)} (ssl_... with"
        " rediss:// only)."
    )


def _as_in_2011(connection: str) -> dict[str, Any]:
    host, port, db = connection.split(":") if connection else ("", "6379", "0")
    return {"scheme": "redis", "host": host or "localhost", "port": _port(port), "db": _whole(db)}


def _from_url(connection: str) -> dict[str, Any]:
    url = urlsplit(connection)
    if url.scheme not in _SCHEMES or url.fragment:
        raise ValueError
    options: dict[str, Any] = {"scheme": url.scheme, "db": 0}
    if url.scheme == "unix":
        if not re.fullmatch(r"/.+", url.path):
            raise ValueError
        options["path"] = unquote(url.path)
    else:
        options |= {"host": unquote(url.hostname or "localhost"), "port": _port(str(url.port or 6379))}
        options["db"] = _whole(url.path.removeprefix("/") or "0")
    if url.username:
        options["username"] = unquote(url.username)
    if url.password:
        options["password"] = unquote(url.password)
    # If an option is given twice the first counts, as in redis-py.
    for name, value in reversed(parse_qsl(url.query, keep_blank_values=True)):
        if name in _RULES:
            options[name] = _RULES[name](value)
        elif name not in _WITHOUT_EFFECT:
            raise ValueError
    return options


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError
    return int(text)


def _port(text: str) -> int:
    port = _whole(text)
    if not 0 < port < 65536:
        raise ValueError
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError
    return seconds


def _yes_or_no(text: str) -> bool:
    if text.lower() not in _YES + _NO:
        raise ValueError
    return text.lower() in _YES


def _word(text: str) -> str:
    # The server refuses any other name for a client.
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError
    return text


_RULES: dict[str, Callable[[str], Any]] = {
    "db": _whole,
    "username": str,
    "password": str,
    "client_name": _word,
    "socket_timeout": _seconds,
    "socket_connect_timeout": _seconds,
    "socket_keepalive": _yes_or_no,
    "health_check_interval": _whole,
    "ssl_ca_certs": str,
    "ssl_ca_path": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_password": str,
    "ssl_cert_reqs": str,
    "ssl_check_hostname": _yes_or_no,
    "ssl_ciphers": str,
}
# Accepted so that one URL can serve other clients as well; djutils does not let you choose its protocol.
_WITHOUT_EFFECT = {
    "protocol",
    "decode_responses",
    "encoding",
    "encoding_errors",
    "legacy_responses",
    "lib_name",
    "lib_version",
    "max_connections",
    "retry_on_error",
    "retry_on_timeout",
    "socket_read_size",
    "timeout",
}
