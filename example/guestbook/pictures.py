"""Thumbnails, and the folder of uploaded photos."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from PIL import Image, ImageFilter, ImageOps

GRACE = 3600.0
"""Seconds an uploaded photo may be there without an entry: its transaction may still be open."""
POSTERS_STAY = 2 * 24 * 3600.0
"""Seconds a poster stays: the result of its call, from which the page has the link, is kept for a day."""
BRUSHES = (11, 7)
"""Widths in pixels, from broad to fine: each goes over the whole poster once."""
STRIPS = 12
STEPS = len(BRUSHES) * STRIPS
"""In how many steps a poster is made."""


def shrink(photo: IO[bytes], targets: Mapping[int, Path]) -> None:
    """Store ``photo`` once per target, its longest side no longer than so many pixels.

    Upright, whatever the EXIF orientation said, and without any EXIF: it may name the visitor's
    home. A target is there completely or not at all.
    """
    with Image.open(photo) as source:
        source.draft("RGB", (max(targets), max(targets)))
        picture = ImageOps.exif_transpose(source).convert("RGB")
    for side, path in sorted(targets.items(), reverse=True):
        picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
        _store(picture, path)


def make_poster(photo: IO[bytes], side: int, path: Path) -> Iterator[None]:
    """Store ``photo`` as if it were made of strokes, its longest side ``side`` pixels; yield after each of the steps."""
    with Image.open(photo) as source:
        picture = ImageOps.exif_transpose(source).convert("RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    width, height = picture.size
    for brush in BRUSHES:
        before = picture.copy()
        for number in range(STRIPS):
            top, bottom = number * height // STRIPS, (number + 1) * height // STRIPS
            # A stroke reaches over the edge of its strip.
            above, below = max(0, top - brush), min(height, bottom + brush)
            strip = before.crop((0, above, width, below)).filter(ImageFilter.ModeFilter(brush))
            picture.paste(strip.crop((0, top - above, width, bottom - above)), (0, top))
            yield
    _store(picture, path)


def _store(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Killed while it is written, the file has another name; two runs at a time do not disturb each other.
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    picture.save(unfinished, "JPEG", quality=85, optimize=True, exif=b"")
    unfinished.replace(path)


def remove_strangers(folder: Path, known: set[str], grace: float = GRACE) -> None:
    """Remove the files in ``folder`` that are not ``known`` and older than ``grace`` seconds, by default an hour."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name not in known and time.time() - path.stat().st_mtime > grace:
            path.unlink(missing_ok=True)
