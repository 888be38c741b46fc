"""Breaks the library on purpose and tells whether a test notices: `python -m tests.mutants`.

First the defects that handlers of this kind have had are put back, one by one; then small changes are made all over
the parts that judge. The exit code is 1 if something went unnoticed that is not listed in survivors.toml.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from tests.mutants.copies import PASSED
from tests.mutants.defects import PatchError, read_defects, try_all, try_unbroken
from tests.mutants.mutations import TESTS, WANTED, MutationError, listed, try_mutations

if TYPE_CHECKING:
    from collections.abc import Sequence

_EVERY = 250


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - the report


def defects_are_caught() -> bool:
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


def mutations_are_killed(parts: Sequence[str], *, seed: int, sample: int) -> bool:
    """Try mutations; return whether enough are killed and every survivor is listed."""
    accepted, began = listed(), time.monotonic()
    verdicts: dict[str, list[str]] = {"killed": [], "stopped": [], "survived": [], "broken": []}
    say(f"mutations of {', '.join(parts)}: " + (f"a sample of {sample}, seed {seed}" if sample else "all"))
    tried = 0
    for tried, one in enumerate(try_mutations(parts, seed=seed, sample=sample), start=1):
        verdicts[one.verdict].append(one.name)
        if one.verdict == "broken" or (one.verdict == "survived" and one.name not in accepted):
            say(f"{one.verdict.upper()} {one.name}")
        if tried % _EVERY == 0:
            say(f"  {tried} tried, {len(verdicts['survived'])} survived, {time.monotonic() - began:.0f} s")
    unlisted = set(verdicts["survived"]) - set(accepted)
    noticed = len(verdicts["killed"]) + len(verdicts["stopped"])
    rate = noticed / max(tried, 1)
    say(
        f"{tried} mutations: {noticed} killed ({rate:.1%}), {len(verdicts['stopped'])} of them stopped as endless; "
        f"{len(verdicts['survived'])} survived, {len(unlisted)} of them not listed with a reason; "
        f"{time.monotonic() - began:.0f} s"
    )
    return rate >= WANTED and not unlisted and not verdicts["broken"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Do the tests notice?")
    parser.add_argument("--only", choices=("defects", "mutations"), help="one half of it")
    parser.add_argument("--part", action="append", choices=tuple(TESTS), help="mutations of this part; all unless told")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="try N mutations; all unless told")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    asked = parser.parse_args(arguments)
    good = True
    try:
        if asked.only != "mutations":
            good = defects_are_caught()
        if asked.only != "defects":
            good &= mutations_are_killed(asked.part or tuple(TESTS), seed=asked.seed, sample=asked.sample)
    except (PatchError, MutationError) as error:
        say(str(error))
        return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
