"""The tree of errors: facts as attributes, stable codes, safe in a task queue."""

from __future__ import annotations

import copy
import pickle
import re
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from itsm_workflow import errors
from itsm_workflow.errors import (
    AlreadyApplied,
    AmbiguousChange,
    ChangeNotFound,
    GatewayError,
    GatewayRefused,
    GatewayTimeout,
    InvalidForm,
    ItsmWorkflowError,
    NotApproved,
    NotPermitted,
    StorageConflict,
    TransitionRefused,
)
from itsm_workflow.machine.approval import State, Trigger
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ErrorT = TypeVar("ErrorT", bound=Exception)


def tree(kind: type[ItsmWorkflowError]) -> Iterator[type[ItsmWorkflowError]]:
    """Yield the class and all below it that are defined in the module, depth first in the order of definition."""
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below)


EVERY = list(tree(ItsmWorkflowError))


def pickled(error: ErrorT) -> ErrorT:
    """Return the error as another process gets it."""
    found: ErrorT = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    return found


FACTS: dict[type[ItsmWorkflowError], Any] = {
    InvalidForm: lambda: InvalidForm([("title", "''", "must not be empty"), ("fields.n", "nan", "has no JSON form")]),
    TransitionRefused: lambda: TransitionRefused(
        state="draft", trigger="approve", reason="it leads nowhere", allowed=["revise", "submit"]
    ),
    AlreadyApplied: lambda: AlreadyApplied(subject="collector-1", change_id="C1"),
    NotPermitted: lambda: NotPermitted(actor="bob", act="withdraw", subject="collector-1", change_id="C1"),
    NotApproved: lambda: NotApproved(subject="collector-1", state="pending", why="it waits for bob"),
    ChangeNotFound: lambda: ChangeNotFound(name="C9"),
    AmbiguousChange: lambda: AmbiguousChange(name="REQ7", candidates=["C1", "C2"]),
    StorageConflict: lambda: StorageConflict(change_id="C1", kind="version"),
}


def example(kind: type[ItsmWorkflowError]) -> ItsmWorkflowError:
    """Return an error of the class, with facts."""
    if kind in FACTS:
        made: ItsmWorkflowError = FACTS[kind]()
        return made
    if issubclass(kind, GatewayError):
        return kind("it went wrong", endpoint="create_ticket", request_id="r1", remote_code=3900003, status=200)
    return kind("it went wrong", what="this")


def drawn(kind: type[ItsmWorkflowError], indent: str = "") -> Iterator[str]:
    """Yield the lines of a drawing of what is below a class."""
    below = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    for one in below:
        last = one is below[-1]
        yield f"{indent}{'└' if last else '├'}── {one.__name__}"
        yield from drawn(one, indent + ("    " if last else "│   "))


def test_the_tree_is_as_it_is_drawn() -> None:
    """With the same branches in the same order."""
    lines = (errors.__doc__ or "").split("::\n\n")[1].split("\n\n")[0].splitlines()
    found = [re.match(r"    (\W*\w+)", line) for line in lines]

    assert ["ItsmWorkflowError", *drawn(ItsmWorkflowError)] == [one[1] for one in found if one]


def test_the_platforms_codes_are_those_that_are_drawn() -> None:
    """A host that spoke to the log platform goes on to understand them."""
    told = dict(re.findall(r"(\w+)  .*\((\d{3})\)$", errors.__doc__ or "", re.MULTILINE))

    assert told == {one.__name__: str(one.platform_code) for one in EVERY if one.platform_code}
    assert told == {
        "AlreadyApplied": "502",
        "NotApproved": "504",
        "ServiceNotFound": "503",
        "CallbackTokenInvalid": "501",
    }


def test_every_error_has_a_code_of_its_own() -> None:
    """Dotted, lower case, so that logs and clients can go by it."""
    codes = [one.code for one in EVERY]

    assert len(set(codes)) == len(codes)
    assert [code for code in codes if not re.fullmatch(r"[a-z_]+\.[a-z_]+", code)] == []


@pytest.mark.parametrize("kind", EVERY, ids=lambda one: one.__name__)
@pytest.mark.parametrize("ship", [copy.copy, copy.deepcopy, pickled], ids=["copy", "deep", "pickle"])
def test_every_error_survives_shipping(kind: type[ItsmWorkflowError], ship: Callable[[object], object]) -> None:
    """A task queue hands on the same class, message and facts."""
    error = example(kind)
    error.add_note("seen by the worker")
    found = ship(error)

    assert type(found) is kind
    assert (str(found), found.args, vars(found)) == (str(error), error.args, vars(error))
    assert len(vars(error)) > 1


class CollectorGone(ItsmWorkflowError):
    """A host's own error, with a constructor of its own."""

    collector: int

    def __init__(self, collector: int) -> None:
        super().__init__(f"collector {collector} is gone", collector=collector)


def test_an_error_of_a_host_survives_pickling() -> None:
    """Though its constructor takes no message."""
    found = pickled(CollectorGone(42))

    assert (type(found), str(found), found.collector) == (CollectorGone, "collector 42 is gone", 42)


def test_a_wrong_form_names_every_field_with_value_and_rule() -> None:
    """In the message and as facts; also if the problems come from a generator."""
    problems = [("title", "''", "must not be empty"), ("fields.n", "nan", "has no JSON form")]
    error = InvalidForm(iter(problems))

    assert str(error) == (
        "the arguments were refused, nothing was stored or sent: "
        "title='': must not be empty; fields.n=nan: has no JSON form"
    )
    assert error.problems == tuple(problems)


def test_a_refused_trigger_names_state_reason_and_what_is_allowed() -> None:
    """All as plain texts, whatever enums they were."""
    error = TransitionRefused(
        state=State.PENDING,
        trigger=Trigger.SUBMIT,
        reason="it leads nowhere",
        allowed=[Trigger.APPROVE, Trigger.REJECT],
    )

    assert str(error) == "submit was refused in state pending: it leads nowhere; allowed now: approve, reject"
    facts = (error.state, error.trigger, error.reason, error.allowed)
    assert facts == ("pending", "submit", "it leads nowhere", ("approve", "reject"))
    assert {type(one) for one in (error.state, error.trigger, *error.allowed)} == {str}


def test_a_refusal_to_a_caller_names_the_operation_and_what_is_allowed() -> None:
    """As the caller knows them; the facts are those of the first refusal."""
    first = TransitionRefused(state="pending", trigger="request_withdrawal", reason="not yet")
    assert (str(first), first.allowed) == ("request_withdrawal was refused in state pending: not yet", ())

    error = first.to_caller(operation="withdraw", allowed=["abandon", "withdraw"])
    assert str(error) == "withdraw was refused in state pending: not yet; allowed now: abandon, withdraw"
    facts = (error.state, error.trigger, error.reason, error.allowed)
    assert facts == ("pending", "request_withdrawal", "not yet", ("abandon", "withdraw"))


def test_texts_of_a_caller_are_shown_on_one_line_of_limited_length() -> None:
    """They can be anything; the attributes have them in full."""
    odd = "a\nb\0\x1b[31m"
    error = TransitionRefused(state="pending", trigger=odd, reason=f"there is no effect {odd}", allowed=["withdraw"])
    shown = "a\\nb\\x00\\x1b[31m"
    assert str(error) == f"{shown} was refused in state pending: there is no effect {shown}; allowed now: withdraw"
    assert (error.trigger, error.reason) == (odd, f"there is no effect {odd}")

    for missing in (ChangeNotFound(name="x" * 100_000), ChangeNotFound(name="x" * 100_000, by_id=True)):
        assert len(str(missing)) < 400
        assert missing.name == "x" * 100_000


def test_a_refusal_where_nothing_is_allowed_says_so() -> None:
    """A list of nothing would read like a bug."""
    error = TransitionRefused(state="sold", trigger="submit", reason="it is sold", allowed=())

    assert str(error) == "submit was refused in state sold: it is sold; allowed now: nothing"


@pytest.mark.parametrize(
    ("error", "message", "facts"),
    [
        (
            AlreadyApplied(subject="collector-1", change_id="C1"),
            "subject 'collector-1' already has an open change, C1: wait until it ends, or withdraw it first",
            {"subject": "collector-1", "change_id": "C1"},
        ),
        (
            NotPermitted(actor="bob\n", act="fire(a\nb)", subject="c-1"),
            ("'bob\\n' may not fire(a\\nb) on subject 'c-1': ask a person who may; nothing was stored or sent"),
            {"actor": "bob\n", "act": "fire(a\nb)", "subject": "c-1", "change_id": ""},
        ),
        (
            NotPermitted(actor="bob", act="withdraw", subject="collector-1", change_id="C1"),
            (
                "'bob' may not withdraw on change C1 of subject 'collector-1': ask a person who may; nothing was "
                "stored or sent"
            ),
            {"actor": "bob", "act": "withdraw", "subject": "collector-1", "change_id": "C1"},
        ),
        (
            NotApproved(subject="collector-1", state=None, why="no change was ever submitted for it"),
            "subject 'collector-1' is not approved: no change was ever submitted for it",
            {"subject": "collector-1", "state": None},
        ),
        (
            ChangeNotFound(name="C9"),
            "no change has the id, subject or sn 'C9'; `itsm-workflow list` lists all changes",
            {"name": "C9", "workflow": ""},
        ),
        (
            ChangeNotFound(name="collector-42", by_id=True),
            "no change has the id 'collector-42'; Workflow.resolve finds a change by its id, subject or sn",
            {"name": "collector-42", "workflow": ""},
        ),
        (
            ChangeNotFound(name="C9", workflow="release"),
            (
                "no change has the id, subject or sn 'C9'; a change of workflow release has it: name the application "
                "of that workflow (--app)"
            ),
            {"name": "C9", "workflow": "release"},
        ),
        (
            AmbiguousChange(name="REQ7", candidates=["C1", "C2"]),
            "'REQ7' names 2 changes, give the id of one: C1, C2",
            {"name": "REQ7", "candidates": ("C1", "C2")},
        ),
        (
            StorageConflict(change_id="C1", kind="version"),
            "change C1 was not written: it lost a race on its version; reload it and try again",
            {"change_id": "C1", "kind": "version", "holder": ""},
        ),
        (
            StorageConflict(change_id="C1", kind="ticket", holder="C2"),
            "change C1 was not written: its ticket belongs to change C2",
            {"change_id": "C1", "kind": "ticket", "holder": "C2"},
        ),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else "",
)
def test_an_error_says_what_on_what_and_what_to_do(error: Exception, message: str, facts: dict[str, object]) -> None:
    """And carries the same as attributes."""
    assert (str(error), vars(error)) == (message, facts)


@pytest.mark.parametrize(
    ("facts", "detail"),
    [
        ({}, ""),
        ({"request_id": "r1"}, " (request r1)"),
        ({"remote_code": 0}, " (code 0)"),
        ({"remote_code": "NOT_FOUND", "status": 404}, " (code NOT_FOUND, HTTP 404)"),
        ({"remote_code": 3900003, "status": 200, "request_id": "r1"}, " (code 3900003, HTTP 200, request r1)"),
        ({"remote_code": 7, "remote_message": "no such form"}, ": no such form (code 7)"),
    ],
)
def test_an_error_of_the_gateway_names_the_call(facts: dict[str, Any], detail: str) -> None:
    """With the codes that there are, and the id by which its log knows the call."""
    error = GatewayTimeout("no answer within 10 s", endpoint="create_ticket", **facts)

    assert str(error) == f"create_ticket: no answer within 10 s{detail}"
    usual = {"endpoint": "create_ticket", "remote_code": None, "remote_message": "", "status": None, "request_id": ""}
    assert vars(error) == {**usual, **facts}


def test_a_refusal_without_words_has_an_empty_message() -> None:
    """It can be read without asking whether it is there."""
    assert GatewayRefused("it said no", endpoint="create_ticket").remote_message == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a\n  b\tc"), "ValueError: a b c"),
        (ValueError(), "ValueError:"),
        (ValueError("x" * 200), "ValueError: " + "x" * 187 + "…"),
        (ValueError("x" * 188), "ValueError: " + "x" * 188),
    ],
    ids=["lines", "no words", "long", "just short enough"],
)
def test_an_error_is_described_in_one_short_line(error: Exception, line: str) -> None:
    """It is stored with the change and shown in lists."""
    assert describe(error) == line
    assert len(line) <= 200


def test_a_refused_form_lists_the_first_problems_and_counts_the_rest() -> None:
    """A message is for people; the problems themselves are all there, each once, and a field's name is cut."""
    error = InvalidForm([("x" * 10_000, "v", "r"), *[("a", str(number // 2), "is wrong") for number in range(1000)]])
    assert len(error.problems) == 501
    assert len(str(error)) < 5000
    assert str(error).endswith("; a=98: is wrong; and 401 more")
