"""Breaks the library on purpose and tells whether a test notices: `python -m tests.mutants`.

The exit code is 1 if something that was broken went unnoticed.
"""

from __future__ import annotations

import sys

from tests.mutants.copies import PASSED
from tests.mutants.defects import read_defects, try_all, try_unbroken


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - the report


def try_defects() -> bool:
    """Put the known defects back one by one; return whether each was caught."""
    defects = read_defects()
    whole = try_unbroken(defects)
    if whole.code != PASSED:
        say(f"{whole.output}\nThe tests fail where nothing is broken: {whole.broke}")
        return False
    caught = 0
    for outcome in try_all(defects):
        caught += outcome.is_caught
        say(outcome.told if outcome.is_caught else f"{outcome.run.output}\n{outcome.told}")
    say(f"{caught}/{len(defects)} defects caught")
    return caught == len(defects)


if __name__ == "__main__":
    sys.exit(0 if try_defects() else 1)
