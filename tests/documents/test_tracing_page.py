"""The page about traces lists the attributes that the spans have."""

from __future__ import annotations

import re
from pathlib import Path

from itsm_workflow.integrations import tracing

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tracing.md"


def test_the_page_lists_every_attribute() -> None:
    """And none that no span has."""
    source = Path(tracing.__file__).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`itsm_workflow\.[^|]*) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`itsm_workflow\.(\w+)`", row)}
    assert listed == set(re.findall(r"\{_PREFIX\}\.(\w+)", source))
    assert "change_id" in listed
