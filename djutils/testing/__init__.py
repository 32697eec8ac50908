"""What projects need to test their commands, and what authors of backends need to test a backend.

``assert_enqueued``, ``assert_not_enqueued``, ``enqueued`` and ``drain`` are for the tests of a project: as
functions, in the mixin ``QueueAssertions``, and as pytest fixtures; ``crash`` lets a worker die. ``contract`` is
for backends.
"""

from __future__ import annotations

from .asserting import assert_enqueued, assert_not_enqueued
from .crashing import crash
from .draining import drain
from .enqueued import Enqueued, enqueued

__all__ = [
    "Enqueued",
    "QueueAssertions",
    "assert_enqueued",
    "assert_not_enqueued",
    "crash",
    "drain",
    "enqueued",
]


class QueueAssertions:
    """A mixin for Django's test classes: the same functions as methods.

    ::

        class SignUpTests(QueueAssertions, TestCase):
            def test_sign_up(self):
                ...
                self.assert_enqueued(send_welcome, user.pk)
    """

    assert_enqueued = staticmethod(assert_enqueued)
    assert_not_enqueued = staticmethod(assert_not_enqueued)
    enqueued = staticmethod(enqueued)
    drain = staticmethod(drain)
    crash = staticmethod(crash)
