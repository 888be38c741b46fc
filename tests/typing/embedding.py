"""A host that embeds the library: effects and observers, its own form check, a view of Flask, and a background task."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, assert_type

from itsm_workflow import (
    Act,
    AlreadyApplied,
    ApplyArguments,
    AsyncWorkflow,
    Authorize,
    BkItsmGateway,
    ChangeRequest,
    CollectorForm,
    Effect,
    EffectCall,
    Entry,
    Form,
    InvalidForm,
    ItsmWorkflowError,
    NotApproved,
    NotPermitted,
    Outcome,
    Policy,
    Report,
    Settings,
    State,
    Status,
    Workflow,
    open_storage,
)
from itsm_workflow.callbacks import CallbackResponse, asgi_app, wsgi_app

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import WSGIApplication

    from itsm_workflow.form import Problem

logger = logging.getLogger(__name__)


def start_collection(call: EffectCall) -> None:
    """Start the work of an approved change; the id detects a repeated delivery."""
    logger.info("%s: delivery %d of %s for %s", call.id, call.attempt, call.name, call.change.subject)


def notify_applicant(call: EffectCall) -> str:
    """Do work whose result nothing uses."""
    return call.change.form.applicant


class Metrics:
    """An observer; it inherits from nothing."""

    def __init__(self) -> None:
        self.triggers: list[str] = []

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Count the trigger."""
        self.triggers.append(f"{change.id}: {entry.trigger}")

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Log the error."""
        logger.warning("%s: %s (%s)", change_id, error, error.code)


def title_is_short(form: Form) -> list[Problem]:
    """Check the form by a rule of the host."""
    return [("title", form.title, "must have at most 60 characters")] if len(form.title) > 60 else []


def may(actor: str, act: Act, change: ChangeRequest | None) -> bool:
    """Permit operators everything, and applicants their own changes."""
    own = change is None or change.form.applicant == actor
    return actor == "olga" or (own and act.name in {"apply", "withdraw"} and act.subject.startswith("collector-"))


def may_not(actor: str, act: Act, change: ChangeRequest | None) -> str:
    """Answer in words, which is a mistake."""
    return f"{actor} {act} {change}"


AUTHORIZE: Authorize = may


def build(*, url: str = "memory://") -> Workflow:
    """Build the workflow from variables whose types are inferred."""
    effects = {
        State.APPROVED: [Effect("start_collection", start_collection)],
        State.REJECTED: [Effect("notify_applicant", notify_applicant), Effect("log", print, aliases=("print",))],
    }
    observers = [Metrics()]
    return Workflow(
        storage=url,
        gateway=BkItsmGateway(Settings.from_env()),
        effects=effects,
        observers=observers,
        form_check=title_is_short,
        policy=Policy(),
        after_callback="background",
        authorize=may,
    )


def build_by_name(queue: list[str]) -> Workflow:
    """Build it with the states by name, and with a task queue."""
    by_name = {"approved": (Effect("start_collection", start_collection),)}
    return Workflow(
        storage=open_storage("sqlite:///itsm.db", busy_timeout=1.0),
        gateway=BkItsmGateway(Settings.from_env()),
        effects=by_name,
        after_callback=queue.append,
    )


def file(workflow: Workflow, form: CollectorForm) -> str:
    """File a change, and handle what may be refused."""
    fields = {"expect_host_size": 10, "approvers_note": None}
    try:
        change = workflow.apply(
            subject="collector-42", title="接入 nginx 日志", applicant="alice", approvers=["bob"], fields=fields
        )
    except InvalidForm as error:
        return "; ".join(f"{field}: {rule}" for field, _, rule in error.problems)
    except NotPermitted as error:
        return f"{error.actor} {error.act} {error.subject} {error.change_id}"
    except AlreadyApplied as error:
        return str(error.code)
    assert_type(change, ChangeRequest)
    assert_type(change.outcome, Outcome | None)
    assert_type(workflow.status(change.id), Status)
    assert_type(workflow.history(change.id), list[Entry])
    shown = workflow.preview(
        subject="collector-42",
        title=form.title("space", "nginx", dt.date(2026, 11, 25)),
        applicant="alice",
        form_check=title_is_short,
    )
    return change.sn or f"{workflow.why(change.id)} {sorted(shown)}"


def file_many(workflow: Workflow, names: list[str]) -> list[str]:
    """File a change for each name, and list what was refused."""
    requests: list[ApplyArguments] = [
        {"subject": name, "title": f"接入 {name}", "applicant": "alice", "form_check": title_is_short} for name in names
    ]
    results = workflow.apply_many(requests, progress=print)
    assert_type(results, list[ChangeRequest | ItsmWorkflowError])
    workflow.apply_many([{"subject": "collector-42", "title": "", "applicant": "alice"}])
    workflow.apply_many([{"subject": "collector-42", "titel": "", "applicant": "alice"}])  # type: ignore[typeddict-item] # pyright: ignore[reportArgumentType] # misspelt
    return [one.code for one in results if isinstance(one, ItsmWorkflowError)]


def move(workflow: Workflow, sn: str) -> bool:
    """Compare a ticket of another program with what it holds, and adopt it."""
    seen = workflow.shadow(subject="collector-42", sn=sn, results=True)
    assert_type(seen.change, ChangeRequest)
    adoption = workflow.adopt(subject="collector-42", sn=sn, actor="olive", reason=seen.why, dry_run=True)
    workflow.adopt(subject="collector-42", sn=sn, actor="olive")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] # the reason is missing
    return adoption.is_new and seen.is_decided


def gate(workflow: Workflow) -> int:
    """Run work only if it is approved: by a call, and by a decorator that keeps the signature."""

    def subject_of(collector: int, hosts: list[str]) -> str:
        return f"collector-{collector} on {hosts}"

    @workflow.approval_required(subject_of)
    def expand(collector: int, hosts: list[str]) -> int:
        return collector + len(hosts)

    try:
        workflow.require_approved("collector-42")
    except NotApproved as error:
        logger.info("%s", error)
    expand("42", [])  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # the number is a string
    return expand(42, ["10.0.0.1"])


class FlaskHeaders:
    """The headers of a request in Flask: pairs and look-up, but not a `Mapping`."""

    def items(self, lower: bool = False) -> Iterable[tuple[str, str]]:  # noqa: FBT001, FBT002 - as in Flask
        """Return the pairs; a name may occur several times."""
        return [("Content-Type".lower() if lower else "Content-Type", "application/json")]


def view(workflow: Workflow, headers: FlaskHeaders, body: bytes) -> tuple[bytes, int, dict[str, str]]:
    """Pass a request on, as a view of a framework does."""
    response = workflow.receive(method="POST", path="/itsm/callback/", headers=headers, body=body)
    assert_type(response, CallbackResponse)
    workflow.receive(method="POST", path="/", headers={"Host": "itsm.example.com"}, body=b"")
    workflow.receive(method="POST", path="/", headers=["Host"], body=b"")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # no pairs
    return response.body, response.status, dict(response.headers)


def mount(workflow: Workflow) -> tuple[WSGIApplication, object]:
    """Mount the route without a framework."""
    return wsgi_app(workflow.receive), asgi_app(workflow.receive, patience=2.0)


def run(workflow: Workflow) -> int:
    """Run the background task."""
    report = workflow.reconcile(limit=500, progress=print)
    assert_type(report, Report)
    for change in workflow.find(states=[State.PENDING, "applying"]):
        assert_type(change, ChangeRequest)
    workflow.close()
    return report.due


async def follow(workflow: Workflow) -> str:
    """Wait for the end of a change, in a task and in a thread."""
    try:
        assert_type(await workflow.wait_async("01KC", timeout=0.5), ChangeRequest)
        change = workflow.wait("01KC", timeout=None, poll=10)
    except TimeoutError as error:
        return str(error)
    return change.state


async def follow_in_tasks(workflow: Workflow) -> int:
    """Use the awaited twins."""
    async with AsyncWorkflow(workflow, threads=4) as changes:
        change = await changes.apply(subject="collector-42", title="接入 nginx 日志", applicant="alice")
        assert_type(change, ChangeRequest)
        assert_type(await changes.wait(change.id, timeout=0.5), ChangeRequest)
        assert_type(await changes.status(change.id, live=True), Status)
        assert_type(await changes.newest("collector-42"), ChangeRequest | None)
        assert_type(await changes.reconcile(limit=500, progress=print), Report)
        async for found in changes.find(states=[State.PENDING]):
            assert_type(found, ChangeRequest)

        def subject_of(number: int) -> str:
            return f"collector-{number}"

        @changes.approval_required(subject_of)
        async def expand(number: int) -> int:
            return number

        await changes.get(42)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # the id is a string
        await changes.apply(subject="", titel="", applicant="")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] # misspelt
        await expand("42")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # the number is a string
        return await expand(await changes.in_thread(len, [1]))


def mistakes(workflow: Workflow) -> None:
    """Make mistakes that a checker reports."""
    workflow.apply(subject="collector-42", titel="", applicant="alice")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] # misspelt
    Workflow(storage="memory://", gateway=BkItsmGateway(Settings.from_env()), authorize=may_not)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # returns text
    workflow.reconcile(limt=5)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] # misspelt
    Effect("start", "start_collection")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # a name, not a function
