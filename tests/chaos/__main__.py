"""``python -m tests.chaos [OPTIONS OF PYTEST]``: break things, count, print a table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    folder = str(Path(__file__).parent)
    sys.exit(pytest.main([folder, "-m", "chaos", "-p", "no:cacheprovider", *sys.argv[1:]]))
