"""Which effects there are, and what one delivery comes to."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.change import WITHDRAW, EffectStatus
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State
from itsm_workflow.runtime.effects import Effect, EffectCall, EffectRegistry
from tests.support import examples as x
from tests.support.deferred import Later, later, steps, stream
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from collections.abc import Callable


UNTYPED: dict[str, Any] = {"none": None, "text": "begin", "numbers": (7,)}


def nothing(_: EffectCall) -> None:
    """Do nothing."""


def registry(*effects: Effect) -> EffectRegistry:
    """Return the registry of effects of an approval."""
    return EffectRegistry(COLLECTOR_CHANGE, {State.APPROVED: effects})


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

    assert names == {"approved": ("start", "tell"), "rejected": ("mourn",)}
    assert {type(state) for state in names} == {str}


def test_names_cannot_be_changed_by_who_reads_a_change() -> None:
    """A change that was just filed holds the same mapping as the workflow."""
    desk = Desk()
    workflow = desk.workflow(effects={State.APPROVED: [Effect("start", nothing)]})
    change = workflow.apply(subject=SUBJECT, **ASKED)
    assert change.effect_names == {"approved": ("start",)}
    with pytest.raises(TypeError, match="read-only"):
        change.effect_names["approved"] = ()  # type: ignore[index]  # the mistake
    with pytest.raises(TypeError, match="read-only"):
        registry().aliases["start"] = ()  # type: ignore[index]  # the mistake


def test_a_state_may_be_named_by_its_text() -> None:
    """As it is stored."""
    assert EffectRegistry(COLLECTOR_CHANGE, {"approved": [Effect("start", nothing)]}).names == {"approved": ("start",)}


def test_a_state_that_there_is_not_is_refused() -> None:
    """The error names it, and those that there are."""
    with pytest.raises(DefinitionError) as caught:
        EffectRegistry(COLLECTOR_CHANGE, {"aproved": [Effect("start", nothing)]})

    known = "draft, applying, pending, failed_callback, approved, rejected"
    assert str(caught.value) == f"effects name the unknown state 'aproved'; collector_change has {known}"


def test_effects_of_the_initial_state_are_refused() -> None:
    """They would be planned by nobody, in silence."""
    with pytest.raises(DefinitionError, match=r"^effects of the initial state draft would never run"):
        EffectRegistry(COLLECTOR_CHANGE, {State.DRAFT: [Effect("start", nothing)]})


@pytest.mark.parametrize(
    ("effects", "problem"),
    [
        (
            {State.APPROVED: [Effect("start", nothing), Effect("start", nothing)]},
            "effect 'start' is named twice in state approved, aliases included: name it once",
        ),
        (
            {State.APPROVED: [Effect("start", nothing)], State.REJECTED: [Effect("start", nothing)]},
            (
                "effect 'start' is named in two states, approved and rejected, but a name belongs to one state: "
                "give it another name in rejected, such as 'start_rejected', and the same function"
            ),
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
    told = "effects of state approved: a function is not an effect; write Effect"
    with pytest.raises(DefinitionError, match=told):
        EffectRegistry(COLLECTOR_CHANGE, {State.APPROVED: [nothing]})  # type: ignore[list-item]  # that is the point


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        (Effect("start", nothing), "effects of state approved: an Effect is not a list; write [Effect(...)]"),
        ([Effect("start", UNTYPED["none"])], "effect 'start' of state approved: None is not a function"),
        (
            [Effect("start", nothing, UNTYPED["text"])],
            "effect 'start' of state approved: its aliases are a str, not a tuple; write aliases=(...,)",
        ),
        (
            [Effect("start", nothing, ("begin", "start"))],
            "effect 'start' of state approved: its aliases contain its own name; aliases=(...,) takes its earlier",
        ),
        ([Effect("start", nothing, UNTYPED["numbers"])], "effects of state approved: a name has 1 to 64"),
        ([Effect("", nothing)], "effects of state approved: a name has 1 to 64 letters, digits and _ . : / -, and"),
        ([Effect("start it", nothing)], "not 'start it'"),
        ([Effect("s" * 65, nothing)], "a name has 1 to 64"),
        ([Effect("start\n", nothing)], "a name has 1 to 64"),
        ([Effect("a", nothing, ("b",)), Effect("b", nothing)], "effect 'b' is named twice in state approved, aliases"),
        ([Effect("a", nothing, (WITHDRAW,))], "effect 'withdraw' of state approved: that is the library's own"),
    ],
)
def test_effects_that_cannot_work_are_refused(listed: list[Effect], problem: str) -> None:
    """The error names the state, the effect and the fix."""
    with pytest.raises(DefinitionError) as caught:
        EffectRegistry(COLLECTOR_CHANGE, {State.APPROVED: listed})

    assert problem in str(caught.value)


NAMED = attrs.evolve(COLLECTOR_CHANGE, effects={State.APPROVED: ("start", "tell"), State.REJECTED: ("mourn",)})


def test_a_definition_names_the_effects_and_a_process_has_some_of_their_functions() -> None:
    """The names are the definition's, whatever this process can do."""
    some = EffectRegistry(NAMED, {State.APPROVED: [Effect("tell", nothing)]})

    assert some.names == {"approved": ("start", "tell"), "rejected": ("mourn",)}
    assert [name for name in ("start", "tell", "mourn") if some.knows(name)] == ["tell"]
    assert EffectRegistry(NAMED, {}).names == some.names


@pytest.mark.parametrize(("state", "named"), [(State.APPROVED, "start, tell"), (State.PENDING, "none")])
def test_an_effect_that_the_definition_does_not_name_is_refused(state: State, named: str) -> None:
    """It would be planned by this process and by no other."""
    with pytest.raises(DefinitionError) as caught:
        EffectRegistry(NAMED, {state: [Effect("stop", nothing)]})

    assert str(caught.value) == (
        f"effect 'stop' of state {state} is not named by collector_change version 1, which names {named} there: "
        "add it to the definition's effects"
    )


def test_what_was_planned_under_an_alias_is_delivered_by_the_renamed_effect() -> None:
    """It is one effect, under two names."""
    calls: list[EffectCall] = []
    renamed = registry(Effect("start", calls.append, aliases=("begin", "commence")))

    assert [renamed.knows(name) for name in ("start", "begin", "commence", "stop")] == [True, True, True, False]
    assert renamed.deliver(call("begin")) == ""
    assert calls == [call("begin")]
    assert (renamed.names, renamed.aliases) == ({"approved": ("start",)}, {"start": ("begin", "commence")})


def test_work_that_returns_is_done() -> None:
    """Whatever it returns, it got the delivery as it is."""
    calls: list[EffectCall] = []

    def work(given: EffectCall) -> str:
        calls.append(given)
        return "ignored"

    assert registry(Effect("start", work)).deliver(call(attempt=3)) == ""
    assert calls == [call(attempt=3)]


def test_work_that_raises_is_not_done() -> None:
    """The error is told, and a repeat may mend it."""
    failing = registry(Effect("start", raising(ConnectionError("no answer\nfrom host-7"))))

    assert failing.deliver(call()) == "ConnectionError: no answer from host-7"


def test_work_that_was_cancelled_is_not_done() -> None:
    """In an event loop of its own: the process was not told to end."""

    async def cancelled() -> None:
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)  # type: ignore[union-attr]  # it runs in one
        await asyncio.Event().wait()

    def work(_: EffectCall) -> None:
        asyncio.run(cancelled())

    assert registry(Effect("start", work)).deliver(call()).startswith("CancelledError")


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_an_exit_is_no_failure_of_the_work(stop: BaseException) -> None:
    """A worker that is told to stop stops; its delivery is repeated when its lease ends."""
    with pytest.raises(type(stop)):
        registry(Effect("start", raising(stop))).deliver(call())


def test_the_withdrawal_is_known_to_every_process() -> None:
    """It is the library's own."""
    known = registry(Effect("start", nothing))

    assert [name for name in ("start", "stop", WITHDRAW) if known.knows(name)] == ["start", WITHDRAW]


@pytest.mark.parametrize("run", [later, stream, steps, Later(), functools.partial(later, 1)])
def test_a_function_whose_call_runs_nothing_is_no_effect(run: Callable[[EffectCall], object]) -> None:
    """It would count as delivered; by the decorator, too, and with Django's connections around it."""
    told = r"^effect 'start': its function is an? .*function, whose call runs nothing: "
    with pytest.raises(DefinitionError, match=told):
        Effect("start", run)
    with pytest.raises(DefinitionError, match=told):
        Desk().workflow().effect(State.APPROVED, name="start")(run)


@pytest.mark.parametrize("run", [lambda: None, lambda _call, _change: None])
def test_a_function_that_does_not_take_the_delivery_is_no_effect(run: Callable[..., object]) -> None:
    """Its call would fail after the approval."""
    told = r"^effect 'start': its function is called with \(call\), which it does not take: "
    with pytest.raises(DefinitionError, match=told):
        Effect("start", run)
    with pytest.raises(DefinitionError, match=told):
        Desk().workflow().effect(State.APPROVED, name="start")(run)


@pytest.mark.parametrize("function", [later, stream, steps])
def test_a_delivery_that_returns_what_has_yet_to_run_has_failed(function: Callable[[EffectCall], object]) -> None:
    """An ordinary function may return a coroutine, too; it is closed, and the delivery is tried again."""
    desk = Desk()
    effects = {State.APPROVED: [Effect("start", lambda call: function(call))]}  # noqa: PLW0108 - hides the function
    workflow = desk.workflow(effects=effects, after_callback="inline")
    change = workflow.apply(subject=SUBJECT, **ASKED)
    assert desk.gateway.hand_over(desk.decide(change), workflow.receive)

    [effect] = workflow.get(change.id).effects
    assert effect.status is not EffectStatus.DELIVERED
    assert effect.error is not None
    assert effect.error.startswith("TypeError: the function returned a")
    assert "which has yet to run: run it with asyncio.run" in effect.error
