"""How the two commands find a Python, on a machine where that is not simple."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.limits import PATIENCE

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "cat", "cksum", "dirname", "grep", "rm")
NAMES = ("python3.14", "python3.13", "python3.12", "python3.11", "python3")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the installer and nothing installed."""
    folder = tmp_path / "a checkout"
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """The only folder on PATH: the installer's tools, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return folder


def install(checkout: Path, tools: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the installer of that checkout with only those tools."""
    return subprocess.run(
        [str(checkout / "requirements" / "install"), "demo"],
        env={"PATH": str(tools), **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def script(path: Path, body: str) -> None:
    """Write a shell script that can be run."""
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def test_without_python_one_sentence_says_what_to_install(checkout: Path, tools: Path) -> None:
    """The user is told what is missing, in one line, and nothing is made."""
    done = install(checkout, tools)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "install Python 3.11 or newer" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_shim_with_nothing_behind_it_is_passed_over(checkout: Path, tools: Path) -> None:
    """A name on PATH counts only if it runs."""
    for name in NAMES:
        script(tools / name, "echo 'command not found' >&2; exit 127")
    done = install(checkout, tools)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_an_interpreter_that_cannot_make_an_environment_is_passed_over(checkout: Path, tools: Path) -> None:
    """The next candidate is tried when making the environment fails."""
    log = checkout / "tried"
    making = f'case "$1" in -m) echo "$0" >>"{log}"; exit 1;; -c) echo 3.13.0;; esac'
    for name in ("python3.13", "python3.11"):
        script(tools / name, making)
    done = install(checkout, tools)
    tried = [Path(line).name for line in log.read_text(encoding="utf-8").splitlines()]
    assert (done.returncode, tried) == (1, ["python3.13", "python3.11"])


def test_the_named_interpreter_is_tried_first(checkout: Path, tools: Path) -> None:
    """PYTHON wins over what is on PATH."""
    log = checkout / "tried"
    making = f'case "$1" in -m) echo "$0" >>"{log}"; exit 1;; -c) echo 3.12.0;; esac'
    script(tools / "python3.14", making)
    script(checkout / "mine", making)
    install(checkout, tools, PYTHON=str(checkout / "mine"))
    tried = [Path(line).name for line in log.read_text(encoding="utf-8").splitlines()]
    assert tried == ["mine", "python3.14"]
