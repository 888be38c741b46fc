"""The command ``reconcile``."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Workflow
from itsm_workflow.cli.reconcile import _until_stopped
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.testing.manual_clock import ManualClock
from itsm_workflow.testing.memory_sandbox import MemorySandbox
from tests.integration.cli.office import unreachable_url
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from itsm_workflow.runtime.reconciler import Report
    from tests.integration.cli.office import Office


def lose_callbacks(office: Office, monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """Let so many tickets be approved, with callbacks that the gateway could not deliver; return the subjects."""
    monkeypatch.setenv("BKAPP_ITSM_CALLBACK_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("BKAPP_ITSM_CALLBACK_KEYS", "k" * 32)
    office.sandbox.faults.callback_lost(listed=True, always=True)
    subjects = [f"collector-{one}" for one in range(number)]
    for subject in subjects:
        office.decide(office.apply(subject)["sn"], approve=True)
    office.sandbox.wait(lambda ledger: len(ledger.failed_callbacks()) == number)
    return subjects


def test_reconcile_looks_at_what_is_due(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callbacks that were lost are found on the gateway's list, and the tickets are read."""
    subjects = lose_callbacks(office, monkeypatch, 2)
    done = office.run("reconcile", "--json")
    assert (done.code, done.err) == (0, "")
    counted = {name: value for name, value in done.json.items() if name != "seconds"}
    assert counted == {
        "due": 2,
        "moved": 2,
        "unchanged": 0,
        "busy": 0,
        "failed": 0,
        "unreadable": 0,
        "undelivered": 2,
        "finished": True,
        "stopped": "",
    }
    for subject in subjects:
        assert office.run("show", subject, "--json").json["state"] == "approved"
    assert office.run("reconcile").out.startswith("due 0: moved 0, unchanged 0, busy 0, failed 0, unreadable 0;")


def test_reconcile_says_that_its_limit_left_something(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not looked at is not passed over in silence: exit 5, as for all that a later pass tries again."""
    lose_callbacks(office, monkeypatch, 2)
    done = office.run("reconcile", "--limit", "1", "--json")
    assert (done.code, done.json["due"], done.json["finished"]) == (5, 1, False)
    assert "the limit was reached" in done.err
    assert office.run("reconcile").code == 0


def test_reconcile_that_had_no_time_to_look_exits_as_such(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler sees that its passes are too short, though nothing failed."""
    lose_callbacks(office, monkeypatch, 1)
    monkeypatch.setattr("itsm_workflow.runtime.pass_time.PassTime.is_over", lambda _: True)
    done = office.run("reconcile", "--seconds", "1", "--json")
    assert (done.json["due"], done.json["failed"], done.json["stopped"]) == (0, 0, "its time was used up")
    assert done.code == 5


def test_reconcile_that_failed_in_part_exits_as_such(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 5: one ticket could be read, the other could not."""
    lose_callbacks(office, monkeypatch, 2)
    office.sandbox.faults.status("get_ticket_info", 502, nth=2, always=True)
    done = office.run("reconcile", "--json")
    assert (done.code, done.json["moved"], done.json["failed"]) == (5, 1, 1)
    assert "get_ticket_info" in done.err


def test_reconcile_without_a_gateway_exits_as_such(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3 when nothing at all could be done."""
    office.apply("collector-42")
    monkeypatch.setenv("BKAPP_ITSM_GATEWAY_URL", unreachable_url())
    done = office.run("reconcile")
    assert done.code == 3
    assert done.out.startswith("due 0: moved 0, unchanged 0, busy 0, failed 0, unreadable 0;")
    assert done.err.startswith("itsm-workflow: callback_failed_ticket: nothing was sent")


@pytest.mark.long
def test_a_pass_reports_changes_of_another_workflow(office: Office) -> None:
    """With ``--app none``, or the wrong application, nothing is due, and these changes would wait without end."""
    clock = ManualClock()  # long ago
    with Workflow(
        storage=office.variables["BKAPP_ITSM_STORE"],
        gateway=MemorySandbox(clock=clock).gateway,
        definition=attrs.evolve(COLLECTOR_CHANGE, name="release"),
        clock=clock,
    ) as workflow:
        workflow.apply(subject="r-1", title="t", applicant="alice", approvers=["carol"])
    done = office.run("reconcile")
    assert (done.code, done.out[:6]) == (0, "due 0:")
    assert done.err == (
        "itsm-workflow: this pass settled only changes of collector_change, but the store also holds changes of "
        "release that have long been due: name the application of that workflow (--app)\n"
    )
    with office.start("reconcile", "--watch", "0.05") as running:
        assert running.stdout is not None
        assert [running.stdout.readline()[:6] for _ in range(3)] == ["due 0:"] * 3
        running.terminate()
        _, said = running.communicate(timeout=PATIENCE)
    assert said == done.err  # once, not after each pass


class _Interrupting:
    """Interrupts the process while it is removed, where Python drops the exception of a signal handler."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the dropped exception
def test_watching_ends_though_python_drops_the_interrupt(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the running pass is the last one, and the exit code is that of an interrupt."""
    reconcile = Workflow.reconcile
    passes = []

    def interrupted(workflow: Workflow, **options: Any) -> Report:
        passes.append(options)
        assert len(passes) == 1
        _Interrupting()
        return reconcile(workflow, **options)

    monkeypatch.setattr(Workflow, "reconcile", interrupted)
    # Where the tests were started in the background, the signal is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = office.run("reconcile", "--watch", "0.05")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.code, done.out[:6], len(passes)) == (130, "due 0:", 1)


def _signalled_at(line: int, number: signal.Signals) -> tuple[bool, int]:
    """Pause, and send a signal at the n-th line that the pause runs; return whether it was noticed, and the lines."""
    lines = 0

    def trace(_frame: object, event: str, _argument: object) -> Any:  # noqa: ANN401 - as typeshed has it
        nonlocal lines
        lines += event == "line"
        if event == "line" and lines == line:
            sys.settrace(None)
            signal.raise_signal(number)
        return trace

    before = sys.gettrace()
    with _until_stopped() as stop:
        sys.settrace(trace)
        try:
            stop.pause(0.01 if line == 0 else 60.0)
        finally:
            sys.settrace(before)
    return stop.asked, lines


def test_a_signal_ends_a_pause_at_whatever_line_it_comes() -> None:
    """A handler that takes a lock which the pause holds waits for itself, without an end."""
    asked, lines = _signalled_at(0, signal.SIGTERM)
    assert (asked, lines > 0) == (False, True)
    assert [_signalled_at(line, signal.SIGTERM)[0] for line in range(1, lines + 1)] == [True] * lines
