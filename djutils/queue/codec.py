"""A message as signed bytes, and back.

========  ==========================================================================
bytes     what
========  ==========================================================================
3         ``djq``
1         version of this format
4         which key signed it, and how: see ``signing``
16        id, a UUID of version 7
8         when it was enqueued, in seconds since the epoch
8         the earliest moment to run it, or not a number
1         priority
4         attempt
2         length of the header
..        header: JSON with command and queue, identical for all calls of one command, and with
          the extras of this one, if it has any
..        body: the command's data, pickled with protocol 5
32        authentication code of everything before it: BLAKE2b with a key
========  ==========================================================================

Numbers are big-endian, moments IEEE 754 doubles. The key is derived from the first of
``QUEUE_SIGNING_KEYS``, or from ``SECRET_KEY``; the others, or ``SECRET_KEY_FALLBACKS``, are also
accepted. The signature is verified before anything is parsed, and the queue's name is part of what is
signed.
"""

from __future__ import annotations

import hmac
import json
import pickle
import struct
import time
from collections.abc import Callable
from functools import lru_cache, partial
from math import isnan, nan
from typing import Any

from .exceptions import ForeignMessage, InvalidMessage, MessageTooLarge, NotPicklable, NotUnpicklable
from .keys import site_keys
from .message import Message, make
from .signing import SIGNATURE_SIZE

MAGIC = b"djq"
VERSION = 1
_PREFIX = MAGIC + bytes([VERSION])
_FACTS_AT = 8
_FACTS = struct.Struct(">16sddbIH")
_HEADER_AT = _FACTS_AT + _FACTS.size
_LONGEST_HEADER = 0xFFFF
_SHORTEST = _HEADER_AT + SIGNATURE_SIZE
_NEWER = "upgrade this consumer, then replay the message."

_pack_facts = _FACTS.pack
_unpack_facts = _FACTS.unpack_from


def _header_with(command: str, queue: str, extras: bytes) -> bytes:
    header = _to_json(json.loads(extras) | {"command": command, "queue": queue})
    if len(header) > _LONGEST_HEADER:
        raise MessageTooLarge(
            f"The header of the message for '{command}' has {len(header)} bytes with its extras, the most is "
            f"{_LONGEST_HEADER}; nothing was sent. Store the data and pass a reference to it."
        )
    return header


@lru_cache(maxsize=1024)
def _read_header(header: bytes) -> tuple[str, str, bytes]:
    """Return command, queue and extras from a header whose signature was verified."""
    try:
        fields = dict(json.loads(header))
        command, queue = fields.pop("command"), fields.pop("queue")
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidMessage(f"Its header is not understood ({error}): {_NEWER}") from error
    return command, queue, _to_json(fields) if fields else b""


def _to_json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def encoder(command: str, queue: str) -> Callable[[Message], bytes]:
    """Return ``encode`` for the messages of one command on one queue: their header and their key are the same."""
    key, usual = site_keys().signing, _to_json({"command": command, "queue": queue})
    start, sign = _PREFIX + key.id, key.sign

    def encode(message: Message) -> bytes:
        id, _, _, created, body, eta, priority, attempt, extras = message
        header = _header_with(command, queue, extras) if extras else usual
        due = nan if eta is None else eta
        facts = _pack_facts(bytes.fromhex(id), created, due, priority, attempt, len(header))
        signed = b"".join((start, facts, header, body))
        return signed + sign(signed)

    return encode


def encode(message: Message) -> bytes:
    """Return ``message`` as signed bytes; raise ``MessageTooLarge`` if its header has more than 65,535 bytes."""
    return encoder(message.command, message.queue)(message)


def decode(data: bytes, queue: str) -> Message:
    """Return the message in ``data``; nothing in it is unpickled.

    Raises ``InvalidMessage`` unless ``data`` was signed by this site for ``queue``, and ``ForeignMessage``
    if it was signed with an unknown key.
    """
    if data[:4] != _PREFIX or len(data) < _SHORTEST:
        raise InvalidMessage(_explain_prefix(data))
    key = site_keys().accepted.get(data[4:_FACTS_AT])
    if key is None:
        raise ForeignMessage(
            "Signed with a key this site does not have. If the key was changed, keep the old one in "
            "SECRET_KEY_FALLBACKS or QUEUE_SIGNING_KEYS until the queue is empty; if another site uses "
            "this store, give each its own QUEUE_NAME. Then replay this message."
        )
    if not hmac.compare_digest(key.sign(data[:-SIGNATURE_SIZE]), data[-SIGNATURE_SIZE:]):
        raise InvalidMessage("The signature does not match: the message was damaged or tampered with.")
    id, created, eta, priority, attempt, size = _unpack_facts(data, _FACTS_AT)
    body_at = _HEADER_AT + size
    command, signed_for, extras = _read_header(data[_HEADER_AT:body_at])
    if signed_for != queue:
        raise InvalidMessage(f"Signed for the queue '{signed_for}', but found on '{queue}'.")
    body, due = data[body_at:-SIGNATURE_SIZE], None if isnan(eta) else eta
    return make(Message, (id.hex(), command, queue, created, body, due, priority, attempt, extras))


def postpone(data: bytes, queue: str, seconds: float) -> bytes:
    """Return a message for ``queue`` as it is to be written again, due in ``seconds``; errors as for ``decode``."""
    return encode(decode(data, queue)._replace(eta=time.time() + seconds))


def message_id(data: bytes) -> str | None:
    """Return the unverified id in ``data``; None for bytes that are not a message."""
    if data[:4] != _PREFIX or len(data) < _SHORTEST:
        return None
    return data[_FACTS_AT : _FACTS_AT + 16].hex()


def _explain_prefix(data: bytes) -> str:
    if data[:3] == MAGIC and len(data) > 3 and data[3] != VERSION:
        return (
            f"Written in version {data[3]} of the message format, this djutils reads version "
            f"{VERSION}: {_NEWER}"
        )
    return "These bytes are not a message of djutils."


def dump(data: object) -> bytes:
    """Return ``data`` pickled; raise ``NotPicklable``, which names the part that cannot be pickled."""
    try:
        return pickle.dumps(data, protocol=5)
    except Exception as error:  # a __reduce__ or __getstate__ may raise anything
        raise not_picklable(data, error, partial(pickle.dumps, protocol=5)) from error


def not_picklable(data: object, error: Exception, pickled: Callable[[object], bytes]) -> NotPicklable:
    """Return the ``NotPicklable`` for ``error``, which ``pickled(data)`` has raised."""
    return NotPicklable(f"{_find_culprit(data, pickled)} cannot be pickled: {error}")


def load(body: bytes, unpickled: Callable[[bytes], Any] = pickle.loads) -> Any:
    """Unpickle ``body``, which must come from a verified message; raise ``NotUnpicklable`` if that fails."""
    try:
        return unpickled(body)
    except Exception as error:  # a __setstate__ may raise anything
        raise NotUnpicklable(f"Unpickling failed with {type(error).__name__}: {error}") from error


def _find_culprit(data: object, pickled: Callable[[object], bytes]) -> str:
    match data:
        case (tuple() as args, dict() as kwargs):
            named = [(f"argument {number}", value) for number, value in enumerate(args, 1)]
            named += [(f"argument '{name}'", value) for name, value in kwargs.items()]
        case _:
            named = []
    for name, value in named:
        try:
            pickled(value)
        except Exception:  # noqa: BLE001  (as in dump)
            return f"The {name} ({type(value).__name__})"
    return f"The command's data ({type(data).__name__})"
