"""The command that draws: the workflow, and the life of one change."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import COLLECTOR_CHANGE
from itsm_workflow.pictures.graph import Graph
from itsm_workflow.pictures.measure import columns_of

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
    ("file", "begin"),
    [
        ("a.svg", "<svg"),
        ("a.DOT", "digraph"),
        ("a.md", "| trigger"),
        ("a.rst", "+---"),
        ("a.txt", "The workflow"),
        ("a", "---"),
    ],
)
def test_the_suffix_of_the_file_names_the_format(office: Office, file: str, begin: str) -> None:
    """Without one, it is Mermaid."""
    assert office.run("graph", "-o", file).code == 0
    assert (office.folder / file).read_text(encoding="utf-8").startswith(begin)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("-o", "a.gif"),
            "a graph cannot be written as .gif: name the file with .mmd, .md, .rst, .txt, .svg, .dot, .gv, .png, .pdf",
        ),
        (("-o", "a.gif", "--format", "svg"), "a graph cannot be written as .gif"),
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
            "--kind timeline does not fit a.mmd: use --format svg or terminal or png or pdf, or a file with .txt",
        ),
        (
            ("--request", "c", "--kind", "sequence", "--format", "table", "-o", "a.md"),
            "--kind sequence does not fit --format table: use --format mermaid or svg or png or pdf, or a file with ",
        ),
        (
            ("--request", "c", "--kind", "sequence", "-o", "a.dot"),
            "--kind sequence does not fit a.dot: use --format mermaid or svg or png or pdf, or a file with .mmd, ",
        ),
        (("--request", "c", "--kind", "timeline", "-o", "a.gif"), "a graph cannot be written as .gif"),
        (("--format", "png"), "--format png is not text: write it to a file by -o FILE.png"),
        (("--hide", "gone"), "has no state or trigger 'gone'; its states are draft, applying, pending,"),
        (("--request", "c", "--kind", "sequence", "--plain"), "--plain choose among the states: they do not fit"),
        (("shop:flow", "--request", "c"), "shop:flow is drawn without a change: name the workflow of a change by"),
        (
            ("--language", "zh", "-o", "a.mmd"),
            "--language zh 不适用于状态图的 mermaid 格式：请用 --format svg",
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


def test_a_workflow_of_a_host_is_drawn_by_its_name(office: Office) -> None:
    """Without a store, and only in part if that is asked for."""
    named = ("graph", "docs.examples.two_stage_change:TWO_STAGE_CHANGE", "--format", "terminal", "--plain")
    assert "provisioning: Approve" in office.run(*named).out
    part = office.run(*named, "--focus", "verifying", "--hide", "rolling_back").out
    assert "live: verify" in part
    assert "rolling_back" not in part
    assert "Approve" not in part
    assert not (office.folder / "changes.db").exists()


def test_a_terminal_gets_box_characters(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or a pipe gets what programs read."""
    change = office.apply("collector-42")
    for kind in ("states", "timeline"):
        asked = ("graph", "--request", change["id"], "--kind", kind)
        shown = office.run(*asked, "--format", "terminal", "--language", "zh").out
        assert "━━▶" in shown
        assert max(map(columns_of, shown.splitlines())) <= 80
        piped = office.run(*asked).out
        with monkeypatch.context() as patched:
            patched.setattr(sys.stdout, "isatty", lambda: True)
            assert "━━▶" in office.run(*asked).out
        assert "━━▶" not in piped


def test_an_image_without_a_program_names_the_package(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the file of text to write instead; nothing is written."""
    monkeypatch.setenv("PATH", str(office.folder))
    done = office.run("graph", "-o", "a.png")
    assert done.code == 1
    assert "install Debian's package librsvg2-bin or graphviz, or draw SVG" in " ".join(done.err.split())
    assert not (office.folder / "a.png").exists()
