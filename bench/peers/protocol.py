"""What a peer is, to the harness.

A peer is a module ``with_*.py`` that runs in its own environment. The harness never imports it, because
its libraries are missing there; it reads the literal ``PEER`` from its source:

``name``, ``distribution``
    what people call it, and whose version to tell
``requirements``, ``python`` (optional)
    what its environment is made of, ``ROOT`` for this checkout; which Python it needs where not every one
    will do
``stores``
    of ``redis``, ``postgres``, ``sqlite``, ``mariadb``
``configurations``
    ``default`` and ``fastest``, each a dictionary of

    ``what``
        one sentence
    ``kept``, ``why``
        what happens after ``kill -9`` of a worker to the command it runs: ``yes``, it runs again by itself;
        ``failed``, it is marked as failed; ``stuck``, it stays marked as running; ``lost``, it is
        gone (a dictionary where it depends on the store); and one sentence
    ``batch``
        how many commands a worker process has received when it begins the first
    ``few`` (optional)
        how many commands are enough to learn how fast it is about, where 100 are too many or too few
    ``forks``
        True when its own worker starts several processes; else the harness starts several workers
``waits`` (optional)
    False where no worker waits for work: how soon it begins is not measured
``results``, or ``without results``
    how the queue keeps what a command returns, one sentence that goes on after the name of the peer; or why that is not
    measured
``django``, ``apps``, ``settings`` (for Django's)
    True; what to install; Django's settings per configuration, and per store where they differ, where
    ``PROCESSES`` and ``THREADS`` stand for their numbers and ``URL`` for the store's

In its environment the module offers

``prepare()`` (optional)
    make tables
``enqueue(*call)``
    put one command, return when the store has answered; where results are kept, return its id
``enqueue_many(calls)`` (optional)
    the same for many at once, by the interface the peer has for it
``result_of(id)`` (with ``results``)
    what the command with this id has returned, None as long as nothing is kept
``session()`` (optional)
    a context manager around all of these; when they are coroutine functions, an asynchronous one
``work(processes)``
    run a worker until SIGTERM: with one process one thread works, with two as is best for two processors

and reads its store and its configuration from the names below. ``child.py`` calls it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

STORE = os.environ.get("BENCH_STORE", "")
URL = os.environ.get("BENCH_URL", "")
FASTEST = os.environ.get("BENCH_CONFIGURATION") == "fastest"
PROCESSES = int(os.environ.get("BENCH_PROCESSES", "1"))
FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))

HOST = urlsplit(URL).hostname or ""
PORT = urlsplit(URL).port or 0
USER = urlsplit(URL).username or ""
PASSWORD = urlsplit(URL).password or ""

ROOT = Path(__file__).parents[2]


def become(module: str, *arguments: str) -> NoReturn:
    """Go on as ``python -m module``, the way people start this worker."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def become_script(name: str, *arguments: str) -> NoReturn:
    """Go on as a script of this environment."""
    script = str(Path(sys.executable).with_name(name))
    os.execv(script, [script, *arguments])
