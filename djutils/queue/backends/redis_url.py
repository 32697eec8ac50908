"""What a ``QUEUE_CONNECTION`` of RedisQueue says, found out without a server and without its driver."""

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
    """What a connection is made with. It does not show its values, for one of them may be a password."""

    def __repr__(self) -> str:
        return f"<ConnectionOptions: {', '.join(self)}>"


def options_of(connection: str) -> ConnectionOptions:
    """Return what a connection is to be made with, and its ``scheme``; raises ``ConfigurationError``."""
    try:
        return ConnectionOptions(_from_url(connection) if "://" in connection else _as_in_2011(connection))
    except ValueError:
        # Not its cause: a message of urllib's shows the part it stumbled over.
        raise not_understood() from None


def not_understood() -> ConfigurationError:
    """Return the error that says what is understood, and shows nothing of what was given."""
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
    # Of an option given twice the first counts, as in redis-py.
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
    # The server refuses any other as the name of a client.
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
# So that one URL may serve other clients as well: how we speak to the server is not open to choice.
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
