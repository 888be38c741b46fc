"""The page of the fault matrix lists what is run."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults.matrix import ROWS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "fault-matrix.md").read_text(encoding="utf-8")


def test_the_page_has_every_row_as_it_is_run() -> None:
    """Each by its name, with what is done and what is promised, and none that is not run."""
    listed = re.findall(r"^\| ([A-Z]\d+) \| (.+) \| (.+) \|$", PAGE, flags=re.MULTILINE)

    assert listed == [(row.id, row.fault, row.promise) for row in ROWS.values()]
