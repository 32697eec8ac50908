"""The virtual environment that the example runs in."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import servers
from processes import Trouble, call
from progress import step

CHECKOUT = Path(__file__).resolve().parent.parent


def move_in(options: argparse.Namespace) -> None:
    """Go on in a virtual environment that has what the example needs; make it if it is not there."""
    home, log = options.out / "venv", options.out / "install.log"
    python, note = home / "bin" / "python", home / "installed.json"
    maker = shutil.which(options.python) or options.python
    wanted = [f"-e{CHECKOUT}", "Pillow", *servers.wheels(options.backend, options.url)]
    known = installed(note)
    if wanted[0] not in known and not os.access(CHECKOUT, os.W_OK):
        raise Trouble(
            f"Installing djutils writes to its checkout, and {CHECKOUT} is read-only for you. Copy it to your own "
            "folder and run the example there, or use --here with a Python that has Django, Pillow and what "
            "djutils needs."
        )
    if known[:2] != [maker, wanted[0]] or not python.exists():
        note.unlink(missing_ok=True)  # interrupted from here on, it is made again
        with step("making a virtual env"):
            make_venv(maker, home, log)
        known = [maker]
    if missing := [each for each in wanted if each not in known]:
        with step("installing"):
            call([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *missing], log)
        note.write_text(json.dumps(known + missing))
    sys.stdout.flush()
    os.execv(python, [str(python), str(CHECKOUT / "example" / "run.py"), "--here", *sys.argv[1:]])


def installed(note: Path) -> list[str]:
    """Return which Python made the virtual environment, and what was installed; nothing if that is not sure."""
    try:
        known: list[str] = json.loads(note.read_text())
    except (FileNotFoundError, ValueError):
        return []
    return known


def make_venv(python: str, home: Path, log: Path) -> None:
    """Make an empty virtual environment, in place of what is there."""
    try:
        call([python, "-m", "venv", "--clear", home], log)
    except Trouble as trouble:
        hint = "On Debian and Ubuntu 'apt install python3-venv' helps; or name another Python with --python."
        raise Trouble(f"{trouble}\n\n{hint}") from trouble
    except OSError as error:
        raise Trouble(
            f"{python} cannot be run: {error.strerror}. Name another Python with --python."
        ) from error
