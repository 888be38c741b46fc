"""The tutorial's backend: built from nothing in under 120 lines, proven, and broken as the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing.conformance import ABILITIES
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[..., subprocess.CompletedProcess[str]]

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial" / "storage-backend.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the page's blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


MODULE = "\n\n".join(blocks("python"))
(ENTRY_POINTS,) = blocks("toml")


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Return what installs the page's package, with its text changed, and runs the check on it."""

    def run(*arguments: str, change: tuple[str, str] = ("", "")) -> subprocess.CompletedProcess[str]:
        assert change[0] in MODULE
        (tmp_path / "drawer.py").write_text(MODULE.replace(*change), encoding="utf-8")
        metadata = tmp_path / "drawer-1.0.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: drawer\nVersion: 1.0\n", encoding="utf-8")
        group, line = re.fullmatch(r'\[project\.entry-points\."(.*)"\]\n(.*)\n', ENTRY_POINTS).groups()  # type: ignore[union-attr]  # fails the test
        text = f"[{group}]\n{line}\n".replace('"', "")
        (metadata / "entry_points.txt").write_text(text, encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "itsm_workflow", "storage", "check", "drawer:///trial.json", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    return run


def test_it_has_fewer_than_120_lines() -> None:
    """As the page says; none of them is longer than a line of this project."""
    lines = MODULE.splitlines()
    assert len(lines) < 120
    assert max(map(len, lines)) <= 120


def test_it_keeps_every_promise(check: Check) -> None:
    """The page's own words about how many."""
    done = check("--json")
    assert (done.returncode, done.stderr) == (0, "")
    outcomes = [result["outcome"] for result in json.loads(done.stdout)["results"]]
    assert f"{outcomes.count('kept')} kept, {outcomes.count('not declared')} not declared" in PAGE
    assert len(outcomes) == outcomes.count("kept") + outcomes.count("not declared")


@pytest.mark.parametrize(
    ("only", "change"),
    [
        ("power cut", ("                os.fsync(file.fileno())\n", "")),
        ("fits the writes", ("        return answer\n", "        return [None for _ in answer]\n")),
    ],
)
def test_broken_as_the_page_says_it_is_caught_as_the_page_shows(
    only: str, change: tuple[str, str], check: Check
) -> None:
    """What stands in the page is what the command prints."""
    done = check("--only", only, change=change)
    (shown,) = (block for block in blocks("console") if f'--only "{only}"' in block)
    assert done.returncode == 1
    assert shown[shown.index("BROKEN  ") :].rstrip() in done.stdout


def test_the_page_names_every_ability() -> None:
    """With what it means."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, flags=re.MULTILINE))
    assert set(rows) == set(ABILITIES)
