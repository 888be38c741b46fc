"""OpenTelemetry: a span for each entry and each delivery of an effect, linked to the submission of its change.

::

    tracing = TracingObserver()
    workflow = Workflow(..., observers=[tracing], effects={State.APPROVED: [Effect("start", tracing.traced(start))]})

The trace of the request that submitted a change is stored with the change. So the spans of a callback, a pass or an
effect, days later and in another process, are linked to it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

try:
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as error:
    raise ImportError(
        f"{error}: install the packages that it needs with `pip install 'itsm-workflow[otel]'`"
    ) from error

from itsm_workflow.clock import to_micros
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.evidence import Channel, EffectResult, TicketConfirmed
from itsm_workflow.runtime.arguments import check_function

if TYPE_CHECKING:
    import datetime as dt

    from opentelemetry.trace import Link, TracerProvider
    from opentelemetry.util.types import AttributeValue

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.errors import ItsmWorkflowError
    from itsm_workflow.runtime.effects import EffectCall, EffectFunction

_PREFIX = "itsm_workflow"
_HEADER = "traceparent"
_propagator = TraceContextTextMapPropagator()


class TracingObserver:
    """An observer that records spans.

    A span is a child of the thread's current span if there is one, such as that of the request or the task, and is
    linked to the trace in which the change was submitted.

    Args:
        provider: The provider of the tracer, by default that of the process.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("itsm_workflow", tracer_provider=provider)

    def traceparent(self) -> str:
        """Return the ``traceparent`` of the current span, to be stored with a submission.

        Without a current span, one named ``itsm_workflow apply`` is recorded for the submission.
        """
        span = trace.get_current_span()
        if not span.get_span_context().is_valid:
            span = self._tracer.start_span(f"{_PREFIX} apply")
            span.end()
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, trace.set_span_in_context(span))
        return carrier.get(_HEADER, "")

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Record a span for an entry."""
        attributes = {
            **_about(change),
            f"{_PREFIX}.seq": entry.seq,
            f"{_PREFIX}.trigger": entry.trigger,
            f"{_PREFIX}.from": entry.source,
            f"{_PREFIX}.to": entry.dest,
        }
        if change.attention is not None:
            attributes[f"{_PREFIX}.attention"] = change.attention.reason.value
        span = self._tracer.start_span(
            f"{_PREFIX} {entry.trigger}",
            links=_links(change),
            attributes=attributes,
            start_time=_nanoseconds(_begin(change, entry)),
        )
        if isinstance(entry.evidence, EffectResult) and entry.evidence.error:
            span.set_status(trace.StatusCode.ERROR, entry.evidence.error)
        span.end(_nanoseconds(entry.at))

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Record an error in the current span, if there is one."""
        about = {f"{_PREFIX}.error_code": error.code, **({f"{_PREFIX}.change_id": change_id} if change_id else {})}
        trace.get_current_span().record_exception(error, attributes=about)

    def traced(self, run: EffectFunction) -> EffectFunction:
        """Return an effect's function that runs in a span of its own, so that spans in it are its children.

        Args:
            run: The function of the effect. An error that it raises is recorded in the span.

        Raises:
            TypeError: ``run`` is not a function, or is one whose call runs nothing, such as an async function.
        """
        check_function("traced(run)", run, "call")

        @functools.wraps(run)
        def in_span(call: EffectCall) -> object:
            attributes = {
                **_about(call.change),
                f"{_PREFIX}.effect": call.name,
                f"{_PREFIX}.effect_id": call.id,
                f"{_PREFIX}.effect_attempt": call.attempt,
            }
            name, links = f"{_PREFIX} effect {call.name}", _links(call.change)
            with self._tracer.start_as_current_span(name, links=links, attributes=attributes):
                return run(call)

        return cast("EffectFunction", in_span)


def _about(change: ChangeRequest) -> dict[str, AttributeValue]:
    sn = {f"{_PREFIX}.sn": change.sn} if change.sn else {}
    return {f"{_PREFIX}.workflow": change.workflow, f"{_PREFIX}.change_id": change.id, **sn}


def _links(change: ChangeRequest) -> list[Link]:
    """Return a link to the trace in which the change was submitted, unless the current span is of it."""
    if change.attempt is None or not change.attempt.trace:
        return []
    stored = trace.get_current_span(_propagator.extract({_HEADER: change.attempt.trace})).get_span_context()
    current = trace.get_current_span().get_span_context()
    if not stored.is_valid or (current.is_valid and current.trace_id == stored.trace_id):
        return []
    return [trace.Link(stored, {f"{_PREFIX}.link": "submission"})]


def _begin(change: ChangeRequest, entry: Entry) -> dt.datetime:
    """Return the time at which what an entry records began: for the result of a send, the time of the send."""
    attempt, evidence = change.attempt, entry.evidence
    is_answer = isinstance(evidence, TicketConfirmed) and evidence.channel is Channel.ANSWER
    if attempt is None or attempt.marked_at is None or not (is_answer or entry.trigger == Trigger.MARK_UNKNOWN):
        return entry.at
    return min(attempt.marked_at, entry.at)


def _nanoseconds(moment: dt.datetime) -> int:
    return to_micros(moment) * 1_000
