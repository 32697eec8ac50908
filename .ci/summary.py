"""Add up what all environments of one tox run found; the last line is the sum."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET


def of_tests(report: Path) -> Counter[str]:
    """What pytest counted in one environment."""
    found: Counter[str] = Counter()
    for suite in ET.parse(report).iter("testsuite"):
        total, failed, errors, skipped = (
            int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")
        )
        found += Counter(passed=total - failed - errors - skipped, failed=failed + errors, skipped=skipped)
    return found


def of_environment(success: bool, report: Path) -> Counter[str]:
    """Tests where there are some; otherwise the environment itself is one check."""
    counts = of_tests(report) if report.exists() else Counter(passed=int(success))
    if not success and not counts["failed"]:
        counts["failed"] = 1
    return counts


def main(folder: Path) -> int:
    environments = json.loads((folder / "tox.json").read_text())["testenvs"]
    total: Counter[str] = Counter()
    for name, result in sorted(environments.items()):
        if "result" not in result:  # known to tox, but not run
            continue
        counts = of_environment(result["result"]["success"], folder / f"{name}.xml")
        print(f"{name:12} {describe(counts)}")
        total += counts
    print(describe(total))
    return bool(total["failed"]) or not total["passed"]


def describe(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[word]} {word}" for word in ("passed", "failed", "skipped"))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
