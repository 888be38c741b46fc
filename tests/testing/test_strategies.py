"""The shipped strategies draw what can be stored, what is aimed at a change, and what a gateway was recorded to say."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - the annotations below are read by a strategy
import enum
import json
from collections.abc import Mapping  # noqa: TC003 - the same
from functools import partial
from operator import is_
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import Phase, given, settings
from hypothesis import find as find_smallest
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from itsm_workflow.callbacks.parse import digest_of
from itsm_workflow.change import Form  # noqa: TC001 - the annotations below are read by a strategy
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.approval_rule import ApprovalPolicy, Doubt, Verdict
from itsm_workflow.strict import canonical, strict_converter
from itsm_workflow.testing import strategies as its
from tests.support import workflows as zoo
from tests.support.examples import DRAFT, PENDING, SENDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.settle import Step

RECORDINGS = Path(__file__).parents[1] / "contract" / "recordings" / "bk_itsm_v2"


class Colour(enum.Enum):
    """A host's own words."""

    RED = "red"


@attrs.frozen(kw_only=True)
class Everything:
    """One field of each kind that a host's evidence may have."""

    flag: bool
    number: int
    text: str
    colour: Colour
    at: dt.datetime
    perhaps: str | None
    names: tuple[str, ...]
    values: Mapping[str, object]
    anything: object
    form: Form
    inner: zoo.Deployed
    sn: str


def draws(strategy: st.SearchStrategy[Any], wanted: Callable[[Any], bool]) -> bool:
    """Tell whether such a value is drawn before long."""
    quick = settings(max_examples=2000, database=None, derandomize=True, phases=[Phase.generate])
    try:
        find_smallest(strategy, wanted, settings=quick)
    except NoSuchExample:
        return False
    return True


def fired(definition: WorkflowDefinition, steps: list[Step]) -> its.Walk:
    """Return a walk after those steps that were not refused."""
    walk = its.Walk.begin(definition)
    for step in steps:
        walk.wait(130)
        try:
            walk.fire(step.trigger, step.evidence)
        except TransitionRefused:
            continue
    return walk


@given(its.evidence_of(Everything))
def test_evidence_of_a_hosts_own_class_is_made_of_its_annotations(brought: Everything) -> None:
    """And every instance comes back from a store."""
    converter = strict_converter()
    text = canonical(converter.unstructure(brought))
    assert converter.structure(json.loads(text), Everything) == brought


@pytest.mark.parametrize("kind", its.EVIDENCE, ids=lambda kind: kind.__name__)
def test_the_librarys_own_evidence_has_its_own_strategies(kind: type) -> None:
    """All that the shipped table wants, and the draft's."""
    assert its.evidence_of(kind) is its.EVIDENCE[kind]
    assert set(its.EVIDENCE) == {*COLLECTOR_CHANGE.evidence_types.values(), ev.Drafted}


def test_what_is_aimed_at_a_change_is_its_own_and_nearly_its_own() -> None:
    """A guard that forgets to compare is found by what is nearly right."""
    strategy = its.aimed(PENDING, ev.Snapshot)
    ours = ("7", "REQ7")
    assert draws(strategy, lambda one: (one.ticket_id, one.sn) == ours)
    assert draws(strategy, lambda one: one.ticket_id != "7" and one.sn == "REQ7")


@pytest.mark.long
def test_sequences_reach_every_state() -> None:
    """Those behind a host's own guard as well."""
    reached: set[str] = set()

    def all_are_reached(steps: list[Step]) -> bool:
        reached.update(entry.dest for entry in fired(zoo.DEPLOYMENT, steps).entries)
        return reached >= set(zoo.Stage)

    assert draws(its.trigger_sequences(zoo.DEPLOYMENT), all_are_reached), set(zoo.Stage) - reached


def test_some_steps_of_sequences_are_refused() -> None:
    """What is nearly right is what tests are made of."""
    steps = its.trigger_sequences(zoo.DEPLOYMENT)
    assert draws(steps, lambda drawn: len(fired(zoo.DEPLOYMENT, drawn).entries) < len(drawn))


@given(its.recorded_looks)
def test_recorded_looks_are_whole(look: ev.Snapshot) -> None:
    """Page and result agree, and the word is the status'."""
    assert look.status is look.result_status
    assert look.word == look.status.value.upper()


def test_recorded_looks_have_every_verdict_and_the_ticket_that_nobody_was_asked_about() -> None:
    """An author's rule of approval meets all of them."""
    judge = ApprovalPolicy().judge
    for verdict in Verdict:
        assert draws(its.recorded_looks.map(judge), partial(is_, verdict))
    assert draws(its.recorded_looks, lambda look: isinstance(judge(look), Doubt))


@given(its.callback_bodies)
def test_callback_bodies_are_such_as_were_recorded(body: dict[str, object]) -> None:
    """They have the fields of the recorded ones, and the receiver takes them."""
    recorded = json.loads((RECORDINGS / "callback.approved.json").read_text(encoding="utf-8"))["request"]["json"]
    assert set(recorded) >= set(body) >= set(recorded) - {"last_approver"}
    assert {name: type(value) for name, value in body.items()} == {name: type(recorded[name]) for name in body}
    assert digest_of(json.dumps(body).encode())


def test_every_fate_of_a_callback_is_drawn() -> None:
    """And without faults all are delivered."""
    for fate in its.Fate:
        assert draws(its.callbacks().map(lambda one: one.fate), partial(is_, fate))
    assert not draws(its.callbacks(faults=False), lambda one: one.fate is not its.Fate.DELIVERED)


@pytest.mark.parametrize("change", [DRAFT, SENDING, PENDING], ids=lambda change: change.state)
def test_something_that_leads_on_is_drawn(change: ChangeRequest) -> None:
    """From wherever a change of the shipped workflow stands."""

    def leads_on(step: Step) -> bool:
        walk = its.Walk(change, [])
        try:
            walk.fire(step.trigger, step.evidence)
        except TransitionRefused:
            return False
        return walk.change.state != change.state

    assert draws(its.steps_at(COLLECTOR_CHANGE, change, now=its.NOW), leads_on)


def test_faults_of_callbacks_are_on_or_off() -> None:
    """A text such as ``no`` is true."""
    with pytest.raises(TypeError, match=r"^callbacks\(faults=\.\.\.\) takes True or False, not 'no'$"):
        its.callbacks(faults="no")  # type: ignore[arg-type]  # the case
