"""Mutation testing: small changes of the source, each of which some test must notice.

A mutation that no test notices is listed in survivors.toml with the reason why it may live, or is not accepted.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutants.copies import environment
from tests.mutants.engine import LOG
from tests.mutants.parts import PARTS, mutations_in
from tests.mutants.results import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.mutants.results import Results

SURVIVORS = Path(__file__).with_name("survivors.toml")
WANTED = 0.95
"""The share of the mutations of each part that must be killed; those that are listed as equivalent do not count."""

EQUIVALENT = "The same"
"""How the reason of a survivor begins that no test can notice: the mutation changes nothing that anything can see."""

AT_LEAST = 60
"""How many mutations of each part a sample holds, if it is large enough for that."""


class MutationError(Exception):
    """The mutations could not be tried."""


def listed() -> dict[str, str]:
    """Return the survivors that are accepted, with the reason of each.

    Raises:
        MutationError: One has no reason.
    """
    found: dict[str, str] = {}
    for group in tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivors", []):
        if not group["reason"].strip():
            raise MutationError(f"survivors.toml: give a reason for {group['mutations']}")
        found |= dict.fromkeys(group["mutations"], group["reason"])
    return found


def names_of(parts: Sequence[str], tree: Path) -> dict[str, list[str]]:
    """Return the names of the mutations of some parts, by part, in the order of the source."""
    return {part: [mutation.name for mutation in mutations_in(PARTS[part], tree)] for part in parts}


def sampled(names: Mapping[str, Sequence[str]], *, size: int, seed: int) -> dict[str, list[str]]:
    """Return a sample of the mutations of each part.

    The larger a part, the more of its mutations are taken; of none are fewer taken than `AT_LEAST`, nor fewer than an
    even share if the sample is too small for that. Each mutation has its place in line by the seed and its own name, so
    that a change of the source exchanges few of those that are taken.

    Args:
        names: The mutations of each part.
        size: How many to take of all of them together, nearly.
        seed: Decides which.
    """
    total = sum(map(len, names.values()))
    least = min(AT_LEAST, size // len(names))
    found = {}
    for part, each in names.items():
        count = min(len(each), max(least, round(size * len(each) / total)))
        chosen = set(sorted(each, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())[:count])
        found[part] = [name for name in each if name in chosen]
    return found


def try_mutations(tree: Path, part: str, names: Sequence[str], results: Results) -> Iterator[Verdict]:
    """Try mutations of a part in a copy of the tree, and yield what becomes of each.

    Args:
        tree: The copy.
        part: The part.
        names: Which of its mutations.
        results: What is known of them already; what becomes known is added.

    Raises:
        MutationError: The tests fail where nothing is changed, or could not be run.
    """
    left: dict[str, str] = {}
    for name in names:
        known = results.get(part, name)
        if known in {None, "later", "unplaced", "broken"}:
            left[name] = known or ""
        else:
            yield Verdict(name=name, verdict=known)
    if not left:
        return
    wanted = tree / "wanted.json"
    wanted.write_text(json.dumps(left), encoding="utf-8")
    command = [sys.executable, "-m", "tests.mutants.engine", part, str(wanted)]
    surroundings = {**environment(tree), "HYPOTHESIS_PROFILE": "mutants", "COVERAGE_CORE": "ctrace"}
    with subprocess.Popen(command, cwd=tree, env=surroundings, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        for line in engine.stdout:
            verdict = Verdict(**json.loads(line))
            results.add(part, verdict)
            if verdict.verdict not in {"later", "unplaced"}:
                yield verdict
    if engine.returncode != 0:
        log = tree / LOG
        raise MutationError(log.read_text(encoding="utf-8")[-5000:] if log.exists() else "the engine did not start")
