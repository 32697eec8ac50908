"""Measures djutils, its peers and the bare stores they use: ``python -m bench``."""

from __future__ import annotations

import signal
import sys

from bench.run import main

# So that workers and servers end with this process.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
sys.exit(main())
