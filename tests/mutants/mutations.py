"""Mutation testing of the parts that judge: small changes of the source, each of which some test must notice.

A mutation that no test notices is listed in survivors.toml with the reason why it may live, or is not accepted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from tests.mutants.copies import copy_tree, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SURVIVORS = Path(__file__).with_name("survivors.toml")
WANTED = 0.9
"""The part of all mutations that must be killed, whatever is listed."""

TESTS: Mapping[str, Sequence[str]] = {
    "settle": ("tests/unit/settle", "tests/integration/workflow/test_resend_policy.py"),
    "machine": (
        *(
            f"tests/unit/machine/test_{name}.py"
            for name in ("edges", "guards", "updates", "engine", "approval", "ahead")
        ),
        *(f"tests/unit/machine/test_{name}.py" for name in ("due", "definition", "analysis", "graph", "collector")),
        *(f"tests/unit/test_{name}.py" for name in ("change", "loop", "codec")),
        "tests/documents/test_reference.py",
        *(f"tests/integration/workflow/test_{name}.py" for name in ("unsent", "persons", "effects", "settle")),
    ),
    "callbacks": (
        "tests/unit/callbacks",
        "tests/unit/doctor/test_probe.py",
        *(f"tests/integration/workflow/test_{name}.py" for name in ("routes", "legacy_callbacks", "callbacks")),
    ),
    "storage": (
        *(f"tests/unit/test_{name}.py" for name in ("storage_edges", "strict", "registry", "journal", "codec")),
        *(f"tests/conformance/test_{name}.py" for name in ("memory", "json_file", "file_backends")),
        *(f"tests/conformance/test_{name}.py" for name in ("sqlite_file", "json_file_log")),
    ),
}
"""The tests that must notice, by the part of the library that is changed; they all watch over every part."""


class MutationError(Exception):
    """The mutations could not be tried."""


@attrs.frozen(kw_only=True)
class Verdict:
    """What became of a mutation.

    Attributes:
        name: Which one.
        verdict: ``killed`` by a test that failed, ``stopped`` since it did not come to an end, which is noticed as
            well, ``survived``, or ``broken``: it could not be tried, which is a fault of this harness.
    """

    name: str
    verdict: Literal["killed", "stopped", "survived", "broken"]


def listed() -> dict[str, str]:
    """Return the survivors that are accepted, with the reason of each.

    Raises:
        MutationError: One has no reason.
    """
    found: dict[str, str] = {}
    for group in tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivors", []):
        if not group["reason"].strip():
            raise MutationError(f"no reason is given for {group['mutations']}")
        found |= dict.fromkeys(group["mutations"], group["reason"])
    return found


def try_mutations(parts: Sequence[str], *, seed: int, sample: int) -> Iterator[Verdict]:
    """Try the mutations of some parts, in a copy of the tree, and yield what becomes of each.

    Args:
        parts: Keys of `TESTS`.
        seed: Of the sample.
        sample: How many to try; 0: all.

    Raises:
        MutationError: The tests fail where nothing is changed, or could not be run.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_tree(Path(folder))
        tests = json.dumps({part: TESTS[part] for part in parts})
        command = [sys.executable, "-m", "tests.mutants.engine", tests, str(seed), str(sample)]
        surroundings = {**environment(copy), "HYPOTHESIS_PROFILE": "mutants", "COVERAGE_CORE": "ctrace"}
        with subprocess.Popen(command, cwd=copy, env=surroundings, stdout=subprocess.PIPE, text=True) as engine:
            assert engine.stdout is not None
            for line in engine.stdout:
                yield Verdict(**json.loads(line))
        if engine.returncode != 0:
            log = copy / "engine.log"
            raise MutationError(log.read_text(encoding="utf-8")[-5000:] if log.exists() else "the engine did not start")
