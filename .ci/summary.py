"""Add up what the environments of tox found, and name what was skipped; the last line is the sum."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET


def of_tests(report: Path) -> Counter[str]:
    """Return what pytest counted in one environment."""
    found: Counter[str] = Counter()
    for suite in ET.parse(report).iter("testsuite"):
        total, failed, errors, skipped = (
            int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")
        )
        found += Counter(passed=total - failed - errors - skipped, failed=failed + errors, skipped=skipped)
    return found


def of_environment(success: bool, report: Path) -> Counter[str]:
    """Return the counts of its tests; an environment without tests is one check itself."""
    counts = of_tests(report) if report.exists() else Counter(passed=int(success))
    if not success and not counts["failed"]:
        counts["failed"] = 1
    return counts


def reasons(report: Path) -> Counter[str]:
    """Return why tests were skipped, and how many for each reason."""
    if not report.exists():
        return Counter()
    return Counter(skip.get("message", "") for skip in ET.parse(report).iter("skipped"))


def in_folder(folder: Path, only: list[str]) -> dict[str, bool]:
    """Return the environments that ran and whether each of them passed.

    Those in ``only`` are taken from their reports, because tox is still running.
    """
    if only:
        return {name: True for name in only if (folder / f"{name}.xml").exists()}
    known = json.loads((folder / "tox.json").read_text())["testenvs"]
    return {name: found["result"]["success"] for name, found in sorted(known.items()) if "result" in found}


def describe(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[word]} {word}" for word in ("passed", "failed", "skipped"))


def main(folders: list[Path], only: list[str]) -> int:
    total: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for folder in folders:
        for name, success in in_folder(folder, only).items():
            report = folder / f"{name}.xml"
            counts = of_environment(success, report)
            print(f"{name:24} {describe(counts)}")
            total += counts
            skipped += reasons(report)
            if (text := folder / f"{name}.txt").exists():
                print(f"\n{text.read_text(encoding='utf-8')}")
    if skipped:
        print("\nSkipped:")
        for reason, number in skipped.most_common():
            print(f"{number:5}  {reason}")
        print()
    print(describe(total))
    return bool(total["failed"]) or not total["passed"]


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", default=[], metavar="ENVIRONMENT")
    sys.exit(main(**vars(parser.parse_args())))
