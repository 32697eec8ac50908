"""Dead letters as bytes: how a queue with only four methods stores them."""

from __future__ import annotations

import json
from datetime import datetime

from djutils.queue.message import DeadLetter

_PREFIX = b"djx\x01"


def pack_dead_letter(letter: DeadLetter) -> bytes:
    """Return ``letter`` as bytes."""
    fields = letter._asdict() | {"died": letter.died.isoformat()}
    data = fields.pop("data")
    head = json.dumps(fields).encode()
    return b"".join((_PREFIX, len(head).to_bytes(4, "big"), head, data))


def unpack_dead_letter(packed: bytes) -> DeadLetter:
    """Return the dead letter that ``pack_dead_letter`` packed."""
    data_at = 8 + int.from_bytes(packed[4:8], "big")
    fields = json.loads(packed[8:data_at])
    fields["died"] = datetime.fromisoformat(fields["died"])
    return DeadLetter(data=packed[data_at:], **fields)
