"""Traces: the spans of a change, in one process and across processes, and their links to its submission."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from itsm_workflow import ApplyArguments, Effect, State
from itsm_workflow.clock import to_micros
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.integrations import TracingObserver
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime.observers import Observers
from itsm_workflow.settle import Step
from tests.support.deferred import later
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.limits import PATIENCE
from tests.support.places import Witness

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from itsm_workflow import ChangeRequest, EffectCall, Workflow

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Process:
    """The tracing of one process, and the spans that it recorded."""

    def __init__(self, **options: Any) -> None:
        self.provider = TracerProvider(shutdown_on_exit=False, **options)
        self._exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("host")
        self.observer = TracingObserver(self.provider)

    def spans(self) -> dict[str, ReadableSpan]:
        """Return the finished spans by name, without the prefix; each name occurs once."""
        finished = self._exporter.get_finished_spans()
        found = {span.name.removeprefix("itsm_workflow "): span for span in finished}
        assert len(found) == len(finished)
        return found


def context(span: ReadableSpan) -> tuple[int, int]:
    """Return the trace and the span."""
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    """Return the traces and the spans to which a span is linked."""
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def stored(traceparent: str) -> tuple[tuple[int, int], bool]:
    """Return the trace and the span of a stored text, and whether they are sampled."""
    version, trace_id, span_id, flags = traceparent.split("-")
    assert version == "00"
    return (int(trace_id, 16), int(span_id, 16)), bool(int(flags, 16) & 1)


def hear(workflow: Workflow, change: ChangeRequest) -> None:
    """Store a callback."""
    heard = ev.CallbackHeard(sn=change.sn or "", digest="d", number=1)
    journal = workflow._journal
    journal.commit_one(journal.prepare(journal.load(change.id), [Step(Trigger.RECEIVE_CALLBACK, heard)], actor="x"))


def test_the_spans_of_a_filing_are_in_the_trace_of_the_request() -> None:
    """The current span is their parent, so they need no link; its context is stored with the change."""
    web, desk = Process(), Desk()
    with web.tracer.start_as_current_span("POST /apply"):
        change = desk.workflow(observers=[web.observer]).apply(subject=SUBJECT, **ASKED)

    spans = web.spans()
    request = spans.pop("POST /apply")
    assert [*spans] == ["draft", "submit", "mark_sending", "record_ticket"]
    assert {(span.parent and span.parent.span_id, *links(span)) for span in spans.values()} == {(context(request)[1],)}
    assert stored(change.expect_attempt().trace) == (context(request), True)


def test_what_happens_in_other_processes_is_linked_to_the_submission() -> None:
    """The callback, the settling and the effect, each in the trace of its own process."""
    web, server, worker, desk = Process(), Process(), Process(), Desk()

    def start(_: EffectCall) -> None:
        with worker.tracer.start_as_current_span("INSERT"):
            pass

    with web.tracer.start_as_current_span("POST /apply"):
        change = desk.workflow(observers=[web.observer]).apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    with server.tracer.start_as_current_span("POST /callback"):
        hear(desk.workflow(observers=[server.observer]), change)
    effects = {State.APPROVED: [Effect("start", worker.observer.traced(start))]}
    assert desk.workflow(observers=[worker.observer], effects=effects).settle(change.id).state == "approved"

    submitted = context(web.spans()["POST /apply"])
    callback = server.spans()["receive_callback"]
    assert links(callback) == [submitted]
    assert callback.parent is not None
    assert callback.parent.span_id == context(server.spans()["POST /callback"])[1]
    spans = worker.spans()
    assert [*spans] == ["approve", "start_effect", "INSERT", "effect start", "deliver_effect"]
    insert = spans.pop("INSERT")
    assert {name: links(span) for name, span in spans.items()} == {name: [submitted] for name in spans}
    assert {span.parent for span in spans.values()} == {None}
    assert insert.parent is not None
    assert insert.parent.span_id == context(spans["effect start"])[1]


@pytest.mark.long
def test_a_real_other_process_links_to_the_submission(tmp_path: Path) -> None:
    """Nothing but the store leads from one to the other."""
    program = """if True:
        import sys
        from itsm_workflow import Workflow
        from tests.support.desk import Desk
        from tests.unit.integrations.test_tracing import Process, links

        worker = Process()
        workflow = Desk().workflow(storage=sys.argv[1], observers=[worker.observer])
        [change] = workflow.find()
        workflow.withdraw(change.id, actor="alice")
        workflow.close()
        [(trace_id, span_id)] = links(worker.spans()["request_withdrawal"])
        print(f"{trace_id:032x}-{span_id:016x}")
    """
    url, web, desk = f"sqlite:///{tmp_path / 'changes.db'}", Process(), Desk()
    desk.faults.lose_answer("create", always=True)
    workflow = desk.workflow(storage=url, observers=[web.observer])
    with web.tracer.start_as_current_span("POST /apply"):
        workflow.apply(subject=SUBJECT, **ASKED)
    workflow.close()

    done = subprocess.run(
        [sys.executable, "-c", program, url], check=True, capture_output=True, text=True, timeout=PATIENCE
    )
    trace_id, span_id = context(web.spans()["POST /apply"])
    assert done.stdout.strip() == f"{trace_id:032x}-{span_id:016x}"


def test_a_submission_without_a_current_span_gets_one() -> None:
    """A job without tracing of its own is linked to, too."""
    job, other, desk = Process(), Process(), Desk()
    change = desk.workflow(observers=[job.observer, other.observer]).apply(subject=SUBJECT, **ASKED)
    submitted, _ = stored(change.expect_attempt().trace)
    assert [*job.spans()] == ["apply", "draft", "submit", "mark_sending", "record_ticket"]
    assert links(other.spans()["record_ticket"]) == [submitted]
    assert links(other.spans()["draft"]) == [submitted]  # in one commit with the submission
    assert context(job.spans()["apply"]) == submitted


def test_the_span_of_a_create_lasts_as_long_as_the_request() -> None:
    """From the mark that it is being sent to its result; any other span has no length."""
    web, desk = Process(), Desk()
    workflow = desk.workflow(observers=[web.observer])
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.faults.lose_answer("create")
    lost = Process()
    desk.workflow(observers=[lost.observer]).apply(subject="another", **ASKED)

    entries = {entry.trigger: entry for entry in workflow.history(change.id)}
    spans = web._exporter.get_finished_spans()
    by_name = {span.name: span for span in spans}
    created = by_name["itsm_workflow record_ticket"]
    assert created.start_time == _nanoseconds(entries["mark_sending"].at)
    assert created.end_time == _nanoseconds(entries["record_ticket"].at)
    assert by_name["itsm_workflow draft"].start_time == by_name["itsm_workflow draft"].end_time
    unknown = {span.name: span for span in lost._exporter.get_finished_spans()}["itsm_workflow mark_unknown"]
    assert unknown.start_time is not None
    assert unknown.end_time is not None
    assert unknown.start_time < unknown.end_time


def _nanoseconds(moment: dt.datetime) -> int:
    return to_micros(moment) * 1_000


def test_a_span_names_the_change_and_no_person() -> None:
    """Its attributes are the facts of the log line, without the actor and the form."""
    web, desk = Process(), Desk()
    with web.tracer.start_as_current_span("POST /apply"):
        change = desk.workflow(observers=[web.observer]).apply(subject=SUBJECT, **ASKED)

    span = web.spans()["record_ticket"]
    assert dict(span.attributes or {}) == {
        "itsm_workflow.workflow": change.workflow,
        "itsm_workflow.change_id": change.id,
        "itsm_workflow.sn": change.sn,
        "itsm_workflow.seq": 4,
        "itsm_workflow.trigger": "record_ticket",
        "itsm_workflow.from": "applying",
        "itsm_workflow.to": "pending",
    }


def test_an_effect_that_fails_is_an_error_in_its_span_and_in_the_trace() -> None:
    """The exception is recorded where it was raised, and the entry says that the delivery failed."""
    worker, desk = Process(), Desk()

    def fail(_: EffectCall) -> None:
        raise ConnectionError("the database is down")

    traced = worker.observer.traced(fail)
    assert traced.__name__ == "fail"
    workflow = desk.workflow(observers=[worker.observer], effects={State.APPROVED: [Effect("start", traced)]})
    with worker.tracer.start_as_current_span("job"):
        change = workflow.apply(subject=SUBJECT, **ASKED)
        desk.decide(change)
        workflow.settle(change.id)

    spans = worker.spans()
    assert spans["effect start"].status.status_code is StatusCode.ERROR
    assert [event.name for event in spans["effect start"].events] == ["exception"]
    assert spans["fail_effect"].status.status_code is StatusCode.ERROR
    assert spans["fail_effect"].status.description == "ConnectionError: the database is down"
    assert spans["approve"].status.status_code is StatusCode.UNSET


def test_a_trouble_is_an_event_of_the_current_span() -> None:
    """Without a span it is in the log only."""
    web = Process()
    web.observer.on_trouble("", StorageUnavailable("the disk is full"))
    with web.tracer.start_as_current_span("pass"):
        web.observer.on_trouble("C1", StorageUnavailable("the disk is full"))
        web.observer.on_trouble("", StorageUnavailable("the disk is full"))

    [span] = web.spans().values()
    told = [dict(event.attributes or {}) for event in span.events]
    assert [one["itsm_workflow.error_code"] for one in told] == ["storage.unavailable"] * 2
    assert [one.get("itsm_workflow.change_id") for one in told] == ["C1", None]
    assert told[0]["exception.message"] == "the disk is full"


def test_a_trace_that_is_not_sampled_is_stored_and_linked_all_the_same() -> None:
    """Another process may sample it."""
    web, worker, desk = Process(sampler=ALWAYS_OFF), Process(), Desk()
    with web.tracer.start_as_current_span("POST /apply"):
        change = desk.workflow(observers=[web.observer]).apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    desk.workflow(observers=[worker.observer]).settle(change.id)

    assert web.spans() == {}
    submitted, is_sampled = stored(change.expect_attempt().trace)
    assert not is_sampled
    assert links(worker.spans()["approve"]) == [submitted]


def test_a_change_without_a_stored_trace_has_no_link() -> None:
    """Such as one of a process without tracing."""
    worker, desk = Process(), Desk()
    change = desk.workflow().apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    desk.workflow(observers=[worker.observer]).settle(change.id)

    assert change.expect_attempt().trace == ""
    assert links(worker.spans()["approve"]) == []


def test_a_preview_records_nothing() -> None:
    """It submits nothing."""
    web, desk = Process(), Desk()
    desk.workflow(observers=[web.observer]).preview(subject=SUBJECT, **ASKED)
    assert web.spans() == {}


class Supplier(Witness):
    """An observer that returns a trace, or fails."""

    def __init__(self, trace: object) -> None:
        super().__init__()
        self._trace = trace

    def traceparent(self) -> Any:  # noqa: ANN401
        """Return the trace, or raise it."""
        if isinstance(self._trace, Exception):
            raise self._trace
        return self._trace


@pytest.mark.parametrize(
    "wrong",
    ["", "x", None, 7, TRACE.upper(), TRACE + "-x", f"00-{'0' * 32}-00f067aa0ba902b7-01", RuntimeError("no tracer")],
)
def test_what_is_no_trace_is_not_stored(wrong: object, caplog: pytest.LogCaptureFixture) -> None:
    """The next observer is asked; filing goes on without a trace if none has one, and an error is logged."""
    assert Observers([Supplier(wrong), Witness(), Supplier(TRACE)]).traceparent() == TRACE
    change = Desk().workflow(observers=[Supplier(wrong)]).apply(subject=SUBJECT, **ASKED)

    assert change.expect_attempt().trace == ""
    failed = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert failed == ["observer Supplier failed on traceparent"] * 2 * isinstance(wrong, Exception)


def test_any_observer_can_supply_the_trace() -> None:
    """A host without OpenTelemetry stores the header that it got."""
    desk = Desk()
    workflow = desk.workflow(observers=[Supplier(TRACE)])
    assert workflow.apply(subject=SUBJECT, **ASKED).expect_attempt().trace == TRACE
    workflow.apply_many([ApplyArguments(subject="another", title="接入", applicant="alice", approvers=("carol",))])
    newest = workflow.newest("another")
    assert newest is not None
    assert newest.expect_attempt().trace == TRACE


def test_a_function_whose_call_runs_nothing_is_not_traced() -> None:
    """The span around it would hide from the workflow that it is no effect."""
    with pytest.raises(TypeError, match=r"^traced\(run\) takes an ordinary function, not an async function"):
        TracingObserver().traced(later)
