"""What the operating system refuses is one line and an exit code, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMAND = [sys.executable, "-m", "itsm_workflow"]
ENVIRONMENT = {
    "BKAPP_ITSM_APP_CODE": "collector",
    "BKAPP_ITSM_APP_SECRET": "made up",
    "BKAPP_ITSM_GATEWAY_URL": "http://127.0.0.1:9/v2/itsm/",
    "BKAPP_ITSM_FAST_APPROVAL": "true",
    "BKAPP_ITSM_WORKFLOW_APP": "none",
}


def run(arguments: Sequence[str], output: str | None = None) -> tuple[int, str]:
    """Run the command as a process and return its exit code and what it told."""
    with Path(output or "/dev/null").open("wb") as file:
        done = subprocess.run([*COMMAND, *arguments], stdout=file, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "arguments", [("graph",), pytest.param(("list", "--store", "memory://", "--json"), marks=pytest.mark.long)]
)
def test_a_full_disk_under_the_output_is_reported(arguments: Sequence[str]) -> None:
    """The output is lost, which the exit code shows."""
    code, told = run(arguments, output="/dev/full")
    assert code == 1
    assert told.startswith("itsm-workflow: OSError: ")
    assert len(told.splitlines()) == 1


@pytest.mark.long
def test_a_folder_that_cannot_be_made_is_reported() -> None:
    """The demonstration has not begun."""
    code, told = run(["demo", "--folder", "/proc/none"])
    assert (code, "Traceback" in told, "/proc/none" in told) == (1, False, True)


def test_an_actor_that_is_not_text_is_named(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 may come from a shell; nothing is stored or sent."""
    asked: list[str | bytes] = [
        "--title",
        "t",
        "--applicant",
        "alice",
        "--approver",
        "bob",
        "--subject",
        "s",
        "--actor",
        b"\xff",
    ]
    command: list[str | bytes] = [*COMMAND, "apply", "--store", f"sqlite:///{tmp_path / 'changes.db'}", *asked]
    done = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr, b"actor" in done.stderr) == (2, False, True)
