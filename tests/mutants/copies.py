"""Copies of the tree in which something can be broken on purpose, and the tests that are run there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "storage_backends", "tests", "docs")
FILES = ("pyproject.toml", "conftest.py")
PASSED, FAILED = 0, 1
_PATIENCE = 600  # seconds for one selection of tests
_BROKE = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@attrs.frozen(kw_only=True)
class Run:
    """How a selection of tests went.

    Attributes:
        code: pytest's; `PASSED`, `FAILED`, and anything else is no verdict.
        broke: The first test that failed.
    """

    code: int
    broke: str
    seconds: float
    output: str


def copy_tree(folder: Path) -> Path:
    """Copy what the tests need into a folder, and return it."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)
    return folder


def environment(copy: Path) -> dict[str, str]:
    """Return an environment in which the copy's modules come before those that are installed."""
    paths = os.pathsep.join(str(copy / name) for name in ("src", "storage_backends", "."))
    return {**os.environ, "PYTHONPATH": paths, "HYPOTHESIS_PROFILE": "ci"}


def run_tests(copy: Path, tests: Sequence[str]) -> Run:
    """Run tests in a copy until the first one fails."""
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=environment(copy),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
        code, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        code, output = -1, f"no end after {late.timeout:.0f} s"
    broke = _BROKE.search(output)
    return Run(code=code, broke=broke[1] if broke else "", seconds=time.monotonic() - started, output=output)
