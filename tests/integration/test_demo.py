"""The demonstration, run for real: how it ends, what it shows, and that its exit code is not won cheaply."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from filelock import FileLock
from rich.cells import cell_len

from itsm_workflow import COLLECTOR_CHANGE, demo
from itsm_workflow.audit import Forged
from itsm_workflow.change import Entry, Outcome
from itsm_workflow.demo import report
from itsm_workflow.demo.scenarios import SCENARIOS, Scenario
from itsm_workflow.demo.stage import Stage, expect
from itsm_workflow.errors import StorageError
from itsm_workflow.machine.evidence import AttemptMark, Decision, EffectRetry
from itsm_workflow.storage.protocol import EntryRow, Query, Write
from itsm_workflow.storage.registry import open_storage
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.demo.stage import Ask
    from itsm_workflow.storage.protocol import Row

FEW = (SCENARIOS[0], SCENARIOS[3])
"""One change that is approved and one that is rejected, in half a second."""

KEYS = [
    *("requests", "by_state", "tickets_created", "duplicate_tickets", "lost_requests", "illegal_transitions"),
    *("effects_delivered", "effects_expected", "forged_accepted", "seconds", "store", "page"),
]


@attrs.frozen
class Run:
    """One run of the whole demonstration by its command: exit code, the JSON that it printed, and what it showed."""

    code: int
    figures: dict[str, Any]
    lines: list[str]

    @property
    def store(self) -> str:
        """The URL of the store that it left."""
        return str(self.figures["store"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the command as a process of its own, once for all workers of this test run."""
    folder = tmp_path_factory.getbasetemp() / "demo"
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parents[1] / "demo"
    output = folder.with_suffix(".json")
    with FileLock(folder.with_suffix(".lock")):
        if not output.exists():
            command = [sys.executable, "-m", "itsm_workflow", "demo", "--json", "--folder", str(folder)]
            done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
            output.write_text(json.dumps([done.returncode, done.stdout, done.stderr]), encoding="utf-8")
    code, shown, noted = json.loads(output.read_text(encoding="utf-8"))
    return Run(code, json.loads(shown), noted.splitlines())


def change_of(run: Run, scenario: str) -> Row:
    """Return the stored change that a scenario drove."""
    (number,) = [number for number, one in enumerate(SCENARIOS, start=1) if one.name == scenario]
    with contextlib.closing(open_storage(run.store)) as storage:
        (row,) = storage.find(Query(subject=f"collector-{number:02}")).rows
    return row


def path_of(run: Run, scenario: str) -> list[str]:
    """Return the triggers in the stored history of a scenario's change."""
    with contextlib.closing(open_storage(run.store)) as storage:
        return [entry.trigger for entry in storage.history(change_of(run, scenario).id).entries]


def test_every_scenario_ends_as_it_says(whole: Run) -> None:
    """Nothing went otherwise, the audit found nothing, and the exit code says so."""
    assert ([line for line in whole.lines if line.startswith("  ! ")], whole.code) == ([], 0)


def test_the_figures_add_up(whole: Run) -> None:
    """Twenty requests, twenty tickets, and an effect for each approval."""
    assert list(whole.figures) == KEYS
    assert {name: whole.figures[name] for name in KEYS[:-3]} == {
        "requests": 20,
        "by_state": {"approved": 12, "rejected": 8},
        "tickets_created": 20,
        "duplicate_tickets": 0,
        "lost_requests": 0,
        "illegal_transitions": 0,
        "effects_delivered": 12,
        "effects_expected": 12,
        "forged_accepted": 0,
    }


def test_it_is_done_in_a_minute(whole: Run) -> None:
    """A demonstration that takes longer is not looked at."""
    assert whole.figures["seconds"] < 60


def test_the_killed_process_was_replaced_by_another(whole: Run) -> None:
    """The second process noticed the silent sender, looked the ticket up by its key, and sent nothing."""
    path = path_of(whole, "kill -9")
    assert path[:5] == ["draft", "submit", "mark_sending", "mark_unknown", "record_ticket"]
    assert path.count("mark_sending") == 1


def test_the_store_stays_and_can_be_read(whole: Run) -> None:
    """What was demonstrated can be looked at afterwards."""
    with contextlib.closing(open_storage(whole.store)) as storage:
        assert len(storage.find(Query(workflow=COLLECTOR_CHANGE.name, limit=100)).rows) == 20


def test_one_line_adds_up(whole: Run) -> None:
    """The sum is one line, and every request is in it once."""
    wanted = (
        "20 requests = 12 approved + 5 rejected + 2 withdrawn + 1 terminated; 20 tickets for 20 keys, 0 duplicates, "
        "0 lost, 0 illegal transitions, effects 12/12, forged accepted 0"
    )
    assert whole.lines.count(wanted) == 1


def test_what_goes_wrong_leaves_its_trace(whole: Run) -> None:
    """The paths differ where the scenarios say: nothing was merely skipped."""
    assert "fail_callback" in path_of(whole, "callback lost")
    assert {"receive_callback", "fail_callback"}.isdisjoint(path_of(whole, "callback vanished"))
    assert path_of(whole, "create never arrived").count("mark_sending") == 2
    assert path_of(whole, "callback forged").count("receive_callback") == 1
    assert path_of(whole, "callback lies").count("receive_callback") == 2
    assert path_of(whole, "effect fails once")[-4:] == ["start_effect", "fail_effect", "start_effect", "deliver_effect"]
    assert "suspect_ending" in path_of(whole, "withdrawn here")


def test_each_change_is_printed_when_it_ends(whole: Run) -> None:
    """The progress is shown during the run, in the order of the table."""
    told = [line for line in whole.lines if line.startswith("[")]
    assert [line[:7] for line in told] == [f"[{number:2}/20]" for number in range(1, 21)]
    assert all(f"  {scenario.ending}  " in line for scenario, line in zip(SCENARIOS, told, strict=True))


def test_lines_fit_a_terminal_and_columns_align_with_chinese_titles(whole: Run) -> None:
    """Apart from the sum and the place of the store, nothing is wider than 100 columns."""
    wide = [line for line in whole.lines if cell_len(line) > 100]
    assert [line for line in wide if whole.store not in line and not line.startswith("20 requests = ")] == []
    told = [line for line in whole.lines if line.startswith("[")]
    columns = [
        cell_len(line[: line.index(scenario.shows[:40])]) for scenario, line in zip(SCENARIOS, told, strict=True)
    ]
    assert len(set(columns)) == 1


def test_the_history_of_one_change_is_shown(whole: Run) -> None:
    """Of the one whose process was killed."""
    text = "\n".join(whole.lines)
    assert change_of(whole, "kill -9").id in text
    assert "its worker reported no result" in text


def test_the_hosts_own_log_has_a_line_for_each_delivery(whole: Run) -> None:
    """The audit compares with what the host wrote down itself, whichever process delivered."""
    log = sqlite_path(whole.store).with_name("deliveries.jsonl")
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert len({line["effect"] for line in lines}) == 12
    assert all(set(line) == {"effect", "name", "change", "attempt"} for line in lines)


def test_no_secret_is_stored_or_shown(tmp_path: pathlib.Path) -> None:
    """Neither the app secret, the callback key nor a callback's credential is in a file or a line."""
    lines: list[str] = []
    secrets: list[str] = []

    def remember(stage: Stage) -> None:
        secrets.extend(stage.environ[f"BKAPP_ITSM_{name}"] for name in ("APP_SECRET", "CALLBACK_KEYS"))
        with stage.sandbox.locked() as ledger:
            secrets.extend(value for one in ledger.newest_first() for value in one.draft.meta["headers"].values())

    demo.run(folder=tmp_path, show=lines.append, scenarios=FEW, before_audit=remember)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()) + "\n".join(lines).encode()
    assert (len(secrets), len(kept) > 1000) == (4, True)
    assert [secret for secret in secrets if secret.encode() in kept] == []


def test_a_folder_with_a_store_is_refused(tmp_path: pathlib.Path) -> None:
    """The demonstration never mixes with changes of other runs."""
    (tmp_path / "changes.db").write_bytes(b"")
    with pytest.raises(FileExistsError, match="starts with an empty store"):
        demo.run(folder=tmp_path, show=lambda _: None)


# ---------------------------------------------------------------- planted defects


def sqlite_path(store: str) -> pathlib.Path:
    """Return the file of a SQLite store's URL."""
    return pathlib.Path(store.removeprefix("sqlite:///"))


def a_second_ticket(stage: Stage) -> None:
    """File the first ticket's create once more, as a proxy that repeats would."""
    with stage.sandbox.locked() as ledger:
        ledger.file(ledger.newest_first()[-1].draft)


def a_lost_change(stage: Stage) -> None:
    """Delete a change from the store."""
    with contextlib.closing(sqlite3.connect(sqlite_path(stage.store))) as connection, connection:
        connection.execute("DELETE FROM changes WHERE subject = ?", (stage.asked[0],))


def an_illegal_entry(stage: Stage) -> None:
    """Commit an entry that flips a change which had ended."""
    with contextlib.closing(open_storage(stage.store)) as storage:
        (row,) = storage.find(Query(subject=stage.asked[1])).rows
        last = storage.history(row.id).entries[-1]
        entry = EntryRow(
            change_id=row.id,
            seq=row.seq + 1,
            at=last.at,
            trigger="approve",
            source="rejected",
            dest="approved",
            actor="intruder",
            document="{}",
        )
        flipped = attrs.evolve(row, state="approved", seq=entry.seq, version=row.version + 1)
        assert storage.commit([Write(row=flipped, expected_version=row.version, entries=(entry,))]) == [None]


def an_unbacked_approval(stage: Stage) -> None:
    """Let the ledger say that the approved ticket was refused."""
    with stage.sandbox.locked() as ledger:
        ledger.newest_first()[-1].approve_result = False


def a_skipped_effect(stage: Stage) -> None:
    """Lose the host's log."""
    stage.deliveries.path.unlink()


def an_accepted_forgery(stage: Stage) -> None:
    """Note a forged callback that was answered as if it were authentic."""
    stage.forged.append(Forged(what="planted", status=200, body=b"{}"))


@pytest.mark.parametrize(
    ("plant", "figure", "found"),
    [
        (a_second_ticket, "duplicate_tickets", "duplicate: key"),
        (a_lost_change, "lost_requests", "lost: a change of collector-01"),
        (an_illegal_entry, "illegal_transitions", "leads out of a final state"),
        (an_unbacked_approval, "illegal_transitions", "is FINISHED and not approved"),
        (a_skipped_effect, "effects_delivered", "effect: start_collection"),
        (an_accepted_forgery, "forged_accepted", "forged: a callback (planted)"),
    ],
)
def test_a_planted_defect_is_found_and_ends_with_1(
    tmp_path: pathlib.Path, plant: Callable[[Stage], None], figure: str, found: str
) -> None:
    """The figures come from what is stored and recorded, so that nothing can be planted unseen."""
    lines: list[str] = []
    result = demo.run(folder=tmp_path, show=lines.append, scenarios=FEW, before_audit=plant)
    assert (result.problems, result.exit_code) == ((), 1)
    assert result.as_json()[figure] != demo_figure(figure)
    assert any(found in line for line in lines if line.startswith("  ! "))
    assert lines[-2].startswith("Problems were found")


def demo_figure(figure: str) -> int:
    """Return the figure of the few scenarios when nothing is planted."""
    return 1 if figure == "effects_delivered" else 0


def test_the_few_scenarios_alone_end_with_0(tmp_path: pathlib.Path) -> None:
    """What the planted defects are compared with."""
    result = demo.run(folder=tmp_path, show=lambda _: None, scenarios=FEW)
    assert (result.exit_code, result.audit.effects_delivered, result.audit.requests) == (0, 1, 2)


def test_another_ending_than_the_scenario_says_ends_with_1(tmp_path: pathlib.Path) -> None:
    """The audit may be content, and the run still failed."""
    lines: list[str] = []
    mistaken = attrs.evolve(SCENARIOS[0], ending=Outcome.REJECTED)
    result = demo.run(folder=tmp_path, show=lines.append, scenarios=[mistaken])
    assert (result.audit.findings, result.exit_code) == ((), 1)
    assert "expected: rejected, rejected, no attention" in result.problems[0]
    assert any("! NotAsExpectedError" in line for line in lines)


def test_a_scenario_that_fails_does_not_end_the_others(tmp_path: pathlib.Path) -> None:
    """It is reported, its change is lost, and the next one runs."""

    def fails(stage: Stage, ask: Ask) -> None:
        stage.asked.append(ask.subject)
        stage.sandbox.faults.lose_answer("create_ticket", always=True)  # must not hit the next one
        expect(False, "the impossible")  # noqa: FBT003 - that is the point

    result = demo.run(
        folder=tmp_path,
        show=lambda _: None,
        scenarios=[Scenario("impossible", "nothing", fails, Outcome.APPROVED), SCENARIOS[0]],
    )
    assert result.problems == ("collector-01 (impossible): NotAsExpectedError: expected: the impossible",)
    assert (result.audit.requests, result.audit.lost_requests) == (2, 1)
    assert [one.change is None for one in result.endings] == [True, False]
    assert result.endings[1].problem == ""


def test_a_scenario_that_runs_out_of_time_is_reported_with_its_reason(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change without a decision does not stop the run; the problem names what it waits for."""
    monkeypatch.setattr("itsm_workflow.demo.stage.PATIENCE", 0.2)
    undecided = Scenario("undecided", "nothing", Stage.pending, Outcome.APPROVED)
    lines: list[str] = []
    result = demo.run(folder=tmp_path, show=lines.append, scenarios=[undecided])
    assert result.exit_code == 1
    assert "collector-01 was not ended within 0 s" in result.problems[0]
    assert "waits for bob, carol to decide ticket" in result.problems[0]
    assert any(line.startswith("1 request = 1 pending; 1 ticket for 1 key, 0 duplicates") for line in lines)


@pytest.mark.long
def test_a_second_process_may_also_apply(tmp_path: pathlib.Path) -> None:
    """The process that is killed elsewhere does its work when it is left alone."""

    def applied_elsewhere(stage: Stage, ask: Ask) -> None:
        stage.asked.append(ask.subject)
        expect(stage.spawn("apply", ask).wait(PATIENCE) == 0, "the other process applies")
        stage.sandbox.approve(stage.change(ask).expect_ticket().sn)

    elsewhere = Scenario("elsewhere", "nothing", applied_elsewhere, Outcome.APPROVED)
    result = demo.run(folder=tmp_path, show=lambda _: None, scenarios=[elsewhere])
    assert (result.problems, result.exit_code) == ((), 0)


def test_a_stage_that_cannot_open_leaves_nothing_running(tmp_path: pathlib.Path) -> None:
    """The stand-in and the port are closed again if the store cannot be opened."""
    before = threading.enumerate()  # of objects of other tests that are not collected yet
    stage = Stage(folder=tmp_path, seed=1)
    (tmp_path / "changes.db").write_text("no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StorageError), stage:
        pytest.fail("the stage opened")
    started = [thread.name for thread in threading.enumerate() if thread not in before]
    assert [name for name in started if name.startswith(("itsm-", "demo-"))] == []


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 5, "abc  "),
        ("接入", 5, "接入 "),
        ("接入日志", 5, "接入…"),
        ("接入日志", 6, "接入 …"),
        ("e\N{COMBINING ACUTE ACCENT}", 2, "e\N{COMBINING ACUTE ACCENT} "),
    ],
)
def test_columns_count_what_a_terminal_shows(text: str, width: int, shown: str) -> None:
    """A wide character takes two columns, a combining one none; what does not fit ends with an ellipsis."""
    assert report.fitted(text, width) == shown
    assert cell_len(shown) == width


@attrs.frozen(kw_only=True)
class Proved:
    """Evidence of a host's own trigger."""

    api_token: str
    login: dict[str, object]


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (AttemptMark(number=2, owner="x", problem="no route"), "no route"),
        (Decision(reason="no longer needed"), "reason no longer needed"),
        (EffectRetry(effect="e"), "effect e"),
        ({"host": "value"}, "host=value"),
        (
            {"host": "value", "Password": 4711, "login": {"api_token": "s3cr3t"}},
            "host=value, Password=***, login=api_token=***",
        ),
        (Proved(api_token="s3cr3t", login={"Password": 4711}), "api_token ***, login Password=***"),
    ],
)
def test_each_kind_of_evidence_is_summarized(evidence: object, said: str) -> None:
    """A host's own kinds are included; a secret is masked by the name of its key."""
    entry = Entry(
        change_id="c",
        seq=1,
        at=dt.datetime(2026, 11, 25, tzinfo=dt.UTC),
        trigger="t",
        source="",
        dest="draft",
        actor="a",
        evidence=evidence,
    )
    assert report.facts(entry) == said
