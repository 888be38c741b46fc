"""The pins: complete, hashed, and silent about where packages come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.benchmarks.peer_lives import LIBRARIES
from tests.benchmarks.peers import NAMES

ROOT = Path(__file__).parents[2]
PINS = sorted((ROOT / "requirements").glob("*.txt"))
PEERS = ROOT / "requirements" / "peers.txt"
"""The libraries that `make bench` compares with, in an environment of their own."""
BROWSER = ROOT / "requirements" / "browser.txt"
"""What `make test-browser` installs besides the packages of dev.txt."""


def pinned(path: Path) -> dict[str, str]:
    """Return versions by package."""
    return dict(
        re.findall(r"^([a-z0-9-]+)(?:\[[a-z]+\])?==([^\s;]+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    )


def names(requirements: list[str]) -> set[str]:
    """Return the package names of requirement strings."""
    return {re.split(r"[\[<>=~! ;]", requirement)[0].lower() for requirement in requirements}


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.name)
def test_every_pin_has_a_hash(path: Path) -> None:
    """The installer refuses anything that is not exactly what was pinned."""
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8")).replace("\\\n", " ")
    bare = [line for line in text.splitlines() if line.strip() and "--hash=sha256:" not in line]
    assert bare == []


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.name)
def test_a_pin_is_named_as_it_is_needed(path: Path) -> None:
    """With its extras: pip 23, which comes with Python 3.11, refuses an extra of a package that is pinned without."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    wanted = {
        match[0]
        for group in groups.values()
        for one in group
        if isinstance(one, str) and (match := re.match(r"[a-z-]+\[[a-z]+\]", one))
    }
    text = path.read_text(encoding="utf-8")
    assert wanted
    for name in wanted:
        assert not re.search(rf"^{re.escape(name.split('[')[0])}==", text, flags=re.MULTILINE)


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.name)
def test_pins_name_no_address(path: Path) -> None:
    """Which index serves the packages is the user's matter."""
    assert re.findall(r"://|--index|--find-links|@ ", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", [path for path in PINS if path not in {PEERS, BROWSER}], ids=lambda path: path.name)
def test_every_dependency_of_the_core_is_pinned(path: Path) -> None:
    """A fresh environment has all that the core needs, and what an editable install needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = names([*project["dependencies"], *project["optional-dependencies"]["cli"]]) | {"hatchling", "editables"}
    assert sorted(needed - set(pinned(path))) == []


def test_the_environment_of_the_demonstration_has_the_console() -> None:
    """A reader of the README types `itsm-workflow web` after `make demo`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = pinned(ROOT / "requirements" / "demo.txt")
    assert names(project["optional-dependencies"]["web"]) <= set(pins)
    assert "--extra cli --extra web --group build" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_peers_are_pinned() -> None:
    """`make bench` looks for exactly the packages that `make bench-peers` installs."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    assert set(NAMES) == names(groups["peers"]) == set(LIBRARIES)
    assert sorted(set(NAMES) - set(pinned(PEERS))) == []


def test_the_tests_in_a_browser_change_no_other_package() -> None:
    """They run in the same environment."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    more, large = pinned(BROWSER), pinned(ROOT / "requirements" / "dev.txt")
    assert names(groups["browser"]) <= set(more)
    assert {name: large[name] for name in set(more) & set(large)} == {
        name: more[name] for name in set(more) & set(large)
    }


def test_both_sets_pin_the_same_versions() -> None:
    """`make demo` after `make test` changes nothing."""
    small, large = pinned(ROOT / "requirements" / "demo.txt"), pinned(ROOT / "requirements" / "dev.txt")
    assert small == {name: large[name] for name in small}
