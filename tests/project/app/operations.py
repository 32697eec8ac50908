"""Commands that make files, leave programs behind and operate the consumer they run in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from django.core.management import CommandError, call_command

from djutils.queue.decorators import queue_command

from .files import write


@queue_command
def make_files(folder: str) -> None:
    """Make a file and a folder, as an upload does, and say as whom."""
    Path(folder, "file").touch()
    Path(folder, "folder").mkdir()
    write(
        str(Path(folder, "who")),
        f"{os.geteuid()} {os.getegid()} {sorted(os.getgroups())} {os.environ['HOME']}",
    )


@queue_command
def leave_program(path: str, *words: str) -> None:
    """Start a program and do not wait for it."""
    write(path, subprocess.Popen(words, stdout=subprocess.DEVNULL).pid)


@queue_command(max_attempts=1)
def operate(path: str, *words: str) -> None:
    """Run a program to its end, and leave its exit code and what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    write(path, f"{done.returncode} {done.stdout} {done.stderr}".replace("\n", " "))


@queue_command(max_attempts=1)
def operate_here(path: str, *words: str) -> None:
    """Run a management command in this very process, and leave what it says."""
    try:
        call_command(*words)
    except CommandError as error:
        write(path, f"{error.returncode} {error}".replace("\n", " "))
