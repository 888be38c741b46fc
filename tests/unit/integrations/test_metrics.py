"""Metrics: what is counted, what no label holds, and that the reference page lists what is exported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from itsm_workflow import Effect, State, Workflow
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.integrations import MetricsObserver, StoreCollector
from itsm_workflow.integrations.metrics import LIMIT, text_of
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.runtime import figures
from itsm_workflow.settle import Step
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.exported import LABELS, samples, series

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
FLOW = COLLECTOR_CHANGE.name


def lived(observer: MetricsObserver | None = None) -> tuple[Workflow, ChangeRequest]:
    """Return a workflow with one change that was approved after a callback, and whose effect failed."""

    def fail(_: object) -> None:
        raise ConnectionError("the database is down")

    desk = Desk()
    workflow = desk.workflow(
        effects={State.APPROVED: [Effect("start", fail)]}, observers=[desk.witness, *([observer] if observer else [])]
    )
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    heard = ev.CallbackHeard(sn=change.sn or "", digest="d", number=1)
    journal = workflow._journal
    journal.commit_one(journal.prepare(journal.load(change.id), [Step(Trigger.RECEIVE_CALLBACK, heard)], actor="x"))
    return workflow, workflow.settle(change.id)


def test_entries_are_counted_by_workflow_trigger_and_state() -> None:
    """As the history has them."""
    registry = CollectorRegistry()
    workflow, change = lived(MetricsObserver(registry))

    counted = {
        (labels["trigger"], labels["to"]): value
        for name, labels, value in samples(registry)
        if name == "itsm_workflow_entries_total" and labels["workflow"] == FLOW
    }
    history = [(entry.trigger, entry.dest) for entry in workflow.history(change.id)]
    assert counted == {one: history.count(one) for one in history}
    assert counted["receive_callback", "pending"] == 1
    assert counted["fail_effect", "approved"] == 1


def test_troubles_are_counted_by_code() -> None:
    """Whatever change they are about."""
    registry = CollectorRegistry()
    observer = MetricsObserver(registry)
    for change_id in ("one", "two", ""):
        observer.on_trouble(change_id, StorageUnavailable("the disk is full"))

    assert registry.get_sample_value("itsm_workflow_troubles_total", {"code": "storage.unavailable"}) == 3


def test_calls_are_measured_by_endpoint_and_outcome() -> None:
    """By the record that the client passes to its observers."""

    class Record:
        endpoint, outcome, seconds = "create_ticket", "gateway.timeout", 0.3

    registry = CollectorRegistry()
    record: Any = Record()
    MetricsObserver(registry).on_call(record)
    labels = {"endpoint": "create_ticket", "outcome": "gateway.timeout"}
    assert registry.get_sample_value("itsm_workflow_gateway_call_seconds_sum", labels) == 0.3
    assert registry.get_sample_value("itsm_workflow_gateway_call_seconds_bucket", {**labels, "le": "0.25"}) == 0
    assert registry.get_sample_value("itsm_workflow_gateway_call_seconds_bucket", {**labels, "le": "0.5"}) == 1


def test_the_store_is_read_when_the_metrics_are_asked_for() -> None:
    """And not when the collector is registered: a process may start while its store is away."""
    desk = Desk()
    workflow = desk.workflow()
    desk.store.close()
    registry = CollectorRegistry(auto_describe=True)
    registry.register(StoreCollector(workflow))

    with pytest.raises(StorageUnavailable):
        samples(registry)


def test_two_collectors_of_one_registry_are_refused() -> None:
    """They would export the same series twice."""
    workflow, _ = lived()
    registry = CollectorRegistry()
    registry.register(StoreCollector(workflow))
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(StoreCollector(workflow))


def test_the_figures_are_exported() -> None:
    """Each by its name, with zeros for the states and reasons that no change has."""
    workflow, change = lived()
    journal = workflow._journal
    raised = Step(Trigger.RAISE_ATTENTION, ev.Concern(reason=AttentionReason.DISAGREEMENT))
    journal.commit_one(journal.prepare(journal.load(change.id), [raised], actor="x"))
    workflow.draft(subject="another", **ASKED)
    registry = CollectorRegistry()
    registry.register(StoreCollector(workflow))
    read = workflow.figures()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"itsm_workflow_{name}", {"workflow": FLOW, **labels})

    assert [value("changes", state=state) for state in ("draft", "applying", "pending")] == [1, 0, 0]
    assert value("changes", state="approved") is None
    assert [value("attention_changes", reason=reason) for reason in ("disagreement", "overdue")] == [1, 0]
    assert [value("parked_effects"), value("contradictions"), value("capped_counts")] == [0, 0, 0]
    assert [value("ended_tickets", callback=which) for which in ("received", "missing")] == [1, 0]
    assert read.earliest_due
    assert read.last_callback
    assert value("earliest_due_timestamp_seconds") == read.earliest_due.timestamp()
    assert value("last_callback_timestamp_seconds") == read.last_callback.timestamp()
    assert value("oldest_entry_timestamp_seconds", state="draft") == read.oldest["draft"].timestamp()


def test_the_text_can_be_read_back() -> None:
    """By the parser that comes with the library, with the help and the type of each metric."""
    workflow, _ = lived()
    found = {family.name: family for family in text_string_to_metric_families(text_of(FLOW, workflow.figures()))}

    assert {family.type for family in found.values()} == {"gauge"}
    assert all(family.documentation.endswith(".") for family in found.values())
    assert {sample.name for family in found.values() for sample in family.samples} <= series().keys()


def test_no_label_has_a_value_of_unbounded_number() -> None:
    """Neither a subject nor an id, a person or a ticket's number, whichever metric it is."""
    registry = CollectorRegistry()
    workflow, change = lived(MetricsObserver(registry))
    registry.register(StoreCollector(workflow))

    found = samples(registry)
    assert len(found) >= 40
    values = {value for _, labels, _ in found for value in labels.values()}
    assert not values & {change.id, change.subject, change.sn, "alice", "carol", change.form.title}
    assert {name: set(labels) - {"le"} for name, labels, _ in found} == {
        name: series()[name] - {"le"} for name, _, _ in found
    }
    for _, labels, _ in found:
        for label, value in labels.items():
            assert label not in LABELS or value in LABELS[label]


def test_the_page_lists_the_metrics_and_their_labels() -> None:
    """All that is exported, and nothing else."""
    rows = re.findall(r"^\| `(itsm_workflow_\w+)` \| (.*?) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    histogram = "itsm_workflow_gateway_call_seconds"
    exported = {name: labels for name, labels in series().items() if not name.startswith(histogram)}
    assert listed == {**exported, histogram: {"endpoint", "outcome"}}


def test_the_page_has_the_numbers_of_what_is_read() -> None:
    """An operator plans with them."""
    text = PAGE.read_text(encoding="utf-8")
    windows = 1
    window = figures.WINDOW
    while window > figures.SHORTEST:
        window, windows = max(window / 2, figures.SHORTEST), windows + 1
    for words in (
        f"one query for each of the {len(AttentionReason)} reasons",
        f"{len(COLLECTOR_CHANGE.states) - len(COLLECTOR_CHANGE.final)} for the shipped workflow",
        f"at most {windows} queries of at most {figures.SAMPLE} rows",
        f"`limit` is {LIMIT:,} by default",
        f"during the last {figures.SHORTEST.total_seconds() / 60:.0f} minutes".replace("10", "ten"),
    ):
        assert words in text, words
    assert Workflow.figures.__kwdefaults__ == {"limit": LIMIT}


@pytest.mark.parametrize("wrong", [None, "sqlite:///x.db", Desk])
def test_what_is_no_workflow_is_refused(wrong: Any) -> None:  # noqa: ANN401
    """When the collector is made, not when Prometheus asks."""
    with pytest.raises(TypeError, match=r"StoreCollector\(records\) takes a Workflow"):
        StoreCollector(wrong)
