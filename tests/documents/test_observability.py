"""The dashboard and the alert rules name metrics that are exported, with the labels and the values that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]  # it has no types

from tests.support.exported import LABELS, series

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "observability"
SELECTOR = re.compile(r"(?<![\w:])(itsm_workflow_\w+)(?:\{([^}]*)\})?(?:\[([^\]]*)\])?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
OF_TARGETS = {"job", "instance"}
"""Labels that Prometheus adds."""


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    loaded: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    return loaded


def expressions() -> Iterator[tuple[str, str]]:
    """Yield each PromQL expression with its name."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def problems(expression: str) -> list[str]:
    """Return what does not fit the metrics that are exported."""
    found = []
    if any(expression.count(opening) != expression.count(closing) for opening, closing in ("()", "{}", "[]")):
        found.append("a bracket is missing")
    labels: set[str] = set(OF_TARGETS)
    for name, matchers, span in SELECTOR.findall(expression):
        known = series().get(name)
        if known is None:
            found.append(f"{name} is not exported")
            continue
        labels |= known
        for label, sign, wanted in MATCHER.findall(matchers):
            if label not in known:
                found.append(f"{name} has no label {label}")
            alternatives = wanted.split("|") if "~" in sign else [wanted]
            exact = [one for one in alternatives if re.fullmatch(r"[\w.]+", one)]
            found += [f"{label} is never {one}" for one in exact if one not in LABELS.get(label, {one})]
        if MATCHER.sub("", matchers).strip(" ,"):
            found.append(f"the matchers of {name} cannot be read: {matchers}")
        is_counter = name.endswith(("_total", "_bucket", "_count", "_sum"))
        if is_counter != bool(span):
            found.append(f"{name} needs {'a' if is_counter else 'no'} range")
    if not SELECTOR.search(expression):
        found.append("no metric is named")
    grouped = re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", expression)
    found += [f"no metric has {label}" for text in grouped for label in re.findall(r"\w+", text) if label not in labels]
    return found


@pytest.mark.parametrize(("name", "expression"), [*expressions()], ids=lambda text: text[:40])
def test_an_expression_names_what_is_exported(name: str, expression: str) -> None:
    """Else the panel is empty, and the rule never fires."""
    assert problems(expression) == [], name


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("itsm_workflow_change > 0", "itsm_workflow_change is not exported"),
        ('itsm_workflow_changes{subject="a"}', "itsm_workflow_changes has no label subject"),
        ('itsm_workflow_changes{state="waiting"}', "state is never waiting"),
        ('itsm_workflow_attention_changes{reason=~"overdue|late"}', "reason is never late"),
        ("sum by (reason) (itsm_workflow_changes)", "no metric has reason"),
        ("rate(itsm_workflow_entries_total)", "itsm_workflow_entries_total needs a range"),
        ("rate(itsm_workflow_changes[5m])", "itsm_workflow_changes needs no range"),
        ("max(itsm_workflow_changes", "a bracket is missing"),
        ("up == 0", "no metric is named"),
    ],
)
def test_an_expression_that_does_not_fit_is_noticed(expression: str, problem: str) -> None:
    """The test above can fail."""
    assert problem in problems(expression)


def test_every_metric_of_the_store_is_on_the_dashboard_or_in_a_rule() -> None:
    """An operator sees each of them."""
    shown = {name for _, expression in expressions() for name, *_ in SELECTOR.findall(expression)}
    assert set(series()) - shown <= {"itsm_workflow_gateway_call_seconds_sum"}


def test_there_is_a_rule_for_each_kind_of_trouble() -> None:
    """Each with a severity, a summary, and what to do."""
    found = {rule["alert"].removeprefix("ItsmWorkflow"): rule for rule in rules()}
    wanted = {"Stuck", "Attention", "EffectParked", "Contradiction", "CallbacksSilent", "NotReconciled"}
    assert wanted <= found.keys()
    assert {rule["labels"]["severity"] for rule in found.values()} <= {"info", "warning", "critical"}
    assert all(set(rule["annotations"]) == {"summary", "description"} for rule in found.values())


def test_an_annotation_names_labels_that_the_alert_has() -> None:
    """Prometheus shows an unknown label as an empty text."""
    for rule in rules():
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        assert used <= kept, rule["alert"]


def test_the_dashboard_is_one_that_grafana_can_import() -> None:
    """Its panels have numbers of their own, do not overlap, and take the data source that a user picks."""
    board = dashboard()
    panels = board["panels"]
    assert board["title"]
    assert board["schemaVersion"] >= 36
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (panel["gridPos"]["x"] + column, panel["gridPos"]["y"] + row)
        for panel in panels
        for column in range(panel["gridPos"]["w"])
        for row in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(column for column, _ in cells) < 24
    variables = {one["name"] for one in board["templating"]["list"]}
    text = json.dumps(board)
    used = set(re.findall(r"\$\{?([a-z]\w*)\}?", text))
    assert used == variables == {"datasource", "workflow"}
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
