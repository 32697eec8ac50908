"""``python -m tests.project.crowd FOLDER FIRST COUNT PROCESSES``: enqueue from many processes at once.

Each sends ``COUNT`` numbers, the first process from ``FIRST`` on; the exit code is 0 if all could.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import django


def send(folder: str, first: int, count: int) -> None:
    """Send ``count`` numbers from ``first`` on."""
    trials = import_module("tests.project.app.trials")
    for number in range(first, first + count):
        trials.record(folder, number, 0)


def main(folder: str, first: int, count: int, processes: int) -> int:
    """Send from that many children; return the exit code."""
    hear, say = os.pipe()
    children = []
    for place in range(processes):
        if pid := os.fork():
            children.append(pid)
            continue
        os.close(say)
        os.read(hear, 1)  # until all are there
        code = 1
        try:
            send(folder, first + place * count, count)
            code = 0
        finally:
            os._exit(code)
    os.close(say)
    return max(abs(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])) for pid in children)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    django.setup()
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
