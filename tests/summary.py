"""Adds up JUnit reports: `summary.py REPORT STATUS [REPORT STATUS ...]`, STATUS being the exit status of its runner.

The failed tests go to stderr; stdout gets the one line "N passed, M failed" (", K skipped" if any were), and the exit
status is 1 if anything failed.
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

PYTEST_COLLECTED_NOTHING = 5


def outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    # CTest files what it couldn't start under "skipped" too, and only its status tells them apart.
    could_not_start = case.get("status") == "notrun" and not skipped.get("message", "").startswith("SKIP_")
    return "failed" if could_not_start else "skipped"


def count(report: Path, status: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    if report.exists():
        for case in ElementTree.parse(report).iter("testcase"):
            counts[outcome(case)] += 1
            if outcome(case) == "failed":
                print(f"FAILED {case.get('classname')} :: {case.get('name')}", file=sys.stderr)
    fine = status == 0 or (status == PYTEST_COLLECTED_NOTHING and not counts)
    if not fine and not counts["failed"]:
        counts["failed"] += 1
        print(f"FAILED {report.stem}: it ended with status {status} without naming a failed test", file=sys.stderr)
    return counts


def main(arguments: list[str]) -> int:
    total: Counter[str] = Counter()
    for report, status in zip(arguments[::2], arguments[1::2], strict=True):
        total += count(Path(report), int(status))
    if not total:
        print("weft: no test has that in its name", file=sys.stderr)
        total["failed"] = 1
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    print(f"{total['passed']} passed, {total['failed']} failed{skipped}")
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
