"""The pytest plugin: the functions of ``djutils.testing`` as fixtures, and an empty MemoryQueue before each test.

It is loaded in every environment in which djutils is installed. So it does not import Django, nor anything of
djutils before a test uses it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Empty every MemoryQueue, if there are any."""
    if (memory := sys.modules.get("djutils.queue.backends.memory")) is not None:
        memory.MemoryQueue.forget_all()


@pytest.fixture
def assert_enqueued() -> Callable[..., Any]:
    """``djutils.testing.assert_enqueued``: ``assert_enqueued(fn, *args, **kwargs)``."""
    return _function("assert_enqueued")


@pytest.fixture
def assert_not_enqueued() -> Callable[..., Any]:
    """``djutils.testing.assert_not_enqueued``: ``assert_not_enqueued(fn, *args, **kwargs)``."""
    return _function("assert_not_enqueued")


@pytest.fixture
def enqueued() -> Callable[..., Any]:
    """``djutils.testing.enqueued``: ``enqueued()`` returns the waiting calls."""
    return _function("enqueued")


@pytest.fixture
def drain() -> Callable[..., Any]:
    """``djutils.testing.drain``: ``drain()`` runs the waiting calls."""
    return _function("drain")


@pytest.fixture
def crash() -> Callable[..., Any]:
    """``djutils.testing.crash``: a context in which the worker dies."""
    return _function("crash")


def _function(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(import_module("djutils.testing"), name)
    return found
