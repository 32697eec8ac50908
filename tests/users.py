"""Other users of the same machine. Only root can act as them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

NOBODY = 65534
MALLORY = 4242

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Open files as another user would, in this process."""
    before = os.getgroups()
    os.setgroups([])
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


@contextmanager
def another_process(uid: int, live: Callable[[], object]) -> Iterator[int]:
    """A process of another user that does ``live`` and then waits; killed at the end.

    It is forked: that user may not be able to read the files of this Python.
    """
    hear, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            kept = live()
            os.write(say, b"1")
            signal.pause()
            del kept
        finally:
            os._exit(1)
    os.close(say)
    try:
        assert os.read(hear, 1) == b"1", "the other process failed"
        yield pid
    finally:
        os.close(hear)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


@contextmanager
def public_folder(mode: int = 0o1777) -> Iterator[Path]:
    """A folder like /tmp, which every user can enter; pytest's own are closed to all but one."""
    folder = Path(tempfile.mkdtemp(prefix="djutils-public-"))
    folder.chmod(mode)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@cache
def public_python() -> tuple[str, str]:
    """A Python that every user can run, and what must be on its path; the test is skipped if there is none."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = sysconfig.get_path("purelib")
    for python in (sys.executable, shutil.which(version, path="/usr/bin:/usr/local/bin")):
        environment = {"PYTHONPATH": packages, "PATH": os.environ["PATH"]}
        words = (python or "false", "-c", "import django, daemon")
        with suppress(OSError):
            run = subprocess.run(
                words, user=NOBODY, group=NOBODY, extra_groups=[], env=environment, cwd="/", check=False
            )
            if run.returncode == 0:
                return words[0], packages
    pytest.skip("no other user can run this Python")
