"""The page about hosts' tests is a test file that runs, and passes, in a pytest of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-host.md"
PROGRAM = "\n\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL))


def run(folder: Path, program: str) -> tuple[int, Mapping[str, int]]:
    """Return the exit code of pytest on a file with the program, and how many tests ended how."""
    (folder / "test_host.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_host.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, {
        word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)
    }


@pytest.mark.long
def test_the_program_passes(tmp_path: Path) -> None:
    """As it is printed."""
    assert run(tmp_path, PROGRAM) == (0, {"passed": PROGRAM.count("\ndef test_") + PROGRAM.startswith("def test_")})


@pytest.mark.long
@pytest.mark.parametrize(
    ("right", "wrong", "failed"),
    [
        ("State.APPROVED: [", "State.PENDING: [", 3),  # a host that starts too early
        pytest.param("itsm_workflow.reconcile()", "pass", 3, marks=pytest.mark.long),  # one that never reconciles
    ],
)
def test_the_program_finds_what_is_wrong_with_a_host(tmp_path: Path, right: str, wrong: str, failed: int) -> None:
    """Its tests can fail."""
    assert right in PROGRAM
    code, counts = run(tmp_path, PROGRAM.replace(right, wrong))
    assert (code, counts["failed"]) == (1, failed)


@pytest.mark.long
def test_options_that_are_no_mapping_are_named(tmp_path: Path) -> None:
    """A fixture that forgets to return them is the one that is told of."""
    program = PROGRAM.replace('    return {"effects"', '    {"effects"', 1)
    assert program != PROGRAM
    (tmp_path / "test_host.py").write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_host.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "TypeError: the fixture itsm_workflow_options returned None: it must return a mapping" in done.stdout
