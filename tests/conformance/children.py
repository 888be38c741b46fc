"""Child processes in which a test does what it cannot do to its own process: fork, drop its rights, limit itself."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

from tests.support.limits import PATIENCE

_BEGIN = """
import os, sys
from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage import Query, open_storage
from itsm_workflow.testing.conformance._rows import claim, create, follow, present, stored, whole_history
"""


def child(code: str, *arguments: object) -> str:
    """Run the code in a process of its own and return what it printed; it must end well."""
    command = [sys.executable, "-W", "error", "-c", _BEGIN + dedent(code), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, ""), f"exit code {done.returncode}:\n{done.stderr}"
    return done.stdout
