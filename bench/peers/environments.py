"""An environment for each peer, made by uv once and used again: ``python -m bench.peers.environments``."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.peers.catalogue import declared, modules
from bench.peers.protocol import ROOT


class NotInstalled(Exception):
    """A peer's environment could not be made."""


def cache() -> Path:
    """The default folder for environments."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "djutils-bench"


def environment(module: str, folder: Path) -> Path:
    """Return the Python of the peer's environment, which is made unless it is there already.

    Delete ``folder`` to have the newest releases of all peers.
    """
    peer = declared(module)
    requirements = [word for one in peer["requirements"] for word in resolved(one)]
    made_of = "\n".join([sys.version, peer.get("python", ""), *requirements])
    place = folder / f"{module}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        # Every peer runs on the Python that runs this, unless it requires another one.
        _uv("venv", "--no-python-downloads", "--python", _python(peer), str(place))
        _uv("pip", "install", "--python", str(python), *requirements)
        (place / "complete").touch()
    return python


def resolved(requirement: str) -> list[str]:
    """Return uv's arguments for ``requirement``; ``ROOT`` becomes this checkout, in editable mode."""
    name, bracket, extras = requirement.partition("[")
    return ["--editable", f"{ROOT}{bracket}{extras}"] if name == "ROOT" else [requirement]


def _python(peer: dict[str, Any]) -> str:
    wanted = str(peer.get("python", ""))
    lowest = tuple(int(part) for part in wanted.removeprefix(">=").split(".") if part)
    return sys.executable if sys.version_info >= lowest else wanted


def _uv(*arguments: str) -> None:
    uv = [sys.executable, "-m", "uv"] if find_spec("uv") else [shutil.which("uv") or "uv"]
    try:
        done = subprocess.run([*uv, "--quiet", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotInstalled("environments are made by uv: pip install uv") from error
    if done.returncode:
        raise NotInstalled(done.stderr.strip())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.environments", description=__doc__)
    parser.add_argument("--environments", type=Path, default=cache(), metavar="FOLDER")
    chosen = parser.parse_args()
    failed = 0
    for module in modules():
        try:
            print(module, environment(module, chosen.environments))
        except NotInstalled as error:
            print(f"{module} was not installed: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
