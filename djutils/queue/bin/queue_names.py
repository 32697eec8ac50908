"""What ``-q`` names: a queue, or by a pattern several of those that the project knows, each with or without a weight.

``-q mail``, ``-q mail:4`` with the weight 4, ``-q 'mail-*'`` for every queue whose name begins with ``mail-``.
"""

from __future__ import annotations

import os
import re
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from djutils.queue.exceptions import ConsumerError
from djutils.queue.workers.options import ConsumerOptions

_WEIGHTED = re.compile(r"(.+):(\d+)", re.DOTALL)
_MOST = 1000


def checked(text: str) -> str:
    """Return ``text`` if ``-q`` accepts it. Raises ``ArgumentTypeError``."""
    if not text.strip():
        raise ArgumentTypeError("must be the name of a queue, not ''")
    name, weight = _parts(text)
    if weight and not 1 <= int(weight) <= _MOST:
        raise ArgumentTypeError(
            f"'{name}' must have a weight from 1 to {_MOST}, not {weight}; a queue with the name '{text}' is '{text}:1'"
        )
    return text


def parsed(words: Sequence[str]) -> Mapping[str, tuple[str, ...] | tuple[int, ...]]:
    """Return ``queues`` and ``weights`` for ``ConsumerOptions``; a queue named twice counts once."""
    weights: dict[str, int] = {}
    given = [_parts(word) for word in words]
    for name, weight in given:
        weights.setdefault(name, int(weight or 1))
    several = len(weights) > 1 or any(map(is_pattern, weights))
    weighted = several and any(weight for _, weight in given)
    return {"queues": tuple(weights), "weights": tuple(weights.values()) if weighted else ()}


def as_words(consumer: ConsumerOptions) -> list[str]:
    """Return what follows each ``-q`` that names these queues."""
    if consumer.weights:
        return [f"{name}:{weight}" for name, weight in zip(consumer.queues, consumer.weights, strict=True)]
    return [f"{name}:1" if _WEIGHTED.fullmatch(name) else name for name in consumer.queues]


def is_pattern(name: str) -> bool:
    """Return whether ``name`` may stand for several queues."""
    return any(sign in name for sign in "*?[")


def expanded(consumer: ConsumerOptions, known: Sequence[str]) -> ConsumerOptions:
    """Return ``consumer`` with those of the ``known`` queues that its patterns match; each of them gets the weight.

    Raises ``ConsumerError`` for a pattern that matches none.
    """
    if not any(map(is_pattern, consumer.queues)):
        return consumer
    weights = consumer.weights or [1] * len(consumer.queues)
    given = dict(zip(consumer.queues, weights, strict=True))
    found = {name: weight for name, weight in given.items() if not is_pattern(name)}
    order: dict[str, int] = {}
    for name, weight in given.items():
        matching = [one for one in known if fnmatchcase(one, name)] if is_pattern(name) else [name]
        if not matching:
            raise ConsumerError(
                f"No queue matches '{name}'. The project's commands, QUEUE_NAME and QUEUES name: "
                f"{', '.join(known)}. A queue that only using(queue_name=...) names must be given by its name.",
                os.EX_CONFIG,
            )
        for one in matching:
            order.setdefault(one, found.get(one, weight))
    weighted = consumer.weights and len(order) > 1
    return replace(consumer, queues=tuple(order), weights=tuple(order.values()) if weighted else ())


def _parts(word: str) -> tuple[str, str]:
    """Return name and weight; the weight is empty if there is none."""
    weighted = _WEIGHTED.fullmatch(word)
    return (weighted[1], weighted[2]) if weighted else (word, "")
