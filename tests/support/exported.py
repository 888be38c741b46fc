"""The metrics that the library exports: their names, their labels, and the values of the labels."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from itsm_workflow.change import AttentionReason
from itsm_workflow.integrations import MetricsObserver, StoreCollector
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from tests.support.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Sequence

Sample = tuple[str, Mapping[str, str], float]

LABELS: Mapping[str, set[str]] = {
    "workflow": {COLLECTOR_CHANGE.name},
    "state": {state.value for state in COLLECTOR_CHANGE.states},
    "to": {state.value for state in COLLECTOR_CHANGE.states},
    "trigger": {"draft", *(trigger.value for trigger in Trigger)},
    "reason": {reason.value for reason in AttentionReason},
    "callback": {"received", "missing"},
}
"""By label: its possible values, for the shipped workflow."""


def samples(registry: CollectorRegistry) -> Sequence[Sample]:
    """Return what a registry exports, but for the times at which counters began."""
    return [
        (sample.name, sample.labels, sample.value)
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


@functools.cache
def series() -> Mapping[str, set[str]]:
    """Return the labels of every series that can be exported, by its name."""
    registry = CollectorRegistry()
    observer = MetricsObserver(registry)
    found = {f"{name}_total": set(labels) for name, labels in _declared(observer).items() if name != _HISTOGRAM}
    labels = set(_declared(observer)[_HISTOGRAM])
    found |= {f"{_HISTOGRAM}_bucket": {*labels, "le"}, f"{_HISTOGRAM}_sum": labels, f"{_HISTOGRAM}_count": labels}
    for family in StoreCollector(Desk().workflow()).describe():
        found[family.name] = set(getattr(family, "_labelnames", ()))
    return found


_HISTOGRAM = "itsm_workflow_gateway_call_seconds"


def _declared(observer: MetricsObserver) -> Mapping[str, Sequence[str]]:
    metrics = (observer._entries, observer._troubles, observer._calls)
    return {metric._name: metric._labelnames for metric in metrics}
