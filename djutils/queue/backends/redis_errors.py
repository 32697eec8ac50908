"""What the errors of a Redis or Valkey server mean, by their text, and what to do about them."""

from __future__ import annotations

import re

# Inside a script only the text identifies an error; some errors never have a class.
_OUTAGE = re.compile(
    r"\b(ASK|BUSY|CLUSTERDOWN|EXECABORT|FAILOVER|LOADING|MASTERDOWN|MISCONF|MOVED|NOREPLICAS|OOM|READONLY"
    r"|REDIRECT|TRYAGAIN|UNBLOCKED|max number of clients reached|[Ss]cript killed by user)\b"
)
_COMMAND = re.compile(r"run the '([^']+)' command")
_DENIAL = re.compile(r"\bNOPERM\b|[Nn]o permissions|The user executing the script")


def is_outage(told: str) -> bool:
    """Return whether the error passes by itself, or when the server is repaired."""
    return bool(_OUTAGE.search(told))


def is_denial(told: str) -> bool:
    """Return whether the user that we are logged in as lacks a permission."""
    return bool(_DENIAL.search(told))


def commands_in(told: str) -> list[str]:
    """Return the command that the error names as forbidden; none if it names none."""
    return _COMMAND.findall(told)[:1]


def explained(told: str, address: str, *, login: bool, passing: bool) -> str:
    """Return the text of our error: what happened at ``address``, and what to do."""
    if login:
        return (
            f"Redis at {address} refused the login: {told}. Check the user and the password in"
            " QUEUE_CONNECTION."
        )
    if passing:
        return (
            f"Redis at {address} cannot be used at the moment: {told}. Is it running, and is it the"
            " one that QUEUE_CONNECTION should name?"
        )
    if "WRONGTYPE" in told:
        return (
            f"Redis at {address} refused a call: {told}. A key of this queue, one that begins with"
            " {djq:, was written by another program. Delete that key, or use another database."
        )
    return f"Redis at {address} refused a call: {told}."
