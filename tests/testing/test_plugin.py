"""The fixtures for hosts' tests: they work together, a host makes them its own, and who uses none pays for none."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import Effect, State, Workflow
from itsm_workflow.sandbox import Refusal, Status
from tests.support import workflows as zoo
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from itsm_workflow import ChangeRequest
    from itsm_workflow.testing import ManualClock, MemorySandbox

PROBE = """
import json, pathlib, sys
def pytest_sessionfinish(session):
    pathlib.Path({path!r}).write_text(json.dumps(sorted(sys.modules)))
"""
OWN = {"itsm_workflow", "itsm_workflow.exports", "itsm_workflow.testing", "itsm_workflow.testing.plugin"}


def modules_after(folder: Path, test: str, *options: str) -> set[str]:
    """Return what is loaded at the end of a pytest run of its own."""
    (folder / "conftest.py").write_text(PROBE.format(path=str(folder / "loaded.json")), encoding="utf-8")
    (folder / "test_host.py").write_text(test, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(json.loads((folder / "loaded.json").read_text(encoding="utf-8")))


@pytest.mark.long
def test_a_run_that_uses_no_fixture_loads_the_plugin_and_nothing_else(tmp_path: Path) -> None:
    """Neither Hypothesis, nor requests, nor the library: the difference to a run without the plugin is the plugin."""
    test = "def test_nothing(): pass\n"
    loaded = modules_after(tmp_path, test)
    assert loaded - modules_after(tmp_path, test, "-p", "no:itsm_workflow") == OWN
    assert loaded.isdisjoint({"hypothesis", "requests", "transitions", "itsm_workflow.workflow"})


@pytest.mark.long
def test_a_run_that_uses_a_fixture_loads_what_it_needs(tmp_path: Path) -> None:
    """The probe sees what is loaded, so that the test above means something. Hypothesis is never needed."""
    loaded = modules_after(tmp_path, "def test_it(itsm_workflow): assert itsm_workflow.definition\n")
    assert {"itsm_workflow.workflow", "itsm_workflow.testing.memory_sandbox", "transitions"} <= loaded
    assert loaded.isdisjoint({"hypothesis", "requests"})


# ---------------------------------------------------------------- the fixtures as they are


def apply(workflow: Workflow, subject: str = "collector-1") -> ChangeRequest:
    """File a change."""
    return workflow.apply(subject=subject, title="a title", applicant="alice", approvers=["bob", "carol"])


def test_an_approval_reaches_the_workflow(itsm_workflow: Workflow, itsm_sandbox: MemorySandbox) -> None:
    """By a callback, before the call returns."""
    change = apply(itsm_workflow)
    assert change.sn is not None
    ticket = itsm_sandbox.approve(change.sn)
    assert (ticket.current_status, ticket.approve_result) == (Status.FINISHED, True)
    assert itsm_workflow.get(change.id).state == State.APPROVED
    assert [entry.trigger for entry in itsm_workflow.history(change.id)][-2:] == ["receive_callback", "approve"]


def test_a_rejection_reaches_the_workflow(itsm_workflow: Workflow, itsm_sandbox: MemorySandbox) -> None:
    """The same for the other answer; a ticket is named by its id as well."""
    change = apply(itsm_workflow)
    itsm_sandbox.reject(int(change.expect_ticket().id), approver="carol")
    assert itsm_workflow.get(change.id).state == State.REJECTED


def test_a_lost_callback_is_found_out_when_reconciled(
    itsm_workflow: Workflow, itsm_sandbox: MemorySandbox, itsm_clock: ManualClock
) -> None:
    """Nothing comes, and the ticket system does not list it."""
    change = apply(itsm_workflow)
    itsm_sandbox.loses_callbacks = True
    itsm_sandbox.approve(str(change.sn))
    assert itsm_workflow.get(change.id).state == State.PENDING
    assert itsm_sandbox.gateway.undelivered() == []
    itsm_clock.advance(600)
    itsm_workflow.reconcile()
    assert itsm_workflow.get(change.id).state == State.APPROVED


def test_a_callback_that_nobody_takes_is_listed(itsm_workflow: Workflow, itsm_sandbox: MemorySandbox) -> None:
    """As when a host is down."""
    change = apply(itsm_workflow)
    itsm_sandbox.receive = None
    itsm_sandbox.approve(str(change.sn))
    assert itsm_sandbox.gateway.undelivered() == [change.sn]


def test_a_withdrawn_ticket_ends_its_change_after_a_second_look(
    itsm_workflow: Workflow, itsm_sandbox: MemorySandbox, itsm_clock: ManualClock
) -> None:
    """Time is the test's, so that nothing waits."""
    change = apply(itsm_workflow)
    itsm_sandbox.withdraw(str(change.sn))
    assert itsm_workflow.get(change.id).state == State.PENDING
    itsm_clock.advance(3600)
    itsm_workflow.reconcile()
    assert itsm_workflow.get(change.id).state == State.REJECTED


def test_the_other_acts(itsm_workflow: Workflow, itsm_sandbox: MemorySandbox) -> None:
    """Suspended, resumed and terminated, with the status that each leaves."""
    sn = str(apply(itsm_workflow).sn)
    assert [itsm_sandbox.suspend(sn).current_status, itsm_sandbox.resume(sn).current_status] == ["SUSPENDED", "RUNNING"]
    assert itsm_sandbox.terminate(sn, operator="carol").current_status == "TERMINATED"
    assert itsm_sandbox.ticket(sn) == itsm_sandbox.tickets()[0]


def test_what_people_may_not_do_is_refused(itsm_workflow: Workflow, itsm_sandbox: MemorySandbox) -> None:
    """As the ticket system would."""
    sn = str(apply(itsm_workflow).sn)
    with pytest.raises(Refusal):
        itsm_sandbox.approve(sn, approver="mallory")
    with pytest.raises(LookupError, match=r"no ticket has the number .*pass the change.s sn, change.sn"):
        itsm_sandbox.approve("REQ20000101000001")


def test_what_a_workflow_withdraws_is_called_back(itsm_workflow: Workflow, itsm_sandbox: MemorySandbox) -> None:
    """Callbacks that the workflow itself causes come when time passes."""
    change = apply(itsm_workflow)
    itsm_sandbox.pass_time(10)
    itsm_workflow.withdraw(change.id, actor="alice")
    assert itsm_sandbox.pass_time(1) == 1
    assert itsm_sandbox.ticket(str(change.sn)).callbacks[0].outcome == "delivered"


class TestAHostOfItsOwn:
    """A host that says how its workflow is made."""

    @pytest.fixture
    def started(self) -> list[str]:
        """What the host has started."""
        return []

    @pytest.fixture
    def itsm_workflow_options(self, started: list[str], tmp_path: Path) -> Mapping[str, Any]:
        """A definition, effects and a store of the host's own."""
        return {
            "definition": zoo.DEPLOYMENT,
            "effects": {zoo.Stage.GRANTED: [Effect("start", lambda call: started.append(call.change.subject))]},
            "storage": f"sqlite:///{tmp_path / 'changes.db'}",
        }

    def test_its_options_are_used(
        self, itsm_workflow: Workflow, itsm_sandbox: MemorySandbox, started: list[str], tmp_path: Path
    ) -> None:
        """Definition, effects and store."""
        change = apply(itsm_workflow, "host-7")
        itsm_sandbox.approve(str(change.sn))
        assert started == ["host-7"]
        deployed = itsm_workflow.fire(change.id, zoo.Verb.DEPLOY, zoo.Deployed(size=3), actor="alice")
        assert deployed.state == zoo.Stage.LIVE
        assert (tmp_path / "changes.db").exists()
