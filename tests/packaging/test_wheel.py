"""What is built: two packages, typed, with their entry points, and nothing else."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel of the tree as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def entry_points(wheel: zipfile.ZipFile) -> configparser.ConfigParser:
    """Return the wheel's entry points by group and name."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    found = configparser.ConfigParser(delimiters=("=",))
    found.read_string(wheel.read(name).decode())
    return found


def test_top_level_names_are_the_two_packages(wheel: zipfile.ZipFile) -> None:
    """Nothing but the library, its backends and their metadata comes into a site-packages."""
    names = {name.split("/")[0] for name in wheel.namelist()}
    assert {re.sub(r"-.*\.dist-info$", ".dist-info", name) for name in names} == {
        "itsm_workflow",
        "itsm_workflow_backends",
        "itsm_workflow.dist-info",
    }


@pytest.mark.parametrize("package", ["itsm_workflow", "itsm_workflow_backends"])
def test_each_package_is_typed(wheel: zipfile.ZipFile, package: str) -> None:
    """A user's type checker reads the annotations of both packages."""
    assert f"{package}/py.typed" in wheel.namelist()


def test_every_module_of_both_roots_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    """What can be imported in a checkout can be imported by a user."""
    roots = (ROOT / "src", ROOT / "storage_backends")
    modules = {path.relative_to(root).as_posix() for root in roots for path in root.rglob("*.py")}
    assert sorted(modules - set(wheel.namelist())) == []


def test_the_source_in_c_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    """The storage kit builds it where a backend is checked."""
    sources = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*.[ch]")}
    assert len(sources) == 5
    assert sorted(sources - set(wheel.namelist())) == []


def test_the_files_of_the_django_app_are_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    """Templates, the style sheet and the translations."""
    app = ROOT / "src/itsm_workflow/integrations/django"
    folders = [app / name for name in ("templates", "static", "locale")]
    files = {path.relative_to(ROOT / "src").as_posix() for one in folders for path in one.rglob("*.*")}
    assert {path.rpartition(".")[2] for path in files} == {"html", "css", "po", "mo"}
    assert sorted(files - set(wheel.namelist())) == []


def test_the_command_is_an_entry_point(wheel: zipfile.ZipFile) -> None:
    """Installing the wheel makes the command."""
    assert dict(entry_points(wheel)["console_scripts"]) == {"itsm-workflow": "itsm_workflow.cli:main"}


def test_every_backend_is_an_entry_point(wheel: zipfile.ZipFile) -> None:
    """The backends are found the way anybody's backend is found."""
    schemes = ["django", "json", "memory", "mysql", "postgresql", "sqlite"]
    assert sorted(entry_points(wheel)["itsm_workflow.storage_backends"]) == schemes


def test_no_test_and_no_recording_is_shipped(wheel: zipfile.ZipFile) -> None:
    """The shipped test kit is code; tests of this project and recorded exchanges stay at home."""
    strange = [
        name
        for name in wheel.namelist()
        if name.endswith((".json", ".jsonl", ".har")) or "/tests/" in name or Path(name).name.startswith("test_")
    ]
    assert strange == []
