"""Breaks the library on purpose and reports what no test notices: `python -m tests.mutants`.

First the known defects are put back, one by one; then small changes are made in the parts of the library, a seeded
sample of them unless all are asked for. The exit code is 1 if something went unnoticed that is not listed in
survivors.toml, or if too few changes of a part are noticed.

Verdicts on mutations are kept in build/mutants.jsonl. A later run takes over those on unchanged modules by unchanged
tests, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutants.copies import PASSED, ROOT, copy_tree
from tests.mutants.defects import PatchError, read_defects, try_all, try_unbroken
from tests.mutants.mutations import EQUIVALENT, WANTED, MutationError, listed, names_of, sampled, try_mutations
from tests.mutants.parts import PARTS
from tests.mutants.results import Results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAMPLE = 400
SEED = 1
RESULTS = ROOT / "build" / "mutants.jsonl"
_EVERY = 100


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


def mutations_are_killed(tree: Path, names: Mapping[str, Sequence[str]], results: Results) -> bool:
    """Try mutations; return whether enough of each part are killed and every survivor is listed."""
    accepted, left, good = listed(), sum(map(len, names.values())), True
    for part, wanted in names.items():
        began, verdicts = time.monotonic(), Counter[str]()
        unlisted = equivalent = 0
        for verdict in try_mutations(tree, part, wanted, results):
            verdicts[verdict.verdict] += 1
            equivalent += verdict.verdict == "survived" and accepted.get(verdict.name, "").startswith(EQUIVALENT)
            left -= 1
            if verdict.verdict == "broken" or (verdict.verdict == "survived" and verdict.name not in accepted):
                unlisted += verdict.verdict == "survived"
                say(f"{verdict.verdict.upper()} {verdict.name}")
            if left % _EVERY == 0:
                say(f"  {verdicts.total()} of {len(wanted)} in {part} tried, {left} left in all")
        noticed = verdicts["killed"] + verdicts["stopped"]
        rate = noticed / max(verdicts.total() - equivalent, 1)
        say(
            f"{part}: {verdicts.total()} mutations, {noticed} killed ({rate:.1%}), {verdicts['stopped']} of them "
            f"stopped as endless; {verdicts['survived']} survived, {equivalent} of them equivalent and left out of the "
            f"rate, {unlisted} not listed with a reason; "
            f"{time.monotonic() - began:.0f} s"
        )
        good &= (rate >= WANTED or not wanted) and not unlisted and not verdicts["broken"]
    return good


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Do the tests notice?")
    parser.add_argument("--only", choices=("defects", "mutations"), help="one half of it")
    parser.add_argument(
        "--part", action="append", choices=tuple(PARTS), help="mutations of this part (default: of all)"
    )
    parser.add_argument("--sample", type=int, default=SAMPLE, metavar="N", help="try about N mutations (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the sample (%(default)s)")
    parser.add_argument("--all", action="store_true", help="try all mutations")
    parser.add_argument("--name", action="append", default=[], metavar="TEXT", help="all mutations named like that")
    asked = parser.parse_args(arguments)
    good = True
    try:
        if asked.only != "mutations":
            good = defects_are_caught()
        if asked.only != "defects":
            with tempfile.TemporaryDirectory() as folder:
                tree = copy_tree(Path(folder))
                good &= mutations_are_killed(tree, _chosen(asked, tree), Results(RESULTS, tree))
    except (PatchError, MutationError) as error:
        say(str(error))
        return 1
    return 0 if good else 1


def _chosen(asked: argparse.Namespace, tree: Path) -> dict[str, list[str]]:
    names = names_of(asked.part or tuple(PARTS), tree)
    total = sum(map(len, names.values()))
    if asked.name:
        chosen = {
            part: [name for name in each if any(text in name for text in asked.name)] for part, each in names.items()
        }
        say(f"{sum(map(len, chosen.values()))} of {total} mutations, by name")
        return {part: each for part, each in chosen.items() if each}
    if asked.all:
        say(f"all {total} mutations of {', '.join(names)}")
        return names
    chosen = sampled(names, size=asked.sample, seed=asked.seed)
    counts = ", ".join(f"{len(each)} of {len(names[part])} in {part}" for part, each in chosen.items())
    say(f"a sample of {sum(map(len, chosen.values()))} of {total} mutations, seed {asked.seed}: {counts}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
