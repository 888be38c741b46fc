"""The tutorial's backend: built from nothing in under 120 lines, proven, and broken as the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing.conformance import ABILITIES
from itsm_workflow.testing.conformance._check import promises_named
from tests.support.limits import PATIENCE
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[..., subprocess.CompletedProcess[str]]

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial" / "storage-backend.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the page's blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


MODULE = "\n\n".join(blocks("python"))
PROJECT = tomllib.loads("".join(blocks("toml")))


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Return what installs the page's package, with its text changed, and runs the check on it."""

    def run(*arguments: str, change: tuple[str, str] = ("", "")) -> subprocess.CompletedProcess[str]:
        assert change[0] in MODULE
        (tmp_path / "drawer.py").write_text(MODULE.replace(*change), encoding="utf-8")
        metadata = tmp_path / "drawer-1.0.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: drawer\nVersion: 1.0\n", encoding="utf-8")
        ((group, names),) = PROJECT["project"]["entry-points"].items()
        text = f"[{group}]\n" + "".join(f"{name} = {found}\n" for name, found in names.items())
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


def test_its_project_can_be_installed() -> None:
    """With a name, a version, and the module, which setuptools would not find beside others."""
    assert {"name", "version"} <= PROJECT["project"].keys()
    assert PROJECT["tool"]["setuptools"]["py-modules"] == ["drawer"]


def test_the_page_says_how_many_promises_it_declares() -> None:
    """By the abilities of its class."""
    (listed,) = re.findall(r"^    abilities = frozenset\(\{(.*)\}\)$", MODULE, flags=re.MULTILINE)
    abilities = set(re.findall(r"\w+", listed))
    needs = [declared.needs for _, declared in promises_named("").values()]  # type: ignore[attr-defined]  # see promise
    declared = sum(each <= abilities for each in needs)
    assert f"{declared} kept, {len(needs) - declared} not declared" in PAGE


@pytest.mark.parametrize("only", [pytest.param("power cut", marks=pytest.mark.long), "fits the writes"])
def test_it_keeps_the_promises_that_are_broken_below(only: str, check: Check) -> None:
    """As it stands on the page."""
    assert check("--only", only).returncode == 0


@pytest.mark.long
def test_it_keeps_every_promise(check: Check) -> None:
    """The page's own words about how many."""
    done = check("--json")
    assert (done.returncode, done.stderr) == (0, "")
    outcomes = [result["outcome"] for result in json.loads(done.stdout)["results"]]
    assert f"{outcomes.count('kept')} kept, {outcomes.count('not declared')} not declared" in PAGE
    assert len(outcomes) == outcomes.count("kept") + outcomes.count("not declared")


@pytest.mark.parametrize(
    ("only", "change"),
    long_after(
        1,
        [
            ("fits the writes", ("        return answer\n", "        return [None for _ in answer]\n")),
            ("power cut loses", ("                os.fsync(file.fileno())\n", "")),
            (
                "write is not answered",
                ('        with unavailable("write to", self._path):\n', "        with suppress(OSError):\n"),
            ),
        ],
    ),
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
