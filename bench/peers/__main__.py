from __future__ import annotations

import signal
import sys

from bench.peers.run import main

# So that workers and servers end with us.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
sys.exit(main())
