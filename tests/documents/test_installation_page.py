"""The page about the installation says what the package says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial" / "installation.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_extra_has_a_row_with_its_packages() -> None:
    """And no other extra has one."""
    written = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", PAGE, flags=re.MULTILINE))
    extras = PROJECT["optional-dependencies"]
    assert written == {name: ", ".join(re.split(r"[\[<>=]", one)[0] for one in extras[name]) for name in extras}


def test_the_page_names_the_versions_of_python() -> None:
    """All that the package declares."""
    versions = [one.rsplit(" ", 1)[-1] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)]
    assert f"{', '.join(versions[:-1])} or {versions[-1]}; each is tested" in PAGE
    assert len(PROJECT["dependencies"]) == 9, "the page says nine"
