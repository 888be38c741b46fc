"""A change's history as a test: what is redacted, what stays, and that the file replays it."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Effect, State, Workflow, open_storage
from itsm_workflow.change import AttentionReason
from itsm_workflow.cli import main
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, collector_change
from itsm_workflow.policy import Policy
from itsm_workflow.sandbox import acting
from itsm_workflow.testing.simulation import CaseNotExported, CaseStep, case_file, replay_case
from itsm_workflow.testing.simulation.redaction import redacted
from tests.support.limits import PATIENCE
from tests.support.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow.change import ChangeRequest, Entry

SECRETS = ("alice", "carol", "接入日志", "PRIVATE", "13800000000", "because of money", "start_it")
OTHER_RULE = collector_change()


def given(workflow: Workflow, world: World) -> ChangeRequest:
    """File a change whose form, reasons and effects tell much."""
    change = workflow.apply(
        subject="PRIVATE",
        title="接入日志",
        applicant="alice",
        approvers=["carol"],
        content="PRIVATE",
        fields={"PRIVATE_phone": 13800000000, "PRIVATE_list": ["PRIVATE", {"PRIVATE": None}]},
    )
    world.start_flow()
    return change


def history(world: World, *, approved: bool = True, **options: Any) -> list[Entry]:
    """Return the history of a change that was decided, with an effect that fails once and a reason."""
    failures = [RuntimeError("PRIVATE")]

    def start(_call: object) -> None:
        if failures:
            raise failures.pop()

    with world.workflow(effects={State.APPROVED: [Effect("start_it", start)]}, **options) as workflow:
        change = given(workflow, world)
        concern = ev.Concern(reason=AttentionReason.HOST, facts={"told": "PRIVATE"})
        workflow.fire(change.id, "raise_attention", concern, actor="carol")
        workflow.clear_attention(change.id, actor="carol", reason="because of money")
        world.decide(world.ticket_of(change), approved=approved)
        world.reconcile_for(workflow, hours=1)
        return workflow.history(change.id)


def withdrawn(world: World) -> list[Entry]:
    """Return the history of a change whose applicant withdrew it with us."""
    with world.workflow() as workflow:
        change = given(workflow, world)
        workflow.withdraw(change.id, actor="alice", reason="because of money")
        world.reconcile_for(workflow, hours=1)
        assert workflow.get(change.id).state == State.REJECTED
        return workflow.history(change.id)


def text_of(entries: list[Entry], policy: Policy = Policy()) -> str:  # noqa: B008 - frozen
    """Return the file for a history."""
    return case_file(entries, definition=COLLECTOR_CHANGE, policy=policy)


def test_a_replayed_case_goes_through_the_same_states() -> None:
    """Each trigger leads where it led, effects and withdrawals included."""
    for entries in (history(World()), history(World(), approved=False), withdrawn(World())):
        states = replay_case(redacted(entries), definition=COLLECTOR_CHANGE)
        assert states == [entry.dest for entry in entries]


def test_nothing_private_is_in_the_file() -> None:
    """No name, title, reason, address, key, subject, field or effect of the change, wherever it stood."""
    entries = history(World())
    text = text_of(entries)
    assert any("start_it" in effect for entry in entries for effect in entry.effects)
    attempt = next(entry.evidence for entry in entries if isinstance(entry.evidence, ev.Submission))
    ticket = next(entry.evidence for entry in entries if isinstance(entry.evidence, ev.TicketConfirmed))
    private = (*SECRETS, attempt.key, attempt.owner, ticket.sn, ticket.url, entries[0].change_id)
    assert [word for word in private if word in text] == []


def test_what_was_equal_is_equal_still() -> None:
    """The applicant is the same made-up person as form, creator and actor; the key is the same where it is matched."""
    steps = redacted(history(World()))
    form, submission = steps[0].evidence["form"], steps[1].evidence
    confirmed = next(step.evidence for step in steps if step.kind == "TicketConfirmed")
    assert form["applicant"] == submission["creator"] == confirmed["creator"] == steps[0].actor
    assert submission["key"] == confirmed["key"]
    assert form["approvers"] != [form["applicant"]]


def test_what_the_machine_judges_by_stays() -> None:
    """Statuses, flags, numbers and distances in time are those of the history."""
    entries = history(World())
    steps = redacted(entries)
    approval = next(step for step in steps if step.trigger == "approve")
    original = next(entry for entry in entries if entry.trigger == "approve")
    assert isinstance(original.evidence, ev.Snapshot)
    assert approval.evidence["status"] == "finished"
    assert approval.evidence["approve_result"] is True
    assert approval.at == (original.at - entries[0].at).total_seconds()
    looked = dt.datetime.fromisoformat(approval.evidence["seen_at"])
    assert looked - dt.datetime(2026, 1, 1, tzinfo=dt.UTC) == original.evidence.seen_at - entries[0].at


def run(path: Path) -> subprocess.CompletedProcess[str]:
    """Run a file with pytest, away from the checkout."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path.name]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.long
def test_the_file_runs_on_its_own(tmp_path: Path) -> None:
    """It needs pytest and the library, and nothing of the place where it was written."""
    path = tmp_path / "test_case.py"
    path.write_text(text_of(withdrawn(World())), encoding="utf-8")
    done = run(path)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


@pytest.mark.long
def test_the_file_fails_where_the_machine_has_changed(tmp_path: Path) -> None:
    """A trigger that is not accepted any more is told with its reason."""
    path = tmp_path / "test_case.py"
    text = text_of(history(World())).replace('"approve_result": True', '"approve_result": False')
    path.write_text(text, encoding="utf-8")
    done = run(path)
    assert done.returncode == 1
    assert "approve was refused in state pending: the ticket is refused, not approved" in done.stdout


@pytest.mark.long
def test_another_policy_is_written_into_the_file(tmp_path: Path) -> None:
    """Guards judge by the timings that were in force, so the file brings those that differ from the usual."""
    policy = Policy(quiet=dt.timedelta(seconds=5), lookups=(dt.timedelta(0), dt.timedelta(seconds=120)), resends=1)
    world = World()
    with world.workflow(policy=policy) as workflow:
        change = given(workflow, world)
        acting.withdraw(world.ledger, world.ticket_of(change), "alice")
        for _ in range(3):
            world.clock.advance(6)
            workflow.settle(change.id)
        entries = workflow.history(change.id)
    with pytest.raises(CaseNotExported, match="a second look"):
        text_of(entries)
    text = text_of(entries, policy)
    lookups = "lookups=(dt.timedelta(seconds=0), dt.timedelta(seconds=120), )"
    assert f"POLICY = Policy({lookups}, resends=1, quiet=dt.timedelta(seconds=5))" in text
    path = tmp_path / "test_case.py"
    path.write_text(text, encoding="utf-8")
    assert run(path).returncode == 0


def test_a_definition_without_a_name_is_refused() -> None:
    """A file can import only what a module holds."""
    with pytest.raises(CaseNotExported, match="assign it to a name at module level"):
        case_file(history(World()), definition=collector_change(), policy=Policy())


def test_a_definition_of_a_host_is_imported() -> None:
    """The file names the module that the host's definition was found in."""
    text = case_file(history(World()), definition=OTHER_RULE, policy=Policy())
    assert "from tests.simulation.test_case import OTHER_RULE\n" in text
    assert "replay_case(STEPS, definition=OTHER_RULE)" in text


def test_evidence_that_nobody_knows_is_refused() -> None:
    """Entries of a host's own triggers need the definition that has them."""
    entries = [attrs.evolve(entry, evidence={"size": 1}) for entry in history(World())]
    with pytest.raises(CaseNotExported, match="pass the application that defines it"):
        text_of(entries)


def test_a_step_that_changes_nothing_is_told() -> None:
    """A history has no entries without news, so one that became so is a difference."""
    steps = redacted(history(World()))
    callback = CaseStep(
        at=steps[-1].at,
        trigger="approve",
        actor="gateway",
        kind="Snapshot",
        evidence=next(step.evidence for step in steps if step.trigger == "approve"),
        leads_to="approved",
    )
    with pytest.raises(ValueError, match="approve, no longer changes anything"):
        replay_case([*steps, callback], definition=COLLECTOR_CHANGE)


def test_a_step_of_another_workflow_is_told() -> None:
    """Evidence that the definition does not take is named."""
    steps = redacted(history(World()))
    steps[1] = attrs.evolve(steps[1], kind="Deployed")
    with pytest.raises(ValueError, match="step 2, submit, holds Deployed, which collector_change does not accept"):
        replay_case(steps, definition=COLLECTOR_CHANGE)


def test_a_trigger_out_of_order_is_refused() -> None:
    """A case is judged by the machine, not read."""
    steps = redacted(history(World()))
    with pytest.raises(TransitionRefused):
        replay_case([steps[0], *steps[2:]], definition=COLLECTOR_CHANGE)


@pytest.mark.long
def test_the_command_writes_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By any name of the change, to a file or to standard output; both are the same."""
    monkeypatch.delenv("BKAPP_ITSM_WORKFLOW_APP", raising=False)
    url = f"sqlite:///{tmp_path / 'changes.db'}"
    store = open_storage(url)
    history(World(store=store))
    store.close()
    path = tmp_path / "test_incident.py"
    assert main(["export-case", "PRIVATE", "--store", url, "--output", str(path)]) == 0
    assert capsys.readouterr().err == f"wrote {path}\n"
    assert main(["export-case", "PRIVATE", "--store", url]) == 0
    assert capsys.readouterr().out == path.read_text(encoding="utf-8")
    assert run(path).returncode == 0
    path.write_text("# by hand", encoding="utf-8")
    assert main(["export-case", "PRIVATE", "--store", url, "--output", str(path)]) == 2
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "exists already, and is not overwritten: give --output another name" in told
    assert path.read_text(encoding="utf-8") == "# by hand"


def test_the_command_tells_of_a_history_that_cannot_be_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It exits with 1, and writes nothing."""
    url = f"sqlite:///{tmp_path / 'changes.db'}"
    world = World(store=open_storage(url))
    with world.workflow(policy=Policy(quiet=dt.timedelta(0))) as workflow:
        change = given(workflow, world)
        acting.withdraw(world.ledger, world.ticket_of(change), "alice")
        for _ in range(2):
            workflow.settle(change.id)
        assert workflow.get(change.id).state == State.REJECTED
    world.store.close()
    path = tmp_path / "test_incident.py"
    assert main(["export-case", change.id, "--store", url, "-o", str(path)]) == 1
    assert "the redacted history is refused by collector_change version 1: reject was refused" in (
        capsys.readouterr().err
    )
    assert not path.exists()
