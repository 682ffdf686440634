#!/usr/bin/env python3
"""summary.py RESULTS-DIR - one line per tier, then 'N passed, N failed, N skipped'.

RESULTS-DIR holds TIER.xml (ctest --output-junit), TIER.seconds and, where building or running went
wrong, TIER.failed. A GoogleTest program counts by its test cases, anything else as one test.
Skipped tests of the VM tier are failures unless DRAPCI_ALLOW_SKIP=1: a machine without the emulator
must not look as if it had proved something. Exit status 1 when anything failed.
"""
import os
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

CASE = re.compile(r"^\[ *(OK|FAILED|SKIPPED) *\] [^\n]*\(\d+ ms\)$", re.MULTILINE)


def count_test(case):
    """(passed, failed, skipped) of one ctest test."""
    results = [m.group(1) for m in CASE.finditer(case.findtext("system-out") or "")]
    passed, failed, skipped = (results.count(r) for r in ("OK", "FAILED", "SKIPPED"))
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return (0, 0, 1)
    if case.get("status") == "fail" and not failed:
        failed = 1  # died outside of a case, or is no GoogleTest program
    if not passed + failed + skipped:
        passed = 1
    return (passed, failed, skipped)


def count_tier(tier, directory):
    report = directory / f"{tier}.xml"
    counts = [0, 0, 0]
    if report.exists():
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            counts = [a + b for a, b in zip(counts, count_test(case))]
    passed, failed, skipped = counts
    if tier == "vm" and skipped and os.environ.get("DRAPCI_ALLOW_SKIP") != "1":
        print("vm: tests were skipped, counted as failed (DRAPCI_ALLOW_SKIP=1 allows it)")
        failed, skipped = failed + skipped, 0
    if (directory / f"{tier}.failed").exists() and not failed:
        failed = 1  # did not build, or ctest itself failed
    return passed, failed, skipped


def main():
    directory = pathlib.Path(sys.argv[1])
    marks = sorted(directory.glob("*.seconds"), key=lambda p: p.stat().st_mtime_ns)
    total = (0, 0, 0)
    for mark in marks:
        counts = count_tier(mark.stem, directory)
        total = tuple(a + b for a, b in zip(total, counts))
        print(f"{mark.stem + ':':12} {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped"
              f" in {mark.read_text().strip()} s")
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    sys.exit(1 if total[1] else 0)


if __name__ == "__main__":
    main()
