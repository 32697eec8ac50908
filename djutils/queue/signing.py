"""How bytes are signed with one key."""

from __future__ import annotations

import hashlib


class Key:
    """HMAC-SHA256 with one key; both hashes are started once and copied for every message.

    As in RFC 2104, section 4. The ``hmac`` module starts them for every message or wraps each copy,
    which takes twice as long as the hashing.
    """

    def __init__(self, key: bytes) -> None:
        self.id = hashlib.sha256(key).digest()[:4]
        padded = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def sign(self, data: bytes) -> bytes:
        """Return the authentication code of ``data``."""
        inner = self._inner.copy()
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()
