"""The page that the demonstration leaves, and what it prints when asked for more."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from itsm_workflow import demo
from itsm_workflow.audit import AuditReport
from itsm_workflow.demo.page import Line, write_page
from itsm_workflow.demo.scenarios import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path

FEW = (SCENARIOS[0], SCENARIOS[3])
"""One change that is approved and one that is rejected, in half a second."""

FOUND = AuditReport(
    requests=1,
    by_state={"pending": 1},
    by_outcome={},
    keys=1,
    tickets_created=1,
    duplicate_tickets=0,
    lost_requests=0,
    illegal_transitions=0,
    effects_delivered=0,
    effects_expected=0,
    forged_accepted=0,
    findings=("<i>",),
)


def test_the_page_says_what_was_printed_and_loads_nothing(tmp_path: Path) -> None:
    """Each scenario and its end, the sum, and the picture of one change, which is also a file of its own."""
    lines: list[str] = []
    result = demo.run(folder=tmp_path, show=lines.append, scenarios=FEW)
    text = result.page.read_text(encoding="utf-8")
    assert lines[-1] == f"The page of this run, with a picture: {result.page}"
    for scenario in FEW:
        cells = (scenario.name, scenario.shows, scenario.ending.value)
        assert "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) in text
    assert "No problem was found." in text
    assert next(html.escape(line) for line in lines if line.startswith("2 requests = ")) in text
    assert (tmp_path / "collector-01.svg").read_text(encoding="utf-8") in text
    assert re.findall(r"(?:src|href)=|@import|<script", text) == []


def test_a_page_shows_texts_as_they_are_and_names_what_went_wrong(tmp_path: Path) -> None:
    """Whatever people wrote, and whatever the audit found."""
    line = Line(subject="c", scenario="<b>", shows="&", ended="pending", problem="<script>")
    page = write_page(tmp_path, lines=[line], spotlight=None, audit=FOUND, store="sqlite:///<u>")
    text = page.read_text(encoding="utf-8")
    assert "Problems were found." in text
    assert not any(tag in text for tag in ("<b>", "<script>", "<i>", "<u>"))
    assert '<p class="bad">&lt;i&gt;</p>' in text
    assert "c: &lt;script&gt;" in text


def test_timings_and_ids_are_printed_when_asked_for(tmp_path: Path) -> None:
    """A reader sees what differs from production, how long each change took, and its ticket."""
    lines: list[str] = []
    demo.run(folder=tmp_path, show=lines.append, scenarios=FEW, verbose=True)
    text = "\n".join(lines)
    assert "quiet 1 s (60 s)" in text
    assert re.search(r"^\[1/2\] +\d+\.\d s  approved", text, re.MULTILINE)
    assert re.search(r"^…\w{8}  collector-01  approved +approved +approved +REQ\d+  -$", text, re.MULTILINE)
