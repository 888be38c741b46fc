"""The example hosts of the documentation under their real servers, against the stand-in of BK-ITSM over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.sandbox import CallbackOutcome, Sandbox
from tests.support.collector_host import KINDS, Host, Visitor, current, environment
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow.sandbox.ledger import Ledger

pytestmark = pytest.mark.long


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run the stand-in."""
    with Sandbox() as running:
        yield running


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Iterator[Host]:
    """Run a host."""
    with Host(KINDS[request.param], tmp_path) as running:
        running.environment = environment(sandbox.settings(callback_host=running.url), tmp_path)
        running.prepare()
        running.start()
        yield running


@pytest.fixture
def alice(host: Host) -> Visitor:
    """Return a user who is logged in."""
    return Visitor(host, "alice")


def ticket(sandbox: Sandbox, name: str) -> str:
    """Return the number of the only ticket that asks for a collector."""
    (found,) = [one.sn for one in sandbox.tickets() if one.title.startswith(f"Collect the logs of {name} ")]
    return found


def decide(sandbox: Sandbox, name: str, *, approved: bool) -> None:
    """Decide the ticket of a collector as its approver does."""
    (sandbox.approve if approved else sandbox.reject)(ticket(sandbox, name), approver="bob", timeout=PATIENCE)


def callback_of(sandbox: Sandbox, name: str) -> CallbackOutcome:
    """Wait until the callback of a collector's ticket was sent, and return its outcome."""
    sn = ticket(sandbox, name)

    def outcome(ledger: Ledger) -> list[CallbackOutcome]:
        sent = [one.outcome for one in ledger.by_sn(sn)[0].view().callbacks]
        return [] if CallbackOutcome.PENDING in sent else list(sent)

    (found,) = sandbox.wait(outcome, PATIENCE)
    return found


def is_enabled(page: str) -> bool:
    """Return whether the page shows that the collector is enabled."""
    return "<p>Enabled" in page


def test_a_collector_is_enabled_by_an_approval_only(sandbox: Sandbox, host: Host, alice: Visitor) -> None:
    """The form, the ticket, the picture, the effect, and the guard before the work."""
    refused = alice.apply("nginx", hosts=0)
    assert (refused.status_code, host.refusal in refused.text) == (400, True)
    assert sandbox.tickets() == ()

    assert current(alice.apply("nginx").text) == current(alice.apply("sshd").text) == "Waiting for approval"
    assert alice.apply("nginx").status_code == 409
    assert alice.post("/collectors/nginx/collect").status_code == 403

    decide(sandbox, "sshd", approved=False)
    decide(sandbox, "nginx", approved=True)
    page = alice.until("nginx", is_enabled)
    assert current(page) == "Approved"
    assert "bob approved it" in page
    page = alice.until("sshd", lambda page: current(page) == "Not approved")
    assert not is_enabled(page)

    assert "collected 1 times" in alice.post("/collectors/nginx/collect").text
    refused = alice.post("/collectors/sshd/collect")
    assert (refused.status_code, "is not approved" in refused.text) == (403, True)
    assert "collected 0 times" in alice.page("sshd")


def test_a_user_acts_on_collectors_of_their_own_only(sandbox: Sandbox, host: Host, alice: Visitor) -> None:
    """Another user may look; a form of another site, and a visitor who is not logged in, get nothing."""
    alice.apply("nginx")
    erin = Visitor(host, "erin")
    assert current(erin.page("nginx")) == "Waiting for approval"
    assert erin.apply("nginx").status_code == 403
    assert erin.get("/collectors/other").status_code == 404
    assert len(sandbox.tickets()) == 1
    assert alice.from_another_site("/").status_code == 403
    assert alice.logged_out("/").status_code in {302, 401}


def test_a_pass_finds_the_approval_whose_callback_was_lost(sandbox: Sandbox, host: Host, alice: Visitor) -> None:
    """Until then the collector waits."""
    alice.apply("nginx")
    sandbox.faults.callback_lost(listed=True)
    decide(sandbox, "nginx", approved=True)
    assert callback_of(sandbox, "nginx") is CallbackOutcome.FAILED
    assert current(alice.page("nginx")) == "Waiting for approval"
    assert alice.post("/collectors/nginx/collect").status_code == 403

    host.reconcile()
    page = alice.page("nginx")
    assert (current(page), is_enabled(page)) == ("Approved", True)


def test_a_server_that_is_killed_forgets_nothing(sandbox: Sandbox, host: Host, alice: Visitor) -> None:
    """The decision that was made meanwhile arrives after the restart."""
    alice.apply("nginx")
    host.kill()
    decide(sandbox, "nginx", approved=True)
    host.start()
    assert callback_of(sandbox, "nginx") is CallbackOutcome.DELIVERED
    assert current(alice.until("nginx", is_enabled)) == "Approved"
    assert "collected 1 times" in alice.post("/collectors/nginx/collect").text
    assert len(sandbox.tickets()) == 1


def test_a_database_that_is_gone_for_a_while_loses_nothing(sandbox: Sandbox, host: Host, alice: Visitor) -> None:
    """Meanwhile the answer is 503 and nothing is sent; afterwards the host goes on without a restart."""
    alice.apply("nginx")
    with host.store.away():
        for answer in (alice.apply("sshd"), alice.get("/collectors/nginx"), alice.post("/collectors/nginx/collect")):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
            assert "Nothing was lost" in answer.text
        assert len(sandbox.tickets()) == 1
        decide(sandbox, "nginx", approved=True)
        assert callback_of(sandbox, "nginx") is CallbackOutcome.FAILED

    assert current(alice.page("nginx")) == "Waiting for approval"
    host.reconcile()
    page = alice.page("nginx")
    assert (current(page), is_enabled(page)) == ("Approved", True)
    assert current(alice.apply("sshd").text) == "Waiting for approval"
    assert len(sandbox.tickets()) == 2


def test_a_table_that_is_locked_delays_the_effect(sandbox: Sandbox, host: Host, alice: Visitor) -> None:
    """The approval is stored as soon as it can be, and the collector is enabled when its row can be written."""
    alice.apply("nginx")
    with host.table.locked():
        assert alice.get("/collectors/nginx").status_code == 503
        decide(sandbox, "nginx", approved=True)
        callback_of(sandbox, "nginx")

    page = alice.until("nginx", is_enabled, meanwhile=host.reconcile)
    assert current(page) == "Approved"
    assert len(sandbox.tickets()) == 1
