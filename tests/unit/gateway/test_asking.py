"""How a gateway is asked: what it answers is checked, and a mistake of its own code is told by what it was asked."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest

from itsm_workflow.budget import Budget
from itsm_workflow.errors import (
    GatewayError,
    GatewayMistake,
    GatewayProtocolError,
    GatewayTimeout,
    ServiceNotFound,
    StorageUnavailable,
)
from itsm_workflow.gateway.asking import (
    ask,
    bounded,
    create_ticket,
    form_problems,
    preview_of,
    read_ticket,
    resting,
    service_form_problems,
    service_of,
    time_of,
)
from itsm_workflow.gateway.checked import any_host
from itsm_workflow.gateway.protocol import Created, CreateRequest, SentTicket, Unknown
from itsm_workflow.machine.evidence import Channel
from tests.support import examples as x

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.gateway.protocol import TicketGateway

TICKET = x.PENDING.expect_ticket()
SKEW = dt.timedelta(minutes=5)
TIMEOUT = GatewayTimeout("no answer", endpoint="e")
LOCKED = StorageUnavailable("locked")


def gateway(**methods: Callable[..., Any]) -> TicketGateway:
    """Return an object that has these methods alone, bound as they are."""
    return cast("TicketGateway", type("Ours", (), {name: staticmethod(each) for name, each in methods.items()})())


def raising(error: BaseException) -> Callable[..., Any]:
    """Return a method that raises."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def no_troubles(error: GatewayError) -> None:
    """Fail the test, since no error is expected."""
    pytest.fail(f"notified of {error}")


@pytest.mark.parametrize("error", [TIMEOUT, LOCKED])
def test_what_our_callers_expect_passes_as_it_is(error: Exception) -> None:
    """The gateway could not be asked, or the store is away."""
    with pytest.raises(type(error)) as caught:
        ask("look_up", raising(error))
    assert caught.value is error


def test_a_mistake_names_the_question_and_keeps_its_cause() -> None:
    """So that its maker finds it."""
    error = KeyError("rows")
    with pytest.raises(GatewayMistake, match=r"^look_up: the gateway's own code failed: KeyError") as caught:
        ask("look_up", raising(error))
    assert caught.value.__cause__ is error
    assert ask("look_up", lambda: 7) == 7


BEFORE_FILING: dict[str, Callable[[TicketGateway], object]] = {
    "check_form": lambda asks: form_problems(asks, x.PENDING.form),
    "service": service_of,
    "preview": lambda asks: preview_of(asks, cast("CreateRequest", None)),
}


@pytest.mark.parametrize("call", BEFORE_FILING)
class TestBeforeFiling:
    """The calls for which nothing is stored yet."""

    def test_an_error_of_the_library_is_raised_unchanged(self, call: str) -> None:
        """The caller of `apply` is told that the gateway has no such service, not that its code is wrong."""
        for error in (ServiceNotFound("no service 5"), TIMEOUT, LOCKED):
            with pytest.raises(type(error)) as caught:
                BEFORE_FILING[call](gateway(**{call: raising(error)}))
            assert caught.value is error

    @pytest.mark.parametrize("error", [KeyError("rows"), asyncio.CancelledError()], ids=["KeyError", "CancelledError"])
    def test_any_other_error_is_a_mistake_of_the_gateway(self, call: str, error: BaseException) -> None:
        """It names the call, so that its author finds it."""
        with pytest.raises(GatewayMistake, match=f"^{call}: the gateway's own code failed: {type(error).__name__}"):
            BEFORE_FILING[call](gateway(**{call: raising(error)}))


@pytest.mark.parametrize(("call", "answer"), [("check_form", None), ("check_form", [("title",)]), ("service", 5)])
def test_an_answer_of_another_shape_is_refused(call: str, answer: object) -> None:
    """Before it reaches the form's problems or the ticket."""
    with pytest.raises(GatewayProtocolError):
        BEFORE_FILING[call](gateway(**{call: lambda *_: answer}))


class TestReading:
    """A ticket is read by the gateway, compared by it if it can, and checked."""

    def test_it_is_compared_with_what_was_sent(self) -> None:
        """By the gateway that `comparing` returned, to which the decision field is handed on."""
        sent: list[SentTicket] = []
        given: list[object] = []

        def comparing(one: SentTicket) -> TicketGateway:
            sent.append(one)
            return gateway(read=read)

        def read(ticket: object, *, decision_field: str | None) -> object:
            given.append((ticket, decision_field))
            return x.snapshot(differences=("title: sent a, shows b",))

        asks = gateway(comparing=comparing, read=raising(AssertionError("the one that compares is to be asked")))
        seen = read_ticket(asks, TICKET, x.PENDING, decision_field="verdict", skew=SKEW)

        attempt = x.PENDING.expect_attempt()
        assert seen.differences == ("title: sent a, shows b",)
        assert given == [(TICKET, "verdict")]
        assert sent == [SentTicket(form=x.PENDING.form, attempt=attempt, made_after=attempt.submitted_at - SKEW)]

    def test_a_ticket_that_an_operator_bound_is_not_compared_again(self) -> None:
        """What differs was shown to the operator then."""
        bound = attrs.evolve(TICKET, channel=Channel.OPERATOR)
        asks = gateway(comparing=raising(AssertionError("not to be asked")), read=lambda *_, **__: x.snapshot())

        assert read_ticket(asks, bound, x.PENDING, decision_field=None, skew=SKEW) == x.snapshot()

    def test_a_gateway_that_cannot_compare_reads_all_the_same(self) -> None:
        """Comparing is optional."""
        asks = gateway(read=lambda *_, **__: x.snapshot())

        assert read_ticket(asks, TICKET, x.PENDING, decision_field=None, skew=SKEW) == x.snapshot()

    @pytest.mark.parametrize(
        ("read", "said"),
        [(lambda *_, **__: None, "read: the snapshot of ticket 7"), (raising(KeyError()), "read: the gateway's")],
    )
    def test_what_cannot_be_used_is_a_read_that_failed(self, read: Callable[..., Any], said: str) -> None:
        """Whether it is no snapshot, or a mistake."""
        with pytest.raises(GatewayProtocolError, match=rf"^{said}"):
            read_ticket(gateway(read=read), TICKET, x.PENDING, decision_field=None, skew=SKEW)


class TestServiceForms:
    """A form is checked by its service's rules, if the gateway knows them, within the caller's budget."""

    PROBLEM = ("bk_biz_id", "", "is required")

    def test_the_bounded_gateway_checks_the_form(self) -> None:
        """The gateway that `within` returned is asked about the given form and service."""
        given: list[object] = []

        def within(budget: object) -> TicketGateway:
            given.append(budget)
            return gateway(create=raising(AssertionError()), within=within, check_service_form=check)

        def check(form: object, service: object) -> object:
            given.extend((form, service))
            return [self.PROBLEM]

        budget = Budget(5)
        asks = gateway(within=within, check_service_form=raising(AssertionError("the bounded one is to be asked")))

        assert service_form_problems(asks, x.FORM, "17", budget, no_troubles) == (self.PROBLEM,)
        assert given == [budget, x.FORM, "17"]

    def test_a_gateway_that_cannot_check_finds_no_problem(self) -> None:
        """Checking is optional, also for the gateway that `within` returns."""
        within = gateway(create=raising(AssertionError()))
        asks = gateway(within=lambda _: within, check_service_form=raising(AssertionError()))

        assert service_form_problems(gateway(), x.FORM, "17", Budget(5), no_troubles) == ()
        assert service_form_problems(asks, x.FORM, "17", Budget(5), no_troubles) == ()

    def test_a_check_that_fails_is_reported_and_refuses_nothing(self) -> None:
        """The server checks the form again when the ticket is created."""
        told: list[GatewayError] = []

        found = service_form_problems(
            gateway(check_service_form=raising(TIMEOUT)), x.FORM, "17", Budget(5), told.append
        )

        assert (found, told) == ((), [TIMEOUT])


class TestCreating:
    """Something may have been sent, whatever the gateway's code does."""

    REQUEST = CreateRequest(form=x.FORM, attempt=x.SENDING.expect_attempt(), callback_url=None, callback_headers={})

    def test_an_answer_is_checked(self) -> None:
        """The request is the one that was given, and an address that may not be shown is dropped."""
        given: list[object] = []

        def create(request: object) -> object:
            given.append(request)
            return Created(id="7", sn="REQ7", url="javascript:alert(1)")

        answer = create_ticket(gateway(create=create), self.REQUEST, any_host, no_troubles)

        assert answer == Created(id="7", sn="REQ7", url="")
        assert given == [self.REQUEST]

    def test_a_mistake_is_unknown_and_told_without_its_words(self) -> None:
        """They may quote our credential."""
        told: list[GatewayError] = []
        answer = create_ticket(gateway(create=raising(KeyError("canary"))), self.REQUEST, any_host, told.append)

        words = "GatewayMistake: create_ticket: the gateway's own code failed with a KeyError"
        assert answer == Unknown(problem=words)
        assert [str(error) for error in told] == [words.partition(": ")[2]]

    def test_a_store_that_is_away_is_no_answer(self) -> None:
        """It is the caller's."""
        with pytest.raises(StorageUnavailable):
            create_ticket(gateway(create=raising(LOCKED)), self.REQUEST, any_host, no_troubles)


class TestWhatIsOptional:
    """A gateway need not have it, and a mistake in it is told and ends nothing."""

    BUDGET = Budget(5.0)
    NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def test_it_is_there(self) -> None:
        """What the gateway answers is what is returned."""
        inner = gateway(create=lambda *_: None)
        given: list[object] = []

        def within(budget: object) -> TicketGateway:
            given.append(budget)
            return inner

        assert bounded(gateway(within=within), self.BUDGET, no_troubles) is inner
        assert given == [self.BUDGET]
        assert time_of(gateway(time=lambda: self.NOW), no_troubles) == self.NOW
        assert resting(gateway(resting=lambda: "five calls failed"), no_troubles) == "five calls failed"

    def test_it_is_not_there(self) -> None:
        """Nothing is told."""
        plain = gateway(create=lambda *_: None)

        assert bounded(plain, self.BUDGET, no_troubles) is plain
        assert time_of(plain, no_troubles) is None
        assert resting(plain, no_troubles) == ""

    @pytest.mark.parametrize(
        ("name", "method", "said"),
        [
            *(
                (name, raising(KeyError("k")), "the gateway's own code failed")
                for name in ("within", "time", "resting")
            ),
            ("within", lambda *_: 7, "an int is not a gateway"),
            ("time", lambda *_: 7, "an int is not a time"),
            ("resting", lambda *_: 7, "an int is not text"),
        ],
    )
    def test_it_fails(self, name: str, method: Callable[..., Any], said: str) -> None:
        """It raises, or returns what is no answer: as if it were not there, and told by its name."""
        told: list[GatewayError] = []
        asks = gateway(**{name: method})
        answers = {
            "within": lambda: bounded(asks, self.BUDGET, told.append) is asks,
            "time": lambda: time_of(asks, told.append) is None,
            "resting": lambda: resting(asks, told.append) == "",
        }

        assert answers[name]()
        assert [type(error) for error in told] == [GatewayMistake]
        assert [error.endpoint for error in told] == [name]
        assert str(told[0]).startswith(f"{name}: {said}")
