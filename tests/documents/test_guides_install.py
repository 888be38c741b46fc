"""The guides of the integrations run with the packages that they name: an environment for development has more."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.limits import PATIENCE

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
GUIDES = ("flask", "fastapi", "celery")
RUN = """
import sys
from importlib.abc import MetaPathFinder

hidden = set(sys.argv[2].split(","))

class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{name}: the page does not install it", name=name)

sys.meta_path.insert(0, Hidden())
with open(sys.argv[1], encoding="utf-8") as file:
    exec(compile(file.read(), sys.argv[1], "exec"), {"__name__": "page"})
"""


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def installed_by(page: str) -> set[str]:
    """Return the distributions that the page's `pip install` installs, with all that they need."""
    named = [
        one
        for block in blocks(page, "console")
        for line in re.findall(r"pip install (.*)", block)
        for one in line.split()
    ]
    found: set[str] = set()
    left = [(Requirement(one.strip("'")), "") for one in named]
    seen: set[tuple[str, str]] = set()
    while left:
        wanted, _ = left.pop()
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                needs = importlib.metadata.requires(name) or []
            except importlib.metadata.PackageNotFoundError:
                continue  # of another release, or of another system
            found.add(name)
            left += [
                (one, extra)
                for one in map(Requirement, needs)
                if one.marker is None or one.marker.evaluate({"extra": extra})
            ]
    return found


@pytest.mark.parametrize("guide", GUIDES)
def test_the_blocks_of_a_guide_run_with_what_it_installs(guide: str, tmp_path: Path) -> None:
    """Every other package is hidden from them."""
    page = (HOW_TO / f"{guide}.md").read_text(encoding="utf-8")
    present = installed_by(page)
    owners = importlib.metadata.packages_distributions()
    hidden = {name for name, of in owners.items() if present.isdisjoint(map(canonicalize_name, of))}
    assert {"pytest", "babel"} <= hidden
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks(page, "python")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(script), ",".join(sorted(hidden))],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
