"""Which effects there are, and what one delivery comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.change import WITHDRAW
from itsm_workflow.effects import Effect, EffectCall, EffectRegistry
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine.collector import COLLECTOR_CHANGE, State
from tests.unit.machine import examples as x

if TYPE_CHECKING:
    from collections.abc import Callable


def nothing(_: EffectCall) -> None:
    """Do nothing."""


def registry(*effects: Effect, leave_unknown: bool = False) -> EffectRegistry:
    """Return the registry of effects of an approval."""
    return EffectRegistry(COLLECTOR_CHANGE, {State.APPROVED: effects}, leave_unknown=leave_unknown)


def call(name: str = "start", attempt: int = 1) -> EffectCall:
    """Return a delivery."""
    return EffectCall(id=f"{x.ID}.5.{name}", name=name, attempt=attempt, change=x.APPROVED, actor="gateway")


def raising(error: BaseException) -> Callable[[EffectCall], object]:
    """Return work that fails."""

    def work(_: EffectCall) -> None:
        raise error

    return work


def test_names_are_kept_by_state_in_order() -> None:
    """As plain texts: these are what is stored."""
    effects: dict[str, list[Effect]] = {
        State.APPROVED: [Effect("start", nothing), Effect("tell", nothing)],
        State.REJECTED: [Effect("mourn", nothing)],
        State.PENDING: [],
    }
    names = EffectRegistry(COLLECTOR_CHANGE, effects).names

    assert names == {"approved": ("start", "tell"), "rejected": ("mourn",), "pending": ()}
    assert {type(state) for state in names} == {str}


def test_a_state_may_be_named_by_its_text() -> None:
    """As it is stored."""
    assert EffectRegistry(COLLECTOR_CHANGE, {"approved": [Effect("start", nothing)]}).names == {"approved": ("start",)}


def test_a_state_that_there_is_not_is_refused() -> None:
    """The error names it, and those that there are."""
    with pytest.raises(DefinitionError) as caught:
        EffectRegistry(COLLECTOR_CHANGE, {"aproved": [Effect("start", nothing)]})

    known = "draft, applying, pending, failed_callback, approved, rejected"
    assert str(caught.value) == f"effects name state 'aproved'; collector_change has {known}"


def test_effects_of_the_initial_state_are_refused() -> None:
    """They would be planned by nobody, in silence."""
    with pytest.raises(DefinitionError, match=r"^effects of the initial state draft would never run"):
        EffectRegistry(COLLECTOR_CHANGE, {State.DRAFT: [Effect("start", nothing)]})


@pytest.mark.parametrize(
    ("effects", "problem"),
    [
        (
            {State.APPROVED: [Effect("start", nothing), Effect("start", nothing)]},
            "effect 'start' of state approved: that is the name of another effect",
        ),
        (
            {State.APPROVED: [Effect("start", nothing)], State.REJECTED: [Effect("start", nothing)]},
            "effect 'start' of state rejected: that is the name of another effect",
        ),
        (
            {State.APPROVED: [Effect(WITHDRAW, nothing)]},
            "effect 'withdraw' of state approved: that is the library's own",
        ),
    ],
    ids=["in one state", "in two states", "the built-in one"],
)
def test_a_name_means_one_effect(effects: dict[str, list[Effect]], problem: str) -> None:
    """A stored name must still be understood after a restart."""
    with pytest.raises(DefinitionError) as caught:
        EffectRegistry(COLLECTOR_CHANGE, effects)

    assert str(caught.value) == problem


def test_what_is_no_effect_is_refused() -> None:
    """A function alone has no name to be stored by."""
    told = "effects of state approved: a function is no effect; write Effect"
    with pytest.raises(DefinitionError, match=told):
        EffectRegistry(COLLECTOR_CHANGE, {State.APPROVED: [nothing]})  # type: ignore[list-item]  # that is the point


def test_work_that_returns_is_done() -> None:
    """Whatever it returns, it got the delivery as it is."""
    calls: list[EffectCall] = []

    def work(given: EffectCall) -> str:
        calls.append(given)
        return "ignored"

    assert registry(Effect("start", work)).deliver(call(attempt=3)) == ("", False)
    assert calls == [call(attempt=3)]


def test_work_that_raises_is_not_done() -> None:
    """The error is told, and a repeat may mend it."""
    failing = registry(Effect("start", raising(ConnectionError("no answer\nfrom host-7"))))

    assert failing.deliver(call()) == ("ConnectionError: no answer from host-7", False)


def test_an_exit_is_no_failure_of_the_work() -> None:
    """A worker that is told to stop stops; its delivery is repeated when its lease ends."""
    with pytest.raises(KeyboardInterrupt):
        registry(Effect("start", raising(KeyboardInterrupt()))).deliver(call())


def test_an_effect_that_nobody_registered_cannot_be_mended_by_a_repeat() -> None:
    """The error names it and says what to do."""
    error, final = registry(Effect("start", nothing)).deliver(call("stop"))

    assert (error, final) == ("no effect named 'stop' is registered: register it, then retry", True)


@pytest.mark.parametrize(
    ("leave_unknown", "delivered"),
    [(False, ["start", "stop", WITHDRAW]), (True, ["start", WITHDRAW])],
    ids=["alone", "beside others"],
)
def test_an_effect_that_is_not_known_may_be_another_processs(leave_unknown: bool, delivered: list[str]) -> None:  # noqa: FBT001 - a parameter of the test
    """If it is said so; the withdrawal is everybody's."""
    known = registry(Effect("start", nothing), leave_unknown=leave_unknown)

    assert [name for name in ("start", "stop", WITHDRAW) if known.delivers(name)] == delivered
