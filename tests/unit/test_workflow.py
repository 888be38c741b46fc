"""The door itself: opened and closed, with or without callbacks, and its reading half alone."""

from __future__ import annotations

import inspect
import re
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import Settings, State, Workflow
from itsm_workflow.errors import InvalidForm, StorageError, StorageUnavailable
from itsm_workflow.form import FormArguments
from itsm_workflow.runtime.records import Records
from itsm_workflow.sandbox import acting
from itsm_workflow.secrets import SecretURL
from itsm_workflow.testing import ManualClock
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.deferred import Later, later, steps, stream
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.places import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from itsm_workflow.change import Form
    from itsm_workflow.form import Problem
    from itsm_workflow.gateway.protocol import TicketGateway


def test_a_workflow_is_closed_at_the_end_of_its_block() -> None:
    """Looks in the background are over then. The store stays open, since its owner and other workflows may use it."""
    desk = Desk()
    with desk.workflow(after_callback="background") as workflow:
        change = workflow.apply(subject=SUBJECT, **ASKED)
        assert desk.gateway.hand_over(desk.decide(change), workflow.receive)

    assert desk.witness.triggers()[-1] == "approve"
    assert desk.workflow().require_approved(SUBJECT).id == change.id


@pytest.mark.parametrize("kind", [str, SecretURL])
def test_a_store_that_the_workflow_opened_is_closed_with_it(kind: Callable[[str], str | SecretURL]) -> None:
    """Once, however often the workflow is closed."""
    with Desk().workflow(storage=kind("memory://")) as workflow:
        change = workflow.apply(subject=SUBJECT, **ASKED)
        assert workflow.get(change.id) == change

    workflow.close()
    with pytest.raises(StorageUnavailable):
        workflow.get(change.id)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("storage", MemoryBackend),
        ("gateway", LedgerGateway),
        ("settings", Settings),
        ("clock", ManualClock),
        ("observers", [Witness]),
    ],
)
def test_a_class_in_place_of_its_object_is_refused(name: str, value: object) -> None:
    """It has the names of the methods, but each call would fail; nobody waits for the result of an observer's."""
    given: dict[str, Any] = {"storage": "memory://", "gateway": Desk().gateway, name: value}
    with pytest.raises(TypeError, match=rf"^Workflow\({name}=\.\.\.\) takes "):
        Workflow(**given)


class Watching(Witness):
    """An observer whose method returns a coroutine."""

    def __init__(self, method: str) -> None:
        super().__init__()
        setattr(self, method, later)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"after_callback": later}, "after_callback=...) takes an ordinary function, not an async function, whose "),
        ({"after_callback": steps}, "after_callback=...) takes an ordinary function, not a generator function, whose "),
        ({"authorize": Later()}, "authorize=...) takes an ordinary function, not an async function, whose "),
        ({"form_check": later}, "form_check=...) takes an ordinary function, not an async function, whose "),
        ({"form_check": stream}, "form_check=...) takes an ordinary function, not an async generator function, "),
        *(
            (
                {"observers": [Watching(name)]},
                f"observers=...): {name} of a Watching takes an ordinary function, not an ",
            )
            for name in ("on_entry", "on_trouble", "traceparent")
        ),
    ],
)
def test_a_function_whose_call_runs_nothing_is_refused(given: dict[str, Any], told: str) -> None:
    """What it returns is true, and nobody waits for it."""
    with pytest.raises(TypeError, match=rf"^Workflow\({re.escape(told)}"):
        Desk().workflow(**given)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("form_check", "(form)"),
        ("after_callback", "(change_id)"),
        ("authorize", "(actor, act, change)"),
        ("on_entry", "(change, entry)"),
        ("on_trouble", "(change_id, error)"),
        ("traceparent", "()"),
    ],
)
def test_a_function_that_does_not_take_its_arguments_is_refused(name: str, called: str) -> None:
    """Its first call, perhaps days after the start, would fail."""

    def unfit(_a: object, _b: object, _c: object, _d: object) -> None:
        raise AssertionError("is not called")

    method = f"Workflow\\(observers=\\.\\.\\.\\): {name} of a Witness"
    if name in {"form_check", "after_callback", "authorize"}:
        given: dict[str, Any] = {name: unfit}
        method = f"Workflow\\({name}=\\.\\.\\.\\)"
    else:
        observer = Witness()
        setattr(observer, name, unfit)
        given = {"observers": [observer]}
    words = (
        f"^{method}: the function is called with {re.escape(called)}, which it does not take: missing a required arg"
    )
    with pytest.raises(TypeError, match=words):
        Desk().workflow(**given)


def test_a_check_of_forms_may_yield_its_problems() -> None:
    """They are read."""

    def check(_form: Form) -> Iterator[Problem]:
        yield ("title", "x", "is not allowed")

    of_one: dict[str, Any] = {"form_check": check}
    for workflow, given in ((Desk().workflow(form_check=check), {}), (Desk().workflow(), of_one)):
        with pytest.raises(InvalidForm, match="is not allowed"):
            workflow.apply(subject=SUBJECT, **ASKED, **given)


def test_a_workflow_that_cannot_be_made_opens_no_store(tmp_path: Path) -> None:
    """No file is made that nothing would close."""

    def fail(_number: int) -> bytes:
        raise OSError("no entropy")

    with pytest.raises(OSError, match="no entropy"):
        Desk().workflow(storage=f"sqlite:///{tmp_path / 'changes.db'}", entropy=fail)
    assert list(tmp_path.iterdir()) == []


def test_the_password_in_a_url_is_not_in_a_traceback() -> None:
    """A page of errors may show the variables of each frame."""
    url = "nosuch://shop:" + "canary" + "@db.example.com/changes"
    with pytest.raises(StorageError, match="no storage backend is installed for nosuch://") as caught:
        Desk().workflow(storage=url)

    frames = [frame for frame, _ in traceback.walk_tb(caught.tb) if "/itsm_workflow/" in frame.f_code.co_filename]
    assert "__init__" in [frame.f_code.co_name for frame in frames]
    assert [frame.f_code.co_name for frame in frames if "canary" in repr(frame.f_locals)] == []


FORMS: dict[str, Callable[..., object]] = {
    "apply": Workflow.apply,
    "preview": Workflow.preview,
    "draft": Workflow.draft,
    "revise": Workflow.revise,
}


@pytest.mark.parametrize("name", FORMS)
def test_each_part_of_a_form_is_a_parameter(name: str) -> None:
    """`help` lists them, and an unknown name is an error that quotes it."""
    parameters = inspect.signature(FORMS[name]).parameters
    assert set(parameters) >= set(FormArguments.__annotations__)
    assert [one for one in parameters.values() if one.kind is inspect.Parameter.VAR_KEYWORD] == []

    given = {"change_id": "C1"} if name == "revise" else {"subject": SUBJECT}
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'bk_username'"):
        FORMS[name](Desk().workflow(), **given, **ASKED, bk_username="alice")


@pytest.mark.parametrize("name", FORMS)
def test_a_part_that_is_left_out_is_reported_with_the_other_problems(name: str) -> None:
    """The host's developer sees all of them after one call."""
    workflow = Desk().workflow()
    given: dict[str, Any] = {"change_id": workflow.draft(subject=SUBJECT, **ASKED).id}
    expected = ["title", "applicant", "approvers[1]"]
    if name != "revise":
        given, expected = {"subject": ""}, ["subject", *expected]
    with pytest.raises(InvalidForm) as caught:
        FORMS[name](workflow, **given, approvers=["carol", ""])

    assert [field for field, _, _ in caught.value.problems] == expected


@pytest.mark.parametrize("name", ["apply", "preview"])
def test_a_check_of_one_form_must_be_a_function(name: str) -> None:
    """It is refused before anything is checked or stored."""
    with pytest.raises(TypeError, match=r"^form_check takes a function, not 'CollectorForm\.check'"):
        FORMS[name](Desk().workflow(), subject=SUBJECT, **ASKED, form_check="CollectorForm.check")


@pytest.mark.parametrize(
    "returned",
    [None, True, False, "too long", [None], ["too long"], [("title", "too long")], [("title", 5, "too long")]],
    ids=repr,
)
@pytest.mark.parametrize("name", ["apply", "preview"])
def test_a_form_check_that_returns_anything_but_problems_is_named(name: str, returned: Any) -> None:  # noqa: ANN401 - of any type
    """None is what a function returns that forgets to return: it is not taken for a form without problems."""
    of_all, of_one = Desk().workflow(form_check=lambda _: returned), Desk().workflow()
    calls: list[tuple[Workflow, dict[str, Any]]] = [(of_all, {}), (of_one, {"form_check": lambda _: returned})]
    for workflow, given in calls:
        with pytest.raises(
            TypeError, match=r"^form_check returned .*: it must return a list of \(field, value, rule\)"
        ):
            FORMS[name](workflow, subject=SUBJECT, **ASKED, **given)
        assert list(workflow.find()) == []


class Foreign:
    """A gateway of another system: it was made from other settings than ours."""

    def __init__(self, inner: TicketGateway) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the port has
        if name == "settings":
            raise AttributeError(name)
        return getattr(self._inner, name)


def test_a_gateway_without_settings_files_without_callbacks() -> None:
    """What was decided is found out by looking."""
    desk = Desk()
    workflow = desk.workflow(gateway=Foreign(desk.gateway))
    change = workflow.apply(subject=SUBJECT, **ASKED)

    ticket = desk.ledger.by_id(int(change.expect_ticket().id))
    assert ticket.callback_url == ""
    assert len(change.expect_attempt().key) == 26
    desk.clock.advance(1)
    desk.gateway.run_due()
    acting.decide(desk.ledger, ticket, "carol", approved=True, remark="")
    assert desk.pass_time() == []
    assert workflow.settle(change.id).state == State.APPROVED


def test_changes_can_be_read_without_a_gateway() -> None:
    """A page or a report needs the store only; it shows what is stored."""
    desk = Desk()
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    records = Records(workflow._journal)
    desk.faults.calls.clear()

    shown = records.status(change.id)
    assert (shown.state, shown.sn, shown.iframe_ticket_url) == ("pending", change.sn, None)
    assert (records.get(change.id), records.resolve(SUBJECT)) == (change, change)
    assert (records.why(change.id), records.allowed(change.id)) == (
        workflow.why(change.id),
        workflow.allowed(change.id),
    )
    assert desk.faults.calls == []


def test_a_subject_that_is_a_member_of_an_enum_is_kept_as_its_text() -> None:
    """It is a text; the store keeps no class of the host's, and gives the change back."""
    workflow = Desk().workflow()
    change = workflow.apply(subject=State.DRAFT, **ASKED)

    assert (type(change.subject), workflow.get(change.id)) == (str, change)
    assert [one.id for one in workflow.find(subject="draft")] == [change.id]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"storage": 7}, r"^Workflow\(storage=...\) takes the URL of a store, such as sqlite:///itsm.db, or an open"),
        ({"gateway": "http://itsm"}, r"^Workflow\(gateway=...\) takes a TicketGateway"),
        ({"definition": "collector_change"}, r"^Workflow\(definition=...\) takes a WorkflowDefinition, not a str$"),
        ({"policy": 30}, r"^Workflow\(policy=...\) takes a Policy, not an int$"),
        ({"policy": {}}, r"^Workflow\(policy=...\) takes a Policy, not a dict$"),
        ({"effects": []}, r"^Workflow\(effects=...\) takes lists of Effect by state, as a dictionary, not a list$"),
        ({"settings": {}}, r"^Workflow\(settings=...\) takes Settings, such as Settings.from_env\(\), not a dict$"),
        ({"callbacks": "no"}, r"^Workflow\(callbacks=...\) takes True or False, not a str$"),
        (
            {"after_callback": "never"},
            r"^Workflow\(after_callback=...\) takes background, inline, later or a function, not 'never'$",
        ),
        (
            {"observers": ""},
            r"^Workflow\(observers=...\) takes a list of objects .*, not a str$",
        ),
        (
            {"observers": print},
            r"^Workflow\(observers=...\) takes a list of objects .*, not a builtin_function",
        ),
        ({"observers": [print]}, r"^Workflow\(observers=...\) takes a list of objects with on_entry and on_trouble$"),
        (
            {"authorize": True},
            r"^Workflow\(authorize=...\) takes a function of the actor, the act and .*, not a bool$",
        ),
        ({"clock": 3}, r"^Workflow\(clock=...\) takes a Clock, not an int$"),
        (
            {"entropy": b"x"},
            r"^Workflow\(entropy=...\) takes a function of a number of bytes, .*, not a bytes$",
        ),
    ],
)
def test_a_part_that_is_none_is_named(wrong: dict[str, Any], told: str) -> None:
    """When the workflow is opened, not when the part is used."""
    desk = Desk()
    with pytest.raises(TypeError, match=told):
        Workflow(**{"storage": desk.store, "gateway": desk.gateway, **wrong})


class Named:
    """A gateway of any name."""

    def __init__(self, name: object) -> None:
        self.name = name

    def create(self) -> None:
        """Stand for all that a gateway does."""


@pytest.mark.parametrize("name", ["a:b", "", "a b", "名", "\ud800", "a" * 65, "a\n", 7, None])
def test_a_gateway_whose_name_could_not_be_read_again_is_refused(name: object) -> None:
    """A ticket is known by its gateway's name and its id, with a colon between."""
    told = r"^Workflow\(gateway=...\) takes a TicketGateway whose name is 1 to 64 of the letters A to Z"
    with pytest.raises(TypeError, match=told):
        Desk().workflow(gateway=Named(name))


@pytest.mark.parametrize("name", ["bk_itsm", "a", "my-itsm.v2", "A" * 64])
def test_a_gateway_may_have_any_plain_name(name: str) -> None:
    """Its tickets are read again."""
    desk = Desk()
    desk.gateway.name = name
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    assert workflow.get(change.id).expect_ticket().gateway == name
