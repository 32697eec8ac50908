"""What spam looks like."""

from __future__ import annotations

import re

PHRASES = (
    "casino",
    "cheap pills",
    "crypto",
    "click here",
    "work from home",
    "free money",
    "limited offer",
    "seo",
)
TOLERATED = 1
"""How many reasons an honest comment may have: anyone may shout or link once."""


def reasons(name: str, comment: str) -> list[str]:
    """Return why this looks like spam; an empty list if it does not."""
    text = f"{name} {comment}".lower()
    letters = [letter for letter in comment if letter.isalpha()]
    links = len(re.findall(r"https?://|www\.", text))
    found = [f"“{phrase}”" for phrase in PHRASES if re.search(rf"\b{phrase}\b", text)]
    if links:
        found.append("a link" if links == 1 else f"{links} links")
    if len(letters) > 20 and sum(letter.isupper() for letter in letters) > len(letters) / 2:
        found.append("shouting")
    if comment.count("!") > 4:
        found.append("!!!")
    return found if len(found) > TOLERATED else []
