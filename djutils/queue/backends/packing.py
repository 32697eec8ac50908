"""Dead letters and envelopes as bytes: how a queue that has no place for their fields keeps them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from djutils.queue.message import DeadLetter, Envelope

_PREFIX = b"djx\x01"


def pack_dead_letter(letter: DeadLetter) -> bytes:
    """Return ``letter`` as bytes."""
    return _pack(letter._asdict() | {"died": letter.died.isoformat()})


def unpack_dead_letter(packed: bytes) -> DeadLetter:
    """Return the dead letter that ``pack_dead_letter`` packed."""
    fields = _unpack(packed)
    return DeadLetter(**fields | {"died": datetime.fromisoformat(fields["died"])})


def pack_envelope(envelope: Envelope) -> bytes:
    """Return ``envelope`` as bytes."""
    return _pack(envelope._asdict())


def unpack_envelope(packed: bytes) -> Envelope:
    """Return the envelope that ``pack_envelope`` packed."""
    return Envelope(**_unpack(packed))


def _pack(fields: dict[str, Any]) -> bytes:
    data = fields.pop("data")
    head = json.dumps(fields).encode()
    return b"".join((_PREFIX, len(head).to_bytes(4, "big"), head, data))


def _unpack(packed: bytes) -> dict[str, Any]:
    data_at = 8 + int.from_bytes(packed[4:8], "big")
    fields: dict[str, Any] = json.loads(packed[8:data_at])
    return fields | {"data": packed[data_at:]}
