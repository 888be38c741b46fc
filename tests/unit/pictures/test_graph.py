"""A workflow drawn from its table, with the path of a change."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import attrs
import docutils.core  # type: ignore[import-untyped] # it has no types
import docutils.nodes  # type: ignore[import-untyped] # it has no types
import pytest

from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.pictures.graph import FORMATS, Graph
from itsm_workflow.pictures.measure import columns_of
from tests.support import examples as x
from tests.support.lives import LIVES
from tests.unit.pictures.drawing import texts

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
    with pytest.raises(
        ValueError, match=r"^a graph has no format 'png'; its formats are mermaid, table, rst, terminal, svg, dot$"
    ):
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
CURRENT = "itsm-state itsm-current"


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
        ("zh", "工作流 collector_change，当前状态为回调失败", ["草稿", "提单中", "审批中"], ["回调失败"]),
    ],
)
def test_the_picture_marks_the_path_in_words_and_in_colours(
    language: str, title: str, visited: list[str], current: list[str]
) -> None:
    """Labels in the language, the title for readers who do not see it, and colours without a style sheet."""
    root = drawn(Graph(definition=COLLECTOR_CHANGE, path=path(), plain=True).svg(language=language))
    states = states_of(root)
    assert root.attrib["aria-label"] == title
    assert [label.rpartition(" 0 ")[0] for label in states["itsm-state itsm-visited"]] == visited
    assert [label.startswith(current[0]) for label in states[CURRENT]] == [True]
    words = " ".join(texts(root))
    assert all(f"{numbers} · 08:00:00" in words for numbers in ("1", "2", "3, 5", "4"))
    assert any("UTC" in text for text in texts(root)[-2:])


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


@pytest.mark.parametrize(
    ("label", "lines"), [("采集变更审批等待" * 2, ["采集变更审批等待"] * 2), ("a" * 24, ["a" * 12] * 2)]
)
def test_a_line_of_chinese_takes_fewer_characters(label: str, lines: list[str]) -> None:
    """Each is as wide as its letters, and what fits is shown whole."""
    labels = {**COLLECTOR_CHANGE.labels, COLLECTOR_CHANGE.initial: {"en": label, "zh": label}}
    svg = Graph(definition=attrs.evolve(COLLECTOR_CHANGE, labels=labels)).svg()
    (shown,) = (text for text in states_of(drawn(svg))["itsm-state"] if text.replace(" ", "") == label)
    assert len(shown.split()) == len(lines)


def test_hidden_and_unfocused_parts_are_in_no_format() -> None:
    """A state is left out with its moves; a focus keeps the states one move away."""
    part = Graph(
        definition=COLLECTOR_CHANGE, hide=["failed_callback", "attest_approval"], focus=["approved"], path=path()
    )
    for spec in FORMATS:
        text = format(part, spec)
        assert "attest" not in text.lower(), spec
        assert "undelivered" not in text.lower(), spec
    assert "    pending --> approved : approve" in str(part).splitlines()
    assert "draft" not in str(part)
    assert list(states_of(drawn(part.svg())).values()) == [["Waiting for approval 0 s"], ["Approved"]]


def test_a_name_that_the_workflow_does_not_have_is_refused() -> None:
    """With those that it has."""
    message = "^the workflow collector_change has no state or trigger 'gone'; its states are draft, applying, "
    with pytest.raises(ValueError, match=message):
        attrs.evolve(GRAPH, hide=["gone"])
    with pytest.raises(ValueError, match=message):
        attrs.evolve(GRAPH, focus=["gone"])
    with pytest.raises(ValueError, match="has no states left"):
        attrs.evolve(GRAPH, hide=[state.value for state in COLLECTOR_CHANGE.states])


def test_the_tables_name_the_effects_of_a_state() -> None:
    """Only if the workflow has effects."""
    graph = attrs.evolve(GRAPH, effects={"approved": ("start_collection", "notify")})
    lines = format(graph, "table").splitlines()
    assert lines[0] == "| trigger | from | to | evidence | guard | effects | meaning |"
    assert [line.split(" | ")[0] for line in lines if "start_collection, notify" in line] == [
        "| approve",
        "| attest_approval",
    ]


@pytest.mark.parametrize("walked", [[], path()], ids=["table", "path"])
def test_the_restructured_table_is_read_by_docutils(walked: list[Entry]) -> None:
    """Each row of the Markdown table is one of it, with the same cells."""
    graph = Graph(definition=COLLECTOR_CHANGE, path=walked)
    settings = {"halt_level": 2}
    document = docutils.core.publish_doctree(format(graph, "rst"), settings_overrides=settings)
    rows = [[cell.astext() for cell in row.children] for row in document.findall(docutils.nodes.row)]
    lines = format(graph, "table").split("\n\n")[0].splitlines()
    assert rows == [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


def test_the_times_have_days_if_the_change_took_several() -> None:
    """Otherwise the day is beside the present state only."""
    svg = Graph(definition=COLLECTOR_CHANGE, path=LIVES["rejected"]).svg()
    assert "1 · 2024-05-17 08:00:00" in " ".join(texts(drawn(svg)))
    assert "1 d 0 h" in svg


def test_attention_is_a_badge_on_the_present_state() -> None:
    """With its reason."""
    root = drawn(Graph(definition=COLLECTOR_CHANGE, path=LIVES["attention"]).svg())
    (current,) = states_of(root)[CURRENT]
    assert current.endswith("Ticket not found")


def test_a_repeated_move_shows_how_often() -> None:
    """Not all of its numbers."""
    first, *rest = path()
    again = [entry for _ in range(9) for entry in rest[-2:]]
    svg = Graph(definition=COLLECTOR_CHANGE, path=[first, *rest, *again]).svg()
    assert "3, 5 … 23 (×11)" in " ".join(texts(drawn(svg)))


def test_a_notebook_shows_the_picture_and_a_terminal_the_text() -> None:
    """A definition is shown as its graph."""
    bundle = GRAPH._repr_mimebundle_()
    assert bundle == {"image/svg+xml": GRAPH.svg(), "text/plain": f"{GRAPH:terminal}"}
    assert COLLECTOR_CHANGE._repr_mimebundle_() == {"image/svg+xml": GRAPH.svg(), "text/plain": repr(COLLECTOR_CHANGE)}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("columns", [40, 80])
def test_no_line_in_a_terminal_is_too_long(language: str, columns: int) -> None:
    """Also with a path, and with Chinese labels."""
    for life in ((), *LIVES.values()):
        for plain in (False, True):
            graph = Graph(definition=COLLECTOR_CHANGE, path=life, plain=plain)
            lines = graph.terminal(language=language, columns=columns).splitlines()
            assert max(map(columns_of, lines)) <= columns


def test_a_terminal_shows_the_path_without_colours() -> None:
    """Heavy boxes and arrows, the numbers and times of the steps, and the time in each state."""
    text = Graph(definition=COLLECTOR_CHANGE, path=LIVES["eventful"], plain=True).terminal()
    assert text.splitlines()[2:7] == [
        "┏━━━━━━━┓",
        "┃ Draft ┃ 0 s",
        "┗━┯━━━━━┛",
        "  ├━━▶ Filing the ticket: Submit",
        "  │       step 1 · 08:00:00",
    ]
    assert "┃ Filing the ticket ┃ 3 min 59 s" in text
    assert "┃ ▣ Approved ┃ ◀ since 2024-05-17 09:15:57 UTC" in text
    assert "║ ▣ Not approved ║" in text
