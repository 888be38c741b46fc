"""The command that draws: the workflow, and the life of one change."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import COLLECTOR_CHANGE
from itsm_workflow.pictures.graph import Graph

if TYPE_CHECKING:
    from tests.integration.cli.office import Office


def test_graph_draws_the_workflow_without_a_store(office: Office) -> None:
    """The picture of the machine is the same for everybody."""
    assert office.run("graph").out == str(Graph(definition=COLLECTOR_CHANGE))
    assert office.run("graph", "--format", "table").out == format(Graph(definition=COLLECTOR_CHANGE), "table")
    assert not (office.folder / "changes.db").exists()


def test_graph_marks_a_changes_path_and_writes_a_file(office: Office) -> None:
    """The current state is marked, and the text can be written to a file."""
    change = office.apply("collector-42")
    done = office.run("graph", "--request", change["sn"], "-o", "now.mmd")
    assert (done.code, done.out) == (0, "")
    assert "    class pending current" in (office.folder / "now.mmd").read_text(encoding="utf-8").splitlines()
    refused = office.run("graph", "-o", "no/such/folder.mmd")
    assert refused.code == 1
    assert "--output no/such/folder.mmd cannot be written: No such file or directory; make the folder no/such" in (
        " ".join(refused.err.split())
    )


@pytest.mark.parametrize(
    ("file", "begin"), [("a.svg", "<svg"), ("a.DOT", "digraph"), ("a.md", "| trigger"), ("a", "---")]
)
def test_the_suffix_of_the_file_names_the_format(office: Office, file: str, begin: str) -> None:
    """Without one, it is Mermaid."""
    assert office.run("graph", "-o", file).code == 0
    assert (office.folder / file).read_text(encoding="utf-8").startswith(begin)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "a.png"), "a graph cannot be written as .png: name the file with .mmd, .md, .svg, .dot, .gv"),
        (("-o", "a.png", "--format", "svg"), "a graph cannot be written as .png"),
        (("-o", "a.svg", "--format", "table"), "--format table does not fit a.svg: a file with .svg is written as svg"),
    ],
)
def test_a_file_that_would_hold_another_format_is_refused(
    office: Office, arguments: tuple[str, ...], message: str
) -> None:
    """Nothing is written."""
    done = office.run("graph", *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert not (office.folder / arguments[1]).exists()


def test_a_format_without_its_extra_names_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence."""
    monkeypatch.setitem(sys.modules, "graphviz", None)
    done = office.run("graph", "--format", "dot")
    assert done.code == 1
    assert "pip install 'itsm-workflow[diagrams]'" in done.err


def test_a_table_numbers_a_changes_path(office: Office) -> None:
    """Each row shows the steps that took it, and the last line shows the current state."""
    change = office.apply("collector-42")
    lines = office.run("graph", "--request", change["id"], "--format", "table").out.splitlines()
    steps = [(line.split(" | ")[0].lstrip("| "), line.split(" | ")[-1].rstrip(" |")) for line in lines[2:-2]]
    assert lines[0].endswith("| meaning | steps |")
    assert [one for one in steps if one[1]] == [("submit", "1"), ("record_ticket", "2")]
    assert lines[-1] == "The change is in state pending."


@pytest.mark.parametrize(
    ("file", "kind", "begin"),
    [
        ("a.svg", "timeline", '<svg class="itsm-picture itsm-timeline"'),
        ("a", "timeline", '<svg class="itsm-picture itsm-timeline"'),
        ("a.svg", "sequence", '<svg class="itsm-picture itsm-sequence"'),
        ("a.mmd", "sequence", '---\ntitle: "接入 nginx 日志"\n---\nsequenceDiagram\n'),
        ("a", "sequence", '---\ntitle: "接入 nginx 日志"\n---\nsequenceDiagram\n'),
    ],
)
def test_the_life_of_a_change_is_drawn_in_the_format_of_the_file(
    office: Office, file: str, kind: str, begin: str
) -> None:
    """A change is named as everywhere; without a suffix it is the first format of the kind."""
    change = office.apply("collector-42")
    request = ("graph", "--request", "collector-42", "--kind", kind)
    assert office.run(*request, "-o", file).code == 0
    drawn = (office.folder / file).read_text(encoding="utf-8")
    assert drawn.startswith(begin)
    assert change["sn"] in drawn
    if file == "a":
        assert office.run(*request).out == drawn
        assert office.run(*request, "--json").json == {
            "format": "svg" if kind == "timeline" else "mermaid",
            "text": drawn,
        }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--kind", "timeline"), "审批中，自 "),
        (("--kind", "sequence", "--format", "svg"), "审批中，自 "),
        (("--kind", "sequence"), "Note over store: 审批中"),
        (("--format", "svg"), "当前状态为审批中"),
    ],
)
def test_a_picture_is_drawn_in_chinese(office: Office, options: tuple[str, ...], words: str) -> None:
    """Only if that is asked for."""
    office.apply("collector-42")
    request = ("graph", "--request", "collector-42", *options)
    assert words in office.run(*request, "--language", "zh").out
    assert words not in office.run(*request).out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--kind", "timeline", "-o", "a.svg"), "--kind timeline draws the life of one change: name the change by"),
        (("--kind", "sequence"), "--kind sequence draws the life of one change: name the change by --request ID"),
        (
            ("--request", "c", "--kind", "timeline", "-o", "a.mmd"),
            "--kind timeline does not fit a.mmd: use --format svg, or a file with .svg",
        ),
        (
            ("--request", "c", "--kind", "sequence", "--format", "table", "-o", "a.md"),
            "--kind sequence does not fit --format table: use --format mermaid or svg, or a file with .mmd, .svg",
        ),
        (
            ("--request", "c", "--kind", "sequence", "-o", "a.dot"),
            "--kind sequence does not fit a.dot: use --format mermaid or svg, or a file with .mmd, .svg",
        ),
        (("--request", "c", "--kind", "timeline", "-o", "a.png"), "a graph cannot be written as .png"),
        (
            ("--language", "zh", "-o", "a.mmd"),
            "--language zh does not fit the format mermaid of the states: use --format svg",
        ),
    ],
)
def test_options_that_do_not_fit_together_are_refused(office: Office, options: tuple[str, ...], message: str) -> None:
    """In one sentence that names the options and those to use; nothing is written, and no store is needed."""
    before = sorted(office.folder.iterdir())
    done = office.run("graph", *options)
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert sorted(office.folder.iterdir()) == before
