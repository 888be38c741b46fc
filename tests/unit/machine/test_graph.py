"""A workflow drawn from its table, with the path of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.graph import FORMATS, Graph
from tests.support import examples as x

if TYPE_CHECKING:
    from itsm_workflow.change import Entry

GRAPH = Graph(definition=COLLECTOR_CHANGE)


def path() -> list[Entry]:
    """Return the history of a change that was drafted, submitted, bound, lost, resumed and lost again."""
    change, entry = x.opened()
    history = [entry]
    for trigger, evidence in (
        ("submit", x.submission()),
        ("mark_sending", x.mark()),
        ("record_ticket", x.confirmed()),
        ("fail_callback", ev.Undelivered(sn="REQ7")),
        ("resume", x.snapshot()),
        ("fail_callback", ev.Undelivered(sn="REQ7")),
    ):
        change, made = x.told(change, trigger, evidence, seq=len(history) + 1)
        assert made is not None
        history.append(made)
    return history


def test_mermaid_shows_each_move_of_the_table_once() -> None:
    """States, moves, beginning and ends; internal triggers are no arrows."""
    lines = f"{GRAPH:mermaid}".splitlines()
    arrows = {line.strip() for line in lines if "-->" in line}
    moves = {
        f"{source.value} --> {row.dest.value} : {row.trigger.value}"
        for row in COLLECTOR_CHANGE.transitions
        for source in row.sources
        if row.dest is not None
    }

    assert lines[:5] == ["---", "title: collector_change", "---", "stateDiagram-v2", "    direction LR"]
    assert moves | {"[*] --> draft", "approved --> [*]", "rejected --> [*]"} == arrows
    assert len(arrows) == 15 + 3
    assert not any("class" in line for line in lines)


@pytest.mark.parametrize("walked", [[], path()], ids=["table", "path"])
def test_mermaid_is_drawn_from_the_beginning_to_the_ends(walked: list[Entry]) -> None:
    """Mermaid lays states out in the order of the lines: first the beginning, last the ends; then their colours."""
    lines = [line.strip() for line in str(Graph(definition=COLLECTOR_CHANGE, path=walked)).splitlines()][5:]
    arrows = lines[:18]

    assert all("-->" in line for line in arrows)
    assert (arrows[0], arrows[1].partition(" :")[0]) == ("[*] --> draft", "draft --> applying")
    assert arrows[-2:] == ["approved --> [*]", "rejected --> [*]"]
    assert all(line.startswith("class") for line in lines[18:])
    assert bool(lines[18:]) == bool(walked)


def test_str_is_the_mermaid_text() -> None:
    """Printing a graph gives what a page can draw."""
    assert str(GRAPH) == f"{GRAPH:mermaid}" == f"{GRAPH}"
    assert str(GRAPH).endswith("\n")


def test_a_path_is_numbered_and_marked() -> None:
    """The moves of a change in their order, where it was, and where it is."""
    text = str(Graph(definition=COLLECTOR_CHANGE, path=path()))
    lines = [line.strip() for line in text.splitlines()]

    assert "draft --> applying : submit (step 1)" in lines
    assert "applying --> pending : record_ticket (step 2)" in lines
    assert "pending --> failed_callback : fail_callback (step 3, 5)" in lines
    assert "failed_callback --> pending : resume (step 4)" in lines
    assert "pending --> approved : approve" in lines
    assert [f"class {state} visited" for state in ("draft", "applying", "pending")] == [
        line for line in lines if line.endswith(" visited")
    ]
    assert [line for line in lines if line.endswith(" current")] == ["class failed_callback current"]
    assert "mark_sending" not in text


def test_the_table_has_a_line_for_each_row() -> None:
    """Trigger, states, evidence, guard and meaning, in Markdown."""
    lines = f"{GRAPH:table}".splitlines()

    assert lines[0] == "| trigger | from | to | evidence | guard | meaning |"
    assert lines[1] == "| --- | --- | --- | --- | --- | --- |"
    assert 2 + len(COLLECTOR_CHANGE.transitions) == len(lines)
    assert "| submit | draft | applying | Submission |  | claims the subject |" in lines
    assert "| raise_attention | any | = | Concern |  | an operator should look |" in lines
    wanted = "| record_contradiction | draft, approved, rejected | = | Snapshot or LateTicket | is_contradiction |"
    assert any(line.startswith(wanted) for line in lines)


def test_an_unknown_format_is_refused_with_those_that_exist() -> None:
    """A misspelt format gets the right ones."""
    with pytest.raises(ValueError, match=r"^a graph has no format 'svg'; its formats are mermaid, table$"):
        format(GRAPH, "svg")
    assert all(format(GRAPH, name) for name in FORMATS)
