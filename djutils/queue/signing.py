"""How bytes are signed with one key."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

SIGNATURE_SIZE = 32
"""In bytes."""


class Key:
    """A keyed hash that is started once and copied for everything it signs."""

    def __init__(self, started: Any, id: bytes) -> None:
        self._started = started
        self.id = id

    def sign(self, data: bytes) -> bytes:
        """Return the authentication code of ``data``."""
        code = self._started.copy()
        code.update(data)
        return bytes(code.digest())


def keys_from(secret: bytes) -> list[Key]:
    """Return the keys by which what was signed with ``secret``, of 32 bytes, is accepted; the first one signs.

    BLAKE2b with a key is an authentication code by itself (RFC 7693, section 2.9), and takes half the time of
    HMAC-SHA256 (RFC 2104), which hashes twice. A Python restricted to FIPS 140 refuses it, and signs with HMAC.
    """
    with_hmac = Key(hmac.new(secret, digestmod="sha256"), hashlib.sha256(secret).digest()[:4])
    try:
        keyed = hashlib.blake2b(key=secret, digest_size=SIGNATURE_SIZE)
    except (AttributeError, ValueError):  # how depends on who built it
        return [with_hmac]
    return [Key(keyed, hashlib.sha256(b"blake2b" + secret).digest()[:4]), with_hmac]
