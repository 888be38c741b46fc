"""The blocks of a page share names, in whichever process they run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.limits import PATIENCE

ROOT = Path(__file__).parents[2]
PAGE = "docs/how-to/collector-form.md"


def pages_blocks() -> list[str]:
    """Return the names of a page's blocks, as pytest has them."""
    lines = (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
    return [
        f"{PAGE}::line:{number},column:1" for number, line in enumerate(lines, start=1) if line.startswith("```python")
    ]


@pytest.mark.long
def test_a_block_runs_without_those_before_it() -> None:
    """Those run first, also between two that were chosen."""
    names = [pages_blocks()[number] for number in (1, -1)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *names]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
