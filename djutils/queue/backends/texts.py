"""Shortening an error's text for a store that refuses it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from djutils.queue.exceptions import BackendError, BackendUnavailable, OwnerLost
from djutils.queue.message import Crashes

from .border import border


class Reapable(Protocol):
    """What ``reap`` calls: methods of a ``LeasedQueue``."""

    def owners(self) -> dict[int, int]: ...
    def reap(self, owner: int, beats: int | None = None, running: Crashes | None = None) -> int: ...


_TYPE = re.compile(r"[\w.]+(?=:|$)", re.ASCII)


def bearable(text: str) -> list[str]:
    """Return versions of ``text`` to try in order: the text itself, all of it in ASCII, and a short line."""
    if not text:
        return [text]
    return list(dict.fromkeys((text, _escaped(text), without_text(text))))


def without_text(text: str) -> str:
    """Return a short ASCII line to replace ``text``, with the exception's type if the text begins with one."""
    kind = _TYPE.match(_escaped(text.partition("\n")[0]))
    named = f"{kind.group()[:200]}: " if kind else ""
    return f"{named}the store refused the text of this error; the consumer's log has it."


def _escaped(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def reap(queue: Reapable, owner: int, reasons: Mapping[str, str]) -> int:
    """Remove ``owner`` and charge a crash to each id of ``reasons``, with as much of the reason as the store accepts.

    Return how many messages came back. Raises ``BackendError`` if the store refuses even the shortest.
    """
    versions = [dict(zip(reasons, told, strict=True)) for told in _versions(list(reasons.values()))]
    for version in versions[:-1]:
        try:
            with border(queue):
                return queue.reap(owner, running=version)
        except OwnerLost:
            raise
        except BackendUnavailable:
            queue.owners()  # raises if the store is at fault and not these texts
        except BackendError:
            pass
    with border(queue):
        return queue.reap(owner, running=versions[-1])


def _versions(texts: list[str]) -> list[list[str]]:
    versions = [texts, [_escaped(text) for text in texts], [without_text(text) for text in texts]]
    return versions if texts else versions[:1]
