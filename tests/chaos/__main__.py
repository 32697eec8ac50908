"""``python -m tests.chaos [--full] [OPTIONS OF PYTEST]``: break things, count, print a table.

Without ``--full`` only the most important faults run, in less than four minutes; with it every fault on
every backend, in less than 25. ``DJUTILS_CHAOS=full`` in the environment has the same effect on pytest
itself. ``-n 2`` runs two at a time: a fault mostly waits. ``DJUTILS_CHAOS_SEED`` repeats a run; the
seed is printed at the top and above the table, which ``--csv FILE`` writes in the documentation's format.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    options = sys.argv[1:]
    if "--full" in options:
        options.remove("--full")
        os.environ["DJUTILS_CHAOS"] = "full"
    folder = str(Path(__file__).parent)
    # In a new process: pytest rewrites asserts only in modules that are not imported yet, and this is in `tests`.
    os.execv(
        sys.executable,
        [sys.executable, "-m", "pytest", folder, "-m", "chaos", "-p", "no:cacheprovider", *options],
    )
