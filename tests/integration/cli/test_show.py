"""The commands that read."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import attrs
import pytest
from rich.cells import cell_len

from itsm_workflow import Workflow
from itsm_workflow.change import Entry
from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.views import evidence_text
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.evidence import LookupNoted
from itsm_workflow.pictures.graph import Graph
from itsm_workflow.runtime.json_views import entry_view
from itsm_workflow.sandbox.faults import Fault, FaultKind
from itsm_workflow.testing import ManualClock, MemorySandbox
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from tests.integration.cli.office import Office

CHANGE_KEYS = [
    *(
        "id",
        "workflow",
        "subject",
        "state",
        "grants",
        "labels",
        "outcome",
        "decision",
        "sn",
        "ticket_id",
        "ticket_url",
        "title",
    ),
    *("applicant", "approvers", "content", "fields", "attention", "attempt", "effects"),
    *("created_at", "updated_at", "ended_at"),
]


def test_reading_needs_nothing_but_the_store(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the gateway is asked for, since none is needed."""
    change = office.apply("collector-42")
    for name in office.variables:
        monkeypatch.delenv(name)
    store = ("--store", office.variables["BKAPP_ITSM_STORE"])
    for command in (("list",), ("show", change["id"]), ("history", change["id"]), ("why", change["id"])):
        assert (command, office.run(*command, *store).code) == (command, 0)
    assert office.run("graph", "--request", change["id"], *store).code == 0


def test_reading_loads_no_http_client(office: Office) -> None:
    """A command that only reads starts without what talks to the gateway."""
    office.apply("collector-42")
    program = "import sys; from itsm_workflow.cli import main; main(['list']); print('requests' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, encoding="utf-8", timeout=PATIENCE
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_the_columns_of_a_list_align_under_wide_characters(office: Office) -> None:
    """Each title begins in the same cell, after wide characters as well."""
    office.apply("采集项-四十二", "接入日志")
    office.apply("collector-43", "plain")
    header, first, second = office.run("list").out.splitlines()
    columns = {cell_len(line[: line.index(title)]) for line, title in ((first, "接入日志"), (second, "plain"))}
    assert columns == {cell_len(header[: header.index("title")])}


def test_a_list_is_filtered(office: Office) -> None:
    """By state, subject, sn, age and attention, in the store; by age alone, the quietest comes first."""
    old = office.apply("collector-1")
    new = office.apply("collector-2")
    office.decide(old["sn"], approve=True)
    assert office.run("settle", old["id"]).code == 0

    def ids(*filters: str) -> list[str]:
        return [change["id"] for change in office.run("list", "--json", *filters).json]

    assert ids() == [old["id"], new["id"]]
    assert ids("--state", "approved", "--state", "rejected") == [old["id"]]
    assert ids("--subject", "collector-2") == [new["id"]]
    assert ids("--older-than", "1h") == []
    assert ids("--older-than", "0s") == [new["id"], old["id"]]
    assert ids("--sn", new["sn"]) == [new["id"]]
    assert ids("--attention") == []
    assert ids("--reason", "overdue") == []


def test_a_list_says_that_there_is_more(office: Office) -> None:
    """A limit never hides changes in silence."""
    for number in range(3):
        office.apply(f"collector-{number}")
    done = office.run("list", "--limit", "2", "--json")
    assert [change["subject"] for change in done.json] == ["collector-0", "collector-1"]
    assert "--limit shows more" in done.err
    assert office.run("list", "--limit", "3").err == ""


@pytest.mark.parametrize("filters", [(), ("--older-than", "0s"), ("--state", "pending")])
def test_a_list_is_turned_over(office: Office, filters: tuple[str, ...]) -> None:
    """The remark names what prints the next page; the last page has none."""
    for number in range(5):
        office.apply(f"collector-{number}")
    seen: list[str] = []
    after: list[str] = []
    while True:
        done = office.run("list", "--limit", "2", "--json", *filters, *after)
        seen += [change["subject"] for change in done.json]
        if not done.err:
            break
        _, found, token = done.err.rpartition("--after ")
        assert found
        after = ["--after", token.split()[0]]
    assert seen == [f"collector-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (("--state", "pendign"), "--state takes the states of collector_change: draft, applying, pending"),
        (("--older-than", "1 hour"), "is not an age"),
        (("--limit", "0"), "1<=x<="),
        (("--after", "17@x"), "--after takes the `next` of the page before"),
    ],
)
def test_an_impossible_filter_is_a_usage_error(office: Office, filters: tuple[str, ...], said: str) -> None:
    """The message shows the valid values, instead of an empty list."""
    office.apply("collector-42")
    done = office.run("list", *filters)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_change_goes_by_id_subject_or_sn(office: Office) -> None:
    """Whichever is at hand; unknown names are found out."""
    change = office.apply("collector-42")
    for name in (change["id"], "collector-42", change["sn"]):
        assert office.run("show", name, "--json").json["id"] == change["id"]
    done = office.run("show", "collector-41")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "itsm-workflow: no change has the id, subject or sn 'collector-41'; `itsm-workflow list` lists all changes"
    ]


def test_a_name_of_several_changes_lists_them(office: Office) -> None:
    """The one that is meant can be picked from what is printed."""
    first = office.apply("collector-42")
    office.decide(first["sn"], approve=False)
    office.run("settle", first["id"])
    second = office.apply("collector-42")
    done = office.run("show", "collector-42")
    assert (done.code, done.out) == (2, "")
    for change, state in ((first, "rejected"), (second, "pending")):
        assert f"{change['id']}  {state}  {change['sn']}" in done.err


def test_show_prints_documented_keys(office: Office) -> None:
    """The keys of a change, what may happen to it, and the sentence."""
    office.run("apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob", "--field", "n=1")
    shown = office.run("show", "s", "--json").json
    assert list(shown) == [*CHANGE_KEYS, "allowed", "why"]
    assert shown["fields"] == {"n": 1}
    assert shown["labels"] == {"zh": "审批中", "en": "Waiting for approval"}
    made = dt.datetime.fromisoformat(shown["created_at"])
    assert abs(dt.datetime.now(dt.UTC) - made) < dt.timedelta(minutes=1)
    text = office.run("show", "s").out
    for expected in (
        shown["id"],
        shown["sn"],
        "pending Waiting for approval",
        "waits for bob to decide",
    ):
        assert expected in text
    assert shown["allowed"] == ["withdraw", "fire(raise_attention)"]
    assert re.search(r"^allowed +withdraw, raise-attention$", text, flags=re.MULTILINE)


def test_history_prints_each_entry(office: Office) -> None:
    """It shows the trigger, the actor and the evidence."""
    change = office.apply("collector-42")
    entries = office.run("history", change["id"], "--json").json
    assert [entry["trigger"] for entry in entries] == ["draft", "submit", "mark_sending", "record_ticket"]
    assert [(entry["seq"], entry["from"], entry["to"]) for entry in entries][-1] == (4, "applying", "pending")
    assert entries[-1]["kind"] == "TicketConfirmed"
    assert entries[-1]["evidence"]["sn"] == change["sn"]
    lines = office.run("history", change["sn"]).out.splitlines()
    assert len(lines) == 5
    assert f"sn {change['sn']}" in lines[-1]


def test_a_secret_is_not_printed(office: Office) -> None:
    """In the form and in the evidence, at any depth, whatever the case of its key; also as JSON."""
    fields = {"api_token": "canary-1", "Password": 4711, "login": {"Client_Secret": ["canary-2"], "user": "root"}}
    for key, value in fields.items():
        filing = ("--title", "t", "--applicant", "alice", "--approver", "bob", "--field", f"{key}={json.dumps(value)}")
        assert office.run("apply", "--subject", key, *filing).code == 0
        for command in ("show", "history"):
            for form in ((), ("--json",)):
                out = office.run(command, key, *form).out
                assert (command, form, "canary" in out, "4711" in out) == (command, form, False, False)
        assert office.run("show", key, "--json").json["fields"] in (
            {"api_token": "***"},
            {"Password": "***"},
            {"login": {"Client_Secret": "***", "user": "root"}},
        )


def test_the_evidence_of_a_trigger_of_the_host_hides_its_secrets() -> None:
    """As a table and as JSON; other values are printed as they are."""
    entry = Entry(
        change_id="c",
        seq=1,
        at=dt.datetime(2026, 11, 30, tzinfo=dt.UTC),
        trigger="deploy",
        source="approved",
        dest="live",
        actor="alice",
        evidence={"build": 7, "hosts": [{"name": "db-1", "TOKEN": "canary"}], "password": "canary"},
    )
    assert evidence_text(entry.evidence) == "build 7, hosts name=db-1 TOKEN=***, password ***"
    assert entry_view(entry)["evidence"] == {
        "build": 7,
        "hosts": [{"name": "db-1", "TOKEN": "***"}],
        "password": "***",
    }


def test_what_is_piped_is_never_cut(office: Office) -> None:
    """A long reason is whole where no person reads it on a terminal: in the history, and in the facts of a change."""
    long, change = "no longer needed, " * 20, office.apply("collector-42", title="t" * 90)
    office.run("withdraw", change["id"], "--actor", "carol", "--reason", long)
    assert long.strip() in office.run("history", change["id"]).out
    assert "t" * 90 in office.run("list").out
    noted = ("apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob")
    office.run(*noted, "--field", f"note={long}")
    assert long.strip() in office.run("show", "s").out


@pytest.mark.parametrize(("spoken", "named"), [("en", "problem"), ("zh", "问题")])
def test_a_narrow_terminal_shows_the_whole_cause(
    office: Office, monkeypatch: pytest.MonkeyPatch, spoken: str, named: str
) -> None:
    """In the history it is below the entry, and each line of it fits."""
    office.sandbox.faults.add(Fault(kind=FaultKind.REFUSE, endpoint="create_ticket", always=True))
    noted = ("apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob")
    assert office.run(*noted).code == Exit.GATEWAY
    history = ("--language", spoken, "history", "s")
    piped = office.run(*history).out
    [cause] = re.findall(rf" {named} (create_ticket.+)", piped)
    assert len(cause) > 60
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = office.run(*history).out
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert ("提单请求被拒绝" in piped, "提单请求未发出" in piped) == (spoken == "zh", False)
    assert cause.replace(" ", "") in re.sub(r"\s", "", shown)


def test_the_facts_of_the_history_are_words() -> None:
    """Not the values as Python writes them."""
    assert evidence_text(LookupNoted(number=1, answered=True)) == "answered yes"
    assert evidence_text({"effects": {"approved": ["start_collection", "tell"]}, "done": False}) == (
        "effects approved=start_collection, tell, done no"
    )


def test_damage_that_a_store_only_logs_makes_a_list_partial(office: Office) -> None:
    """A change whose only line is damaged cannot be listed: the exit code says that not all are."""
    url = f"json:///{office.folder}/changes.jsonl"
    person = ("--title", "t", "--applicant", "alice", "--approver", "bob", "--store", url)
    for subject in ("collector-1", "collector-2"):
        assert office.run("apply", "--subject", subject, *person).code == 0
    path = office.folder / "changes.jsonl"
    path.write_bytes(path.read_bytes().replace(b"collector-1", b"collector-7"))
    done = office.run("list", "--store", url)
    assert (done.code, "collector-2" in done.out, "collector-1" in done.out) == (5, True, False)


def test_a_damaged_change_is_not_said_to_be_missing(office: Office) -> None:
    """A person who asks for it learns that it is damaged, also if another change has its subject."""
    change = office.apply("collector-42")
    with contextlib.closing(sqlite3.connect(office.folder / "changes.db")) as store, store:
        store.execute("UPDATE changes SET document = '{}' WHERE id = ?", (change["id"],))
    for name in (change["id"], "collector-42", change["sn"]):
        done = office.run("why", name)
        assert (done.code, f"change {change['id']} is not stored as" in done.err) == (4, True)
    with Workflow(
        storage=office.variables["BKAPP_ITSM_STORE"], gateway=MemorySandbox(clock=ManualClock()).gateway
    ) as workflow:
        draft = workflow.draft(subject="collector-42", title="t", applicant="alice", approvers=["carol"])
    done = office.run("why", "collector-42")
    assert (done.code, f"{change['id']}  cannot be read" in done.err, f"{draft.id}  draft" in done.err) == (
        2,
        True,
        True,
    )


def test_a_change_of_another_workflow_is_said_to_be_one(office: Office) -> None:
    """Reading it needs the definition of that workflow, which only its application knows."""
    release = attrs.evolve(COLLECTOR_CHANGE, name="release")
    with Workflow(
        storage=office.variables["BKAPP_ITSM_STORE"],
        gateway=MemorySandbox(clock=ManualClock()).gateway,
        definition=release,
    ) as workflow:
        workflow.draft(subject="r-1", title="t", applicant="alice", approvers=["carol"])
    done = office.run("list")
    said = "the store holds changes of release: name the application of that workflow (--app)\n"
    assert (done.code, done.out, done.err) == (0, "", f"no change matches\n{said}")
    done = office.run("show", "r-1")
    assert (done.code, done.out) == (1, "")
    assert "a change of workflow release has it: name the application of that workflow (--app)" in done.err


def test_a_store_that_is_not_there_is_not_made(office: Office) -> None:
    """A typing error in a URL does not look like an empty store."""
    done = office.run("list", "--store", "sqlite:///mistyped.db")
    assert (done.code, done.out) == (4, "")
    assert "there is no store at" in done.err
    assert not (office.folder / "mistyped.db").exists()


@pytest.mark.parametrize("scheme", ["sqlite", "json"])
@pytest.mark.parametrize("name", ["folder", "pipe", "link", "twin", "text/store"])
def test_a_path_that_cannot_be_a_store_is_reported_as_by_the_doctor(office: Office, scheme: str, name: str) -> None:
    """Each command that opens a store reports it, and none waits for the writer of a FIFO."""
    (office.folder / "folder").mkdir()
    os.mkfifo(office.folder / "pipe")
    (office.folder / "link").symlink_to("nothing")
    (office.folder / "text").write_text("text", encoding="utf-8")
    (office.folder / "twin").hardlink_to(office.folder / "text")
    url = f"{scheme}:///{name}"
    (found,) = [one for one in office.run("doctor", "--store", url, "--json").json if one["name"] == "storage.open"]
    for command in (("list", "--store", url), ("storage", "check", url), ("storage", "upgrade", url)):
        done = office.run(*command)
        assert (done.code, done.out, done.err) == (4, "", f"itsm-workflow: {found['seen']}\n")


@pytest.mark.parametrize(("url", "code"), [("redis://x", 2), ("changes.db", 2), ("sqlite:///notes.txt", 4)])
def test_a_store_that_cannot_be_opened_is_reported_in_one_line(office: Office, url: str, code: int) -> None:
    """An invalid URL is wrong usage; a file that is not a store is an error of the store."""
    (office.folder / "notes.txt").write_text("not a store, and long enough to look at\n" * 40, encoding="utf-8")
    done = office.run("list", "--store", url)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("itsm-workflow: ")
    assert "Traceback" not in done.err


def test_the_view_of_a_change_holds_no_other_keys(office: Office) -> None:
    """What list, show and apply print has one shape."""
    change = office.apply("collector-42")
    assert list(change) == CHANGE_KEYS
    assert list(office.run("list", "--json").json[0]) == CHANGE_KEYS


def test_nothing_found_is_said_and_no_error(office: Office) -> None:
    """An empty list is an answer: a remark for people, an empty array for programs."""
    office.apply("collector-42")
    done = office.run("list", "--subject", "collector-41")
    assert (done.code, done.out, done.err) == (0, "", "no change matches\n")
    done = office.run("list", "--subject", "collector-41", "--json")
    assert (done.code, done.json, done.err) == (0, [], "")


def test_sentences_and_pictures_come_as_json_too(office: Office) -> None:
    """For programs that pass them on."""
    change = office.apply("collector-42")
    told = office.run("why", "collector-42", "--json").json
    assert (told["id"], "waits for bob" in told["why"]) == (change["id"], True)
    drawn = office.run("graph", "--format", "table", "--json").json
    assert drawn == {"format": "table", "text": format(Graph(definition=COLLECTOR_CHANGE), "table")}


def test_why_in_chinese(office: Office) -> None:
    """Whole, with and without a question to the gateway; the facts of people stay as they are."""
    change = office.apply("collector-42")
    said = office.run("why", "collector-42", "--language", "zh")
    assert said.code == 0
    assert said.out.startswith(f"collector-42（{change['id']}）自 ")
    assert f"等待审批单据（{change['sn']}），审批人：bob" in said.out
    assert office.run("why", "collector-42", "--language", "zh", "--live").out == said.out
    assert office.run("why", "collector-42", "--language", "fr").code == 2
