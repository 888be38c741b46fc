"""An application in the host's transaction: with the host's rows or not at all, and sent after the commit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.test import Client

from itsm_workflow import Act, AlreadyApplied, BkItsmGateway, InvalidForm, NotPermitted, Secret, Settings, State
from itsm_workflow.integrations.django import DjangoWorkflow, get_workflow
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.django_host import itsm, shop
from tests.support.django_host.settings import FOLDER
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow import ApplyArguments


@pytest.fixture(scope="module", autouse=True)
def _tables() -> Iterator[None]:
    call_command("migrate", "itsm_workflow", verbosity=0, skip_checks=True)
    yield
    connections["default"].close()


@pytest.fixture
def hosted(desk: Desk) -> Iterator[Desk]:
    """A desk whose store is in the default database of the project, with the project's own rows."""
    itsm.chosen["storage"] = "django://default"
    shop.make_table()
    yield desk
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM itsm_workflow_change")
        cursor.execute("DELETE FROM itsm_workflow_entry")


def tickets(desk: Desk) -> int:
    """Return the number of tickets in the ticket system."""
    return len(list(desk.ledger.tickets()))


def reconcile(desk: Desk) -> None:
    """Make a pass, as another process does a while later."""
    desk.clock.advance(120)
    get_workflow().reconcile()


def test_a_transaction_that_django_does_not_end_is_refused(hosted: Desk) -> None:
    """Before anything is stored: Django calls nothing after its commit."""
    transaction.set_autocommit(False)
    try:
        with pytest.raises(RuntimeError, match=r"nothing was stored: .* transaction.atomic\(\)"):
            get_workflow().apply(subject=SUBJECT, send="on_commit", **ASKED)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert (get_workflow().newest(SUBJECT), tickets(hosted)) == (None, 0)


# ---------------------------------------------------------------- ATOMIC_REQUESTS


def test_a_request_that_commits_files_one_ticket_after_it(hosted: Desk) -> None:
    """Nothing is sent in the transaction."""
    sent_in_transaction: list[bool] = []
    hosted.faults.meanwhile("create", lambda: sent_in_transaction.append(connections["default"].in_atomic_block))
    answer = Client().get("/collectors/7/")

    assert (answer.status_code, answer.content) == (200, b"applying")
    assert (shop.rows(), tickets(hosted), sent_in_transaction) == ([7], 1, [False])
    change = get_workflow().newest("collector-7")
    assert change is not None
    assert change.state == State.PENDING


def test_a_request_that_fails_files_nothing(hosted: Desk) -> None:
    """Neither the host's row nor the change is left, and no later pass files a ticket."""
    with pytest.raises(RuntimeError, match="the view failed"):
        Client().get("/collectors/7/?fail")
    reconcile(hosted)
    assert (shop.rows(), tickets(hosted), get_workflow().newest("collector-7")) == ([], 0, None)
    assert hosted.witness.entries == []


@pytest.mark.parametrize(("moment", "count"), [pytest.param("before", 0, marks=pytest.mark.long), ("after", 1)])
def test_a_process_that_is_killed_files_exactly_what_was_committed(hosted: Desk, moment: str, count: int) -> None:
    """Before the commit nothing; after it, the next pass of another process sends the request, once."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.django_host.shop", moment],
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "TEST_DJANGO_FOLDER": FOLDER},
    )
    assert ended.returncode == -signal.SIGKILL
    assert (len(shop.rows()), tickets(hosted)) == (count, 0)
    reconcile(hosted)
    reconcile(hosted)
    assert tickets(hosted) == count
    assert [change.state for change in get_workflow().find()] == [State.PENDING] * count


# ---------------------------------------------------------------- in a transaction of the host


def test_without_a_transaction_the_request_is_sent_now(hosted: Desk) -> None:
    """As on a store elsewhere, and in a test of Django's."""
    assert get_workflow().apply(subject=SUBJECT, send="on_commit", **ASKED).state == State.PENDING
    assert tickets(hosted) == 1


def test_an_application_that_the_host_does_not_permit_leaves_the_transaction_usable(hosted: Desk) -> None:
    """The host is asked in its transaction, and its own rows are stored."""
    asked: list[tuple[str, bool]] = []

    def refuse(_: str, act: Act, __: object) -> bool:
        asked.append((act.subject, connections["default"].in_atomic_block))
        return act.subject != SUBJECT

    itsm.chosen["authorize"] = refuse
    with transaction.atomic():
        with pytest.raises(NotPermitted, match="'alice' may not apply"):
            get_workflow().apply(subject=SUBJECT, send="on_commit", **ASKED)
        shop.apply_for(8)
    assert (shop.rows(), tickets(hosted)) == ([8], 1)
    assert asked == [(SUBJECT, True), ("collector-8", True)]
    assert get_workflow().newest(SUBJECT) is None


def test_an_undone_part_of_a_transaction_files_nothing(hosted: Desk) -> None:
    """The host goes on after its savepoint."""
    with transaction.atomic():
        with pytest.raises(RuntimeError, match="no"), transaction.atomic():  # noqa: PT012 - undone
            shop.apply_for(7)
            raise RuntimeError("no")
        shop.apply_for(8)
    assert (shop.rows(), tickets(hosted)) == ([8], 1)


def test_a_second_application_leaves_the_transaction_usable(hosted: Desk) -> None:
    """Also if the other change is not seen before it is inserted: the unique constraint decides, in a savepoint."""
    get_workflow().apply(subject=SUBJECT, **ASKED)
    journal = get_workflow()._journal
    with transaction.atomic():
        with pytest.raises(AlreadyApplied):
            get_workflow().apply(subject=SUBJECT, send="on_commit", **ASKED)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal, "held", lambda _: "nothing")
            patch.setattr(journal._codec, "write", _holding(journal._codec.write, SUBJECT))
            with pytest.raises(AlreadyApplied):
                get_workflow().apply(subject=SUBJECT, send="on_commit", **ASKED)
        shop.apply_for(8)
    assert (shop.rows(), tickets(hosted)) == ([8], 2)


def _holding(write: Callable[..., Any], subject: str) -> Callable[..., Any]:
    def with_subject(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the codec
        return write(*args, **{**kwargs, "open_subject": f"{get_workflow().definition.name}:{subject}"})

    return with_subject


def test_a_draft_is_submitted_in_the_transaction(hosted: Desk) -> None:
    """As `apply` does it elsewhere."""
    draft = get_workflow().draft(subject=SUBJECT, **ASKED)
    with transaction.atomic():
        change = get_workflow().apply(subject=SUBJECT, send="on_commit", **ASKED)
    assert change.id == draft.id
    assert tickets(hosted) == 1


def test_observers_are_notified_after_the_commit(hosted: Desk) -> None:
    """An entry that is undone was never there."""
    with transaction.atomic():
        shop.apply_for(7)
        assert hosted.witness.entries == []
    assert hosted.witness.triggers()[:2] == ["draft", "submit"]


def test_a_request_that_cannot_be_sent_does_not_fail_the_host(hosted: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer has been decided; observers are notified, and the next pass sends it."""
    workflow = get_workflow()

    def fail(_: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr(workflow._filing, "send_queued", fail)
        assert Client().get("/collectors/7/").status_code == 200
    [(_, error)] = hosted.witness.troubles
    assert "OSError: no" in str(error)
    reconcile(hosted)
    assert tickets(hosted) == 1


def test_a_wrong_form_is_refused_before_anything_is_stored(hosted: Desk) -> None:
    """As by `apply` elsewhere."""
    with transaction.atomic(), pytest.raises(InvalidForm):
        get_workflow().apply(subject="", send="on_commit", **ASKED)
    assert list(get_workflow().find()) == []
    del hosted


def test_a_service_that_must_be_looked_up_is_refused(hosted: Desk) -> None:
    """The gateway would be asked while the host's locks are held; the message says what to set."""
    del hosted
    settings = Settings(
        app_code="a",
        app_secret=Secret("s"),
        gateway_url="http://127.0.0.1:9/",
        service_name="collection",
        callback_host="https://a.example.com",
        callback_keys=(Secret("k" * 32),),
    )
    gateway = BkItsmGateway(settings)
    workflow = DjangoWorkflow(storage="django://default", gateway=gateway, owned=[gateway])
    with transaction.atomic(), pytest.raises(RuntimeError, match="Set BKAPP_ITSM_SERVICE_ID to the service's number"):
        workflow.apply(subject=SUBJECT, title="t", applicant="alice", fields={"a": 1}, send="on_commit")
    assert list(workflow.find()) == []
    workflow.close()


def test_other_values_of_send_and_other_stores_are_refused(desk: Desk) -> None:
    """The message says what is needed."""
    del desk
    with pytest.raises(ValueError, match="takes 'now' or 'on_commit', not 'later'"):
        get_workflow().apply(subject=SUBJECT, send="later", **ASKED)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="set BKAPP_ITSM_STORE to django://"):
        get_workflow().apply(subject=SUBJECT, send="on_commit", **ASKED)


# ---------------------------------------------------------------- the other methods


MANY = cast("ApplyArguments", {"subject": "collector-9", **ASKED})
CALLS: dict[str, Callable[[DjangoWorkflow, str], object]] = {
    "apply": lambda workflow, _: workflow.apply(subject="collector-9", **ASKED),
    "apply_many": lambda workflow, _: list(
        workflow.apply_many([cast("ApplyArguments", {"subject": "collector-9", **ASKED})])
    ),
    "preview": lambda workflow, _: workflow.preview(subject="collector-9", **ASKED),
    "draft": lambda workflow, _: workflow.draft(subject="collector-9", **ASKED),
    "revise": lambda workflow, one: workflow.revise(one, **ASKED),
    "submit": lambda workflow, one: workflow.submit(one),
    "settle": lambda workflow, one: workflow.settle(one),
    "reconcile": lambda workflow, _: workflow.reconcile(),
    "withdraw": lambda workflow, one: workflow.withdraw(one, actor="a"),
    "accept_after_withdrawal": lambda workflow, one: workflow.accept_after_withdrawal(one, actor="a", reason="r"),
    "resend": lambda workflow, one: workflow.resend(one, actor="a"),
    "abandon": lambda workflow, one: workflow.abandon(one, actor="a"),
    "record_ticket": lambda workflow, one: workflow.record_ticket(one, sn="REQ1", actor="a"),
    "attest_approval": lambda workflow, one: workflow.attest_approval(
        one, ticket_id="1", approver="b", evidence="e", actor="a"
    ),
    "retry_effect": lambda workflow, one: workflow.retry_effect(one, "e", actor="a"),
    "clear_attention": lambda workflow, one: workflow.clear_attention(one, actor="a"),
    "fire": lambda workflow, one: workflow.fire(one, "t", None, actor="a"),
    "adopt": lambda workflow, _: workflow.adopt(subject="s", sn="REQ1", actor="a", reason="r"),
    "shadow": lambda workflow, _: workflow.shadow(subject="s", sn="REQ1"),
    "status": lambda workflow, one: workflow.status(one, live=True),
    "why": lambda workflow, one: workflow.why(one, live=True),
}
READS = {
    "get", "find", "find_page", "newest", "history", "allowed", "graph", "resolve", "other_workflows",
    "require_approved", "approval_required", "wait", "wait_async", "figures", "timeline", "sequence", "overview",
    "counts",
}  # fmt: skip


def test_every_method_either_only_reads_or_is_refused_in_a_transaction() -> None:
    """A new method of `Workflow` is put into one of the two."""
    names = {name for name in dir(DjangoWorkflow) if not name.startswith("_")}
    assert names == {*CALLS, *READS, "receive", "close", "definition", "effect"}


def test_a_method_that_writes_or_asks_is_refused_in_a_transaction(hosted: Desk) -> None:
    """The message says why, and what to do; nothing is stored or sent, and reading goes on."""
    workflow = get_workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    before, requests = workflow.history(change.id), sum(hosted.ledger.requests.values())
    for name, call in CALLS.items():
        with transaction.atomic():
            with pytest.raises(RuntimeError, match=rf"{name}.* was refused, and nothing was stored or sent: .*atomic"):
                call(workflow, change.id)
            assert workflow.get(change.id) == change
    assert workflow.history(change.id) == before
    assert sum(hosted.ledger.requests.values()) == requests
    assert workflow.status(change.id).state == State.PENDING


def test_a_callback_in_a_transaction_is_not_acknowledged(hosted: Desk) -> None:
    """It would be lost if the transaction is undone; the ticket system lists it."""
    from itsm_workflow.testing.ledger_gateway import as_request  # noqa: PLC0415 - only here

    change = get_workflow().apply(subject=SUBJECT, **ASKED)
    sent = as_request(hosted.decide(change))
    with transaction.atomic():
        assert get_workflow().receive(**sent).status == 503
    assert get_workflow().receive(**sent).status == 200
