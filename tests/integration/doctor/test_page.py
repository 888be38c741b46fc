"""The page lists what the doctor finds, and what the codes mean."""

from __future__ import annotations

import re
from pathlib import Path

from itsm_workflow.doctor import refusals

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "diagnose.md").read_text(encoding="utf-8")


def test_the_page_lists_every_finding() -> None:
    """It lists no others; the findings of single settings share one row."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/itsm_workflow/doctor").glob("*.py"))
    named = set(re.findall(r'"((?:gateway|callback|storage)\.[a-z_]+)"', source))
    of_both = {
        f"{part}.{name}" for part in ("gateway", "callback") for name in re.findall(r'f"\{part\}\.(\w+)"', source)
    }
    table = PAGE[PAGE.index("## What it finds") : PAGE.index("## Wrong credentials")]
    listed = set(re.findall(r"`((?:gateway|callback|storage)\.[a-z_]+)`", table))

    assert listed == named | of_both
    assert len(listed) > 15


def test_the_page_lists_every_known_code() -> None:
    """A reader who searches for a number finds it."""
    assert [code for code in sorted(refusals._CODES) if str(code) not in PAGE] == []
