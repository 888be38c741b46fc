"""A workflow drawn from its table, with the path of a change."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import attrs
import pytest

from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.pictures.graph import FORMATS, Graph
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
    with pytest.raises(ValueError, match=r"^a graph has no format 'png'; its formats are mermaid, table, svg, dot$"):
        format(GRAPH, "png")
    assert all(format(GRAPH, name) for name in FORMATS)


def test_dot_draws_each_move_with_its_guard_and_marks_the_state() -> None:
    """Rows that only add facts are left out; final states have a double border."""
    lines = [line.strip() for line in f"{Graph(definition=COLLECTOR_CHANGE, path=path()):dot}".splitlines()]
    assert lines[0] == "digraph collector_change {"
    drawn_moves = {tuple(line.split(" [")[0].split(" -> ")) for line in lines if "->" in line}
    assert drawn_moves == {
        (source.value, row.dest.value) for row in COLLECTOR_CHANGE.transitions if row.dest for source in row.sources
    }
    assert 'applying -> pending [label="record_ticket [ticket_is_ours]"]' in lines
    assert "draft -> applying [label=submit]" in lines
    marked = [line.split(" ")[0] for line in lines if "fontcolor=white" in line]
    assert marked == [path()[-1].dest]
    assert [line.split(" ")[0] for line in lines if "peripheries=2" in line] == ["approved", "rejected"]
    assert "fontcolor=white" not in f"{GRAPH:dot}"


def test_dot_without_its_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`transitions` alone would draw something else without a word."""
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match=r"pip install 'itsm-workflow\[diagrams\]'"):
        format(GRAPH, "dot")


SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str) -> ET.Element:
    """Return the picture, which a browser reads also as a file of its own."""
    root = ET.fromstring(svg)  # noqa: S314 - it was drawn here
    assert root.tag == f"{SVG}svg"
    return root


def states_of(root: ET.Element) -> dict[str, list[str]]:
    """Return the labels of the states by the class of their box."""
    found: dict[str, list[str]] = {}
    for group in root.iter(f"{SVG}g"):
        if "itsm-state" in group.attrib["class"]:
            label = " ".join(text.text or "" for text in group.iter(f"{SVG}text"))
            found.setdefault(group.attrib["class"], []).append(label)
    return found


@pytest.mark.parametrize(
    ("language", "title", "visited", "current"),
    [
        (
            "en",
            "The workflow collector_change; the current state is Callback not delivered",
            ["Draft", "Filing the ticket", "Waiting for approval"],
            ["Callback not delivered"],
        ),
        ("zh", "流程 collector_change，当前状态为回调失败", ["草稿", "提单中", "审批中"], ["回调失败"]),
    ],
)
def test_the_picture_marks_the_path_in_words_and_in_colours(
    language: str, title: str, visited: list[str], current: list[str]
) -> None:
    """Labels in the language, the title for readers who do not see it, and colours without a style sheet."""
    root = drawn(Graph(definition=COLLECTOR_CHANGE, path=path()).svg(language=language))
    states = states_of(root)
    assert (root.attrib["aria-label"], states["itsm-state itsm-visited"]) == (title, visited)
    assert states["itsm-state itsm-current"] == current
    steps = [text.text for text in root.iter(f"{SVG}text") if text.attrib.get("class") == "itsm-step"]
    assert sorted(filter(None, steps)) == ["1", "2", "3, 5", "4"]
    colours = {
        group.attrib["class"]: rect.attrib["fill"]
        for group in root.iter(f"{SVG}g")
        for rect in group.iter(f"{SVG}rect")
    }
    assert len(set(colours.values())) == 3


def test_the_picture_without_a_path_marks_nothing() -> None:
    """Format, notebook and method draw the same."""
    assert f"{GRAPH:svg}" == GRAPH.svg() + "\n" == GRAPH._repr_svg_() + "\n"
    root = drawn(GRAPH.svg())
    assert root.attrib["aria-label"] == "The workflow collector_change"
    assert list(states_of(root)) == ["itsm-state"]
    assert not re.search("itsm-(taken|step|current|visited)", GRAPH.svg())


def test_the_labels_of_a_host_are_escaped() -> None:
    """A label cannot become an element of the page."""
    state = COLLECTOR_CHANGE.initial
    labels = {**COLLECTOR_CHANGE.labels, state: {"en": "<b>&'\"", "zh": "草稿"}}
    svg = Graph(definition=attrs.evolve(COLLECTOR_CHANGE, labels=labels)).svg()
    assert "<b>" not in svg
    assert "<b>&'\"" in states_of(drawn(svg))["itsm-state"]


def test_a_language_without_labels_is_refused() -> None:
    """The message names the languages."""
    with pytest.raises(ValueError, match=r"^a graph has no labels in 'fr'; its languages are en, zh$"):
        GRAPH.svg(language="fr")


def test_dot_is_the_same_where_pygraphviz_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, `transitions` draws with pygraphviz wherever it finds it, and other text."""
    text = format(GRAPH, "dot")
    drawn_by = SimpleNamespace(Graph=pytest.fail, NestedGraph=pytest.fail)
    monkeypatch.setitem(sys.modules, "transitions.extensions.diagrams_pygraphviz", drawn_by)
    assert format(GRAPH, "dot") == text


def test_the_number_of_a_step_stands_on_its_arrow_around_the_boxes() -> None:
    """In the middle of the curve, so that it is read with the right arrow."""
    first, *_, last = path()
    abandoned = attrs.evolve(last, trigger="abandon", source="draft", dest="rejected")
    root = drawn(Graph(definition=COLLECTOR_CHANGE, path=(first, abandoned)).svg())
    (taken,) = (group for group in root.iter(f"{SVG}g") if group.attrib["class"] == "itsm-move itsm-taken")
    (arrow,), (number,) = taken.iter(f"{SVG}path"), taken.iter(f"{SVG}text")
    x1, y1, b1, _, b2, _, x2, y2 = map(float, re.findall(r"[0-9.]+", arrow.attrib["d"]))
    assert b1 == b2
    assert float(number.attrib["x"]) == pytest.approx((x1 + 3 * b1 + 3 * b2 + x2) / 8)
    assert float(number.attrib["y"]) == pytest.approx((y1 + y2) / 2 + 4)


@pytest.mark.parametrize(
    ("label", "lines"), [("采集项变更审批等待中" * 2, ["采集项变更审批等待中"] * 2), ("a" * 40, ["a" * 20] * 2)]
)
def test_a_line_of_chinese_takes_half_as_many_characters(label: str, lines: list[str]) -> None:
    """Each is as wide as two Latin letters, and what fits is shown whole."""
    labels = {**COLLECTOR_CHANGE.labels, COLLECTOR_CHANGE.initial: {"en": label, "zh": label}}
    svg = Graph(definition=attrs.evolve(COLLECTOR_CHANGE, labels=labels)).svg()
    assert " ".join(lines) in states_of(drawn(svg))["itsm-state"]
