"""The page of the system checks is complete, and matches the code."""

from __future__ import annotations

import re

from .tutorials import ROOT

REPORTING = [
    *(ROOT / "djutils").glob("*checks.py"),
    ROOT / "djutils" / "contrib" / "django_tasks" / "backend.py",
]
ID = r"djutils\.[EW]\d{3}"


def test_every_system_check_is_in_the_reference_and_no_other() -> None:
    page = (ROOT / "docs" / "reference" / "checks.rst").read_text(encoding="utf-8")
    sources = "".join(path.read_text(encoding="utf-8") for path in REPORTING)

    documented = re.findall(rf"^``({ID})``$", page, re.MULTILINE)
    reported = set(re.findall(rf'"({ID})"', sources))

    assert len(reported) >= 10
    assert set(documented) == reported
    assert documented == sorted(documented)
