"""Runs the fault matrix and prints one table: `python -m tests.faults [ROW ...] [--profile full] [--case KEY]`.

Two rows run at a time, each in its own process. The exit code is 1 if a promise was broken, or if a row could not run
on this machine, unless ``--allow-missing`` is given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from tests.faults.conftest import CASE, RECORD
from tests.faults.matrix import ROWS, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
NOTHING_COLLECTED = 5
AT_ONCE = 2


@attrs.frozen(kw_only=True)
class Outcome:
    """The results of a row's tests."""

    row: Row
    seconds: float
    tests: Sequence[dict[str, Any]]
    output: str
    code: int

    @property
    def cases(self) -> int:
        """The number of cases that were run."""
        return sum(test["ran"] for test in self.tests)

    @property
    def missing(self) -> str:
        """The reason why the row, or a part of it, could not run here; empty if it could."""
        if self.code == NOTHING_COLLECTED:
            return "it has no test"
        return "; ".join(test["cannot"] for test in self.tests if test["cannot"])

    @property
    def violations(self) -> int:
        """The number of broken promises; a test that ended in an error counts as one."""
        told = sum(test["violations"] for test in self.tests if not test["cannot"])
        return told or int(self.code not in {0, NOTHING_COLLECTED} and not self.missing)

    @property
    def notes(self) -> list[str]:
        """Figures and numbers of enumerated points, with a line for each test that ran a case."""
        return [_noted(test) for test in self.tests if test["ran"] and (test["notes"] or test["found"] is not None)]


def _noted(test: dict[str, Any]) -> str:
    counted = [] if test["found"] is None else [f"{test['found']} points found, {test['ran']} run"]
    return ": ".join(["; ".join(test["notes"]), *counted] if test["notes"] else counted)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows of the arguments, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Run the fault matrix.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(ROWS)}; all by default")
    parser.add_argument("--profile", choices=("quick", "full"), default="full")
    parser.add_argument("--case", help="run only this case")
    parser.add_argument("--allow-missing", action="store_true", help="a row that cannot run here is not a failure")
    asked = parser.parse_args(arguments)
    unknown = sorted(set(asked.rows) - set(ROWS))
    if unknown:
        parser.error(f"there is no row {', '.join(unknown)}")
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(run, ROWS[name], asked.profile, asked.case) for name in asked.rows or ROWS]
        outcomes = [future.result() for future in running]
    show(outcomes, time.monotonic() - started)
    broken = any(outcome.violations for outcome in outcomes)
    missing = any(outcome.missing for outcome in outcomes) and not asked.allow_missing
    absent = asked.case is not None and not any(outcome.cases for outcome in outcomes)
    if absent:
        print(f"there is no case {asked.case}", file=sys.stderr)  # noqa: T201 - an error of usage
    return int(broken or missing or absent)


def run(row: Row, profile: str, case: str | None) -> Outcome:
    """Run the tests of one row."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        environment = {**os.environ, "FAULT_MATRIX": profile, RECORD: str(record)}
        if case is not None:
            environment[CASE] = case
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--long", "-o", "timeout=2400"]
        command += [str(HERE / f"test_{row.group}.py"), "-k", f"test_{row.id}_"]
        done = subprocess.run(
            command, env=environment, cwd=HERE.parent.parent, capture_output=True, text=True, check=False
        )
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    seconds = time.monotonic() - started
    print(f"{row.id}: {seconds:.0f} s", file=sys.stderr, flush=True)  # noqa: T201 - progress
    tests = [json.loads(line) for line in lines]
    return Outcome(row=row, seconds=seconds, tests=tests, output=done.stdout + done.stderr, code=done.returncode)


def show(outcomes: Sequence[Outcome], seconds: float) -> None:
    """Print the output of the rows with violations, and the table."""
    lines = [outcome.output for outcome in outcomes if outcome.violations]
    lines.append(f"{'row':<4} {'cases':>9} {'violations':>10} {'seconds':>8}  fault")
    for outcome in outcomes:
        row, missing = outcome.row, outcome.missing
        counted = "NOT RUN" if missing else str(outcome.violations)
        lines.append(f"{row.id:<4} {outcome.cases:>9} {counted:>10} {outcome.seconds:>8.1f}  {row.fault}")
        lines += [f"{'':<36}{told}" for told in (missing, *outcome.notes) if told]
    cases, violations = (sum(values) for values in zip(*((one.cases, one.violations) for one in outcomes), strict=True))
    not_run = sum(bool(outcome.missing) for outcome in outcomes)
    lines.append(f"{cases} cases, {violations} violations, {not_run} rows not run, {seconds:.0f} s")
    print("\n".join(lines))  # noqa: T201 - the report


if __name__ == "__main__":
    sys.exit(main())
