"""Prometheus: counters of what a process does, and figures of the store that are read when Prometheus asks.

::

    workflow = Workflow(..., observers=[MetricsObserver()])
    prometheus_client.REGISTRY.register(StoreCollector(workflow))

No label has a value of unbounded number: a subject, an id or a ticket's number is never one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImportError(
        f"{error}: install the packages that it needs with `pip install 'itsm-workflow[metrics]'`"
    ) from error

from itsm_workflow.runtime.arguments import check_whole
from itsm_workflow.runtime.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from itsm_workflow.bkapi.call_log import CallRecord
    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.errors import ItsmWorkflowError
    from itsm_workflow.runtime.figures import Figures

LIMIT = 10_000
"""The default maximum number of changes that are counted in each state, and for each reason."""

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class MetricsObserver:
    """An observer that counts entries and errors of this process, and the calls of its gateway.

    A process has one of them for all of its workflows.

    Args:
        registry: The registry of the metrics, by default that of the process.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._entries = Counter(
            "itsm_workflow_entries",
            "Entries that this process stored.",
            ("workflow", "trigger", "to"),
            registry=registry,
        )
        self._troubles = Counter(
            "itsm_workflow_troubles",
            "Errors that were not raised to a caller, by the code of the error.",
            ("code",),
            registry=registry,
        )
        self._calls = Histogram(
            "itsm_workflow_gateway_call_seconds",
            "Durations of calls of the gateway's endpoints, retries included.",
            ("endpoint", "outcome"),
            registry=registry,
            buckets=_SECONDS,
        )

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Count an entry."""
        self._entries.labels(change.workflow, entry.trigger, entry.dest).inc()

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:  # noqa: ARG002 - an id is not a label
        """Count an error."""
        self._troubles.labels(error.code).inc()

    def on_call(self, record: CallRecord) -> None:
        """Measure a call of the gateway; pass this method to ``ApiClient(observers=...)``."""
        self._calls.labels(record.endpoint, record.outcome).observe(record.seconds)


class StoreCollector(Collector):
    """A collector that reads the figures of a store each time the metrics are asked for, see `Figures`.

    It reads what all processes stored, so one process of a host registers it, or the command ``metrics`` runs instead.

    Args:
        records: The workflow.
        limit: The maximum number of changes to count in each state that is not final, and for each reason.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: The limit is below 1.
    """

    def __init__(self, records: Records, *, limit: int = LIMIT) -> None:
        if not isinstance(records, Records):
            raise TypeError("StoreCollector(records) takes a Workflow")
        check_whole("StoreCollector(limit=...)", limit, least=1)
        self._records = records
        self._limit = limit

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without values, so that registering the collector reads no store."""
        return [_family(name) for name in _HELP]

    def collect(self) -> Iterator[Metric]:
        """Read the store, and yield the metrics.

        Raises:
            StorageError: The store failed.
        """
        yield from _metrics(self._records.definition.name, self._records.figures(limit=self._limit))


def text_of(workflow: str, figures: Figures) -> str:
    """Return figures in the text format of Prometheus.

    Args:
        workflow: The name of the workflow.
        figures: Its figures.
    """
    registry = CollectorRegistry()
    registry.register(_Read(workflow, figures))
    return generate_latest(registry).decode("utf-8")


class _Read(Collector):
    def __init__(self, workflow: str, figures: Figures) -> None:
        self._workflow = workflow
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield from _metrics(self._workflow, self._figures)


_HELP: Mapping[str, tuple[str, str]] = {
    "changes": ("Changes in a state that is not final.", "state"),
    "oldest_entry_timestamp_seconds": ("Last entry of the change that has rested in the state longest.", "state"),
    "attention_changes": ("Changes that a person should look at.", "reason"),
    "parked_effects": ("Parked effects of changes with attention.", ""),
    "contradictions": ("Facts that contradicted the state of a change with attention.", ""),
    "earliest_due_timestamp_seconds": ("Earliest due time of a change.", ""),
    "last_callback_timestamp_seconds": ("Last callback of the changes that moved during the last day.", ""),
    "ended_tickets": (
        "Tickets of a sample that ended during the last day, by callback.",
        "callback",
    ),
    "missed_callbacks_in_a_row": ("Tickets that ended without a callback after the last callback.", ""),
    "unreadable_changes": ("Changes that could not be read for these figures.", ""),
    "capped_counts": ("Counts that reached the limit, so that there are more changes.", ""),
    "figures_timestamp_seconds": ("Time of these figures.", ""),
}
"""By the end of a metric's name: its help, and its label beside ``workflow``, if it has one."""


def _family(name: str) -> GaugeMetricFamily:
    words, label = _HELP[name]
    return GaugeMetricFamily(f"itsm_workflow_{name}", words, labels=["workflow", label] if label else ["workflow"])


def _metrics(workflow: str, figures: Figures) -> Iterator[Metric]:
    times = {
        "earliest_due_timestamp_seconds": figures.earliest_due,
        "last_callback_timestamp_seconds": figures.last_callback,
        "figures_timestamp_seconds": figures.at,
    }
    labelled: dict[str, Mapping[str, float]] = {
        "changes": figures.states,
        "oldest_entry_timestamp_seconds": {state: at.timestamp() for state, at in figures.oldest.items()},
        "attention_changes": figures.attention,
        "ended_tickets": {"received": figures.called_back, "missing": figures.not_called_back},
    }
    single = {
        "parked_effects": figures.parked,
        "contradictions": figures.contradictions,
        "missed_callbacks_in_a_row": figures.missed_in_a_row,
        "unreadable_changes": figures.unreadable,
        "capped_counts": len(figures.capped),
        **{name: at.timestamp() for name, at in times.items() if at is not None},
    }
    for name in _HELP:
        family = _family(name)
        for label, value in labelled.get(name, {}).items():
            family.add_metric([workflow, label], value)
        if name in single:
            family.add_metric([workflow], single[name])
        yield family
