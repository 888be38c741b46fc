"""The awaited twins of a workflow's methods: parameters, threads, cancellation, and the end."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import os
import threading
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from itsm_workflow import Act, AsyncWorkflow, NotApproved, NotPermitted, State, Workflow, async_workflow
from itsm_workflow.errors import StorageUnavailable, WaitTimeout, WorkflowClosed
from itsm_workflow.form import shown
from itsm_workflow.testing.ledger_gateway import as_request
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.limits import PATIENCE, exit_code

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow import ChangeRequest
    from itsm_workflow.storage.protocol import Write

NEVER = 3600.0
"""An interval after which no test is still running."""


class Gate:
    """Holds the first commit of a store until the test opens it."""

    def __init__(self, desk: Desk) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        desk.store.before = self._hold

    def _hold(self, writes: Sequence[Write]) -> None:
        if writes:
            self.reached.set()
            assert self.opened.wait(PATIENCE)

    async def wait_reached(self) -> None:
        """Wait until the commit is held."""
        assert await asyncio.to_thread(self.reached.wait, PATIENCE)


@pytest.fixture
def desk() -> Desk:
    """A desk."""
    return Desk()


def public(kind: type) -> set[str]:
    """Return the public names of a class."""
    return {name for name in dir(kind) if not name.startswith("_")}


# ---------------------------------------------------------------- the twins


def test_every_method_of_a_workflow_has_its_twin() -> None:
    """`wait` is `wait_async`; `effect` is used where a workflow is created; what is new is listed here."""
    assert public(Workflow) - public(AsyncWorkflow) == {"wait_async", "effect"}
    assert public(AsyncWorkflow) - public(Workflow) == {"in_thread", "policy"}  # `Workflow` sets `policy` itself


@pytest.mark.parametrize("name", sorted(public(Workflow) - {"definition", "wait_async", "effect"}))
def test_a_twin_has_the_same_parameters_and_is_awaited(name: str) -> None:
    """Names, kinds, defaults and annotations; the two that are not awaited say why by their results."""
    own, twin = getattr(Workflow, name), getattr(AsyncWorkflow, name)
    parameters, expected = (list(inspect.signature(each).parameters.values())[1:] for each in (twin, own))
    assert parameters == expected
    assert inspect.iscoroutinefunction(twin) == (name not in {"find", "approval_required"})
    assert inspect.getdoc(twin)


def test_a_change_from_its_submission_to_its_approval(desk: Desk) -> None:
    """Filed, decided, called back, waited for and read, by tasks alone."""
    delivered = asyncio.run(_approved(AsyncWorkflow(desk.workflow()), desk))
    assert delivered == State.APPROVED


async def _approved(awaited: AsyncWorkflow, desk: Desk) -> str:
    async with awaited:
        change = await awaited.apply(subject=SUBJECT, **ASKED)
        waiting = asyncio.create_task(awaited.wait(change.id, timeout=None, poll=NEVER))
        response = await awaited.receive(**as_request(desk.decide(change)))
        assert response.status == 200
        report = await awaited.reconcile(limit=5)
        assert (report.due, (await waiting).state) == (1, State.APPROVED)
        assert [each.id async for each in awaited.find(states=[State.APPROVED])] == [change.id]
        return (await awaited.require_approved(SUBJECT)).state


def test_no_transaction_of_the_caller_is_joined(desk: Desk) -> None:
    """The thread has a connection of its own, so what is undone with the transaction would be sent."""

    async def apply_in_a_transaction() -> None:
        async with AsyncWorkflow(desk.workflow()) as awaited:
            await awaited.apply(subject=SUBJECT, send="on_commit", **ASKED)

    with pytest.raises(RuntimeError, match="nothing was stored or sent"):
        asyncio.run(apply_in_a_transaction())
    assert list(desk.ledger.tickets()) == []


def test_an_act_that_the_host_does_not_permit_raises_in_the_task(desk: Desk) -> None:
    """The host is asked once, in a thread of the workflow; nothing is stored."""
    asked: list[str] = []

    def refuse(actor: str, act: Act, _: ChangeRequest | None) -> bool:
        asked.append(f"{actor} {act.name} {threading.current_thread() is threading.main_thread()}")
        return False

    async def apply() -> None:
        async with AsyncWorkflow(desk.workflow(authorize=refuse)) as awaited:
            await awaited.apply(subject=SUBJECT, **ASKED)

    with pytest.raises(NotPermitted):
        asyncio.run(apply())
    assert asked == ["alice apply False"]
    assert list(desk.workflow().find()) == []


def test_a_derived_workflow_s_own_method_is_called(desk: Desk) -> None:
    """As the one for Django has."""

    class Own(Workflow):
        def get(self, change_id: str) -> ChangeRequest:
            raise LookupError(change_id)

    awaited = AsyncWorkflow(Own(storage=desk.store, gateway=desk.gateway))
    with pytest.raises(LookupError, match="own"):
        asyncio.run(awaited.get("own"))


def test_all_changes_are_found_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller may also stop early; wrong arguments raise in the call."""
    monkeypatch.setattr(async_workflow, "_PAGE", 2)
    workflow = desk.workflow()
    expected = sorted(workflow.draft(subject=f"collector-{number}", **ASKED).id for number in range(5))
    awaited = AsyncWorkflow(workflow)

    async def find() -> tuple[list[str], str]:
        first = await anext(awaited.find())
        return [change.id async for change in awaited.find()], first.id

    assert asyncio.run(find()) == (expected, expected[0])
    with pytest.raises(ValueError, match="states"):
        awaited.find(states=["nowhere"])


def test_a_coroutine_function_is_guarded(desk: Desk) -> None:
    """It runs if its subject is approved, and keeps its name."""
    workflow = desk.workflow()
    awaited = AsyncWorkflow(workflow)

    @awaited.approval_required(lambda number: f"collector-{number}")
    async def start(number: int) -> int:
        return number

    with pytest.raises(NotApproved):
        asyncio.run(start(42))
    desk.decide(workflow.apply(subject=SUBJECT, **ASKED))
    desk.clock.advance(NEVER)
    workflow.reconcile()
    assert asyncio.run(start(42)) == 42
    assert start.__name__ == "start"


def test_a_plain_function_is_not_guarded(desk: Desk) -> None:
    """It cannot wait for the check."""
    decorate: Callable[..., Any] = AsyncWorkflow(desk.workflow()).approval_required(str)
    with pytest.raises(TypeError, match="coroutine function"):
        decorate(print)


@pytest.mark.parametrize(("given", "error"), [({"workflow": object()}, TypeError), ({"threads": 0}, ValueError)])
def test_wrong_arguments_are_refused(desk: Desk, given: dict[str, Any], error: type[Exception]) -> None:
    """Before anything is called."""
    with pytest.raises(error, match="AsyncWorkflow"):
        AsyncWorkflow(**{"workflow": desk.workflow(), **given})


# ---------------------------------------------------------------- threads


def test_a_call_sees_the_context_variables_of_its_task(desk: Desk) -> None:
    """As a host's tracing needs; what the call sets stays in the call."""
    variable = contextvars.ContextVar("variable", default="nothing")

    async def call() -> tuple[str, str]:
        variable.set("the task's")
        seen = await AsyncWorkflow(desk.workflow()).in_thread(lambda: (variable.get(), variable.set("the call's")))
        return seen[0], variable.get()

    assert asyncio.run(call()) == ("the task's", "the task's")


def test_the_event_loop_goes_on_during_a_call(desk: Desk) -> None:
    """Although the call waits for its store."""
    gate = Gate(desk)
    awaited = AsyncWorkflow(desk.workflow())

    async def work() -> str:
        filing = asyncio.create_task(awaited.apply(subject=SUBJECT, **ASKED))
        await gate.wait_reached()
        gate.opened.set()
        return (await filing).state

    assert asyncio.run(work()) == State.PENDING


def test_waits_hold_no_thread_between_their_reads(desk: Desk) -> None:
    """Many tasks wait, and one thread is enough for a call beside them."""
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    awaited = AsyncWorkflow(workflow, threads=1)

    async def work() -> list[str]:
        waits = [asyncio.create_task(awaited.wait(change.id, timeout=None, poll=NEVER)) for _ in range(50)]
        with pytest.raises(WaitTimeout):
            await awaited.wait(change.id, timeout=0)
        assert awaited._pool is None
        desk.decide(change)
        await awaited.settle(change.id)
        return [one.state for one in await asyncio.gather(*waits)]

    assert asyncio.run(work()) == [State.APPROVED] * 50


def test_a_forked_process_has_threads_of_its_own(desk: Desk) -> None:
    """Those of the parent are not in it."""
    awaited = AsyncWorkflow(desk.workflow())
    change = asyncio.run(awaited.apply(subject=SUBJECT, **ASKED))
    child = os.fork()
    if child == 0:
        os._exit(asyncio.run(awaited.get(change.id)).id != change.id)
    assert exit_code(child) == 0


# ---------------------------------------------------------------- cancellation


def test_a_cancelled_call_that_has_begun_ends_in_its_thread(desk: Desk) -> None:
    """So the change is filed as if the task had waited."""
    gate = Gate(desk)
    workflow = desk.workflow()
    awaited = AsyncWorkflow(workflow)

    async def work() -> None:
        filing = asyncio.create_task(awaited.apply(subject=SUBJECT, **ASKED))
        await gate.wait_reached()
        filing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await filing
        gate.opened.set()
        await awaited.close(seconds=PATIENCE)

    asyncio.run(work())
    [change] = workflow.find()
    assert (change.state, len(list(desk.ledger.tickets()))) == (State.PENDING, 1)


def test_a_cancelled_call_that_has_not_begun_does_nothing(desk: Desk) -> None:
    """There is neither a change nor a ticket."""
    gate = Gate(desk)
    workflow = desk.workflow()
    awaited = AsyncWorkflow(workflow, threads=1)

    async def work() -> None:
        first = asyncio.create_task(awaited.apply(subject=SUBJECT, **ASKED))
        await gate.wait_reached()
        second = asyncio.create_task(awaited.apply(subject="collector-43", **ASKED))
        await asyncio.sleep(0)  # it runs up to its first await
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.opened.set()
        await first
        await awaited.close()

    asyncio.run(work())
    assert [change.subject for change in workflow.find()] == [SUBJECT]


def test_the_error_of_a_cancelled_call_is_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """No task is left to raise it to."""
    begun, end = threading.Event(), threading.Event()
    awaited = AsyncWorkflow(desk.workflow())

    def fail() -> None:
        begun.set()
        assert end.wait(PATIENCE)
        raise StorageUnavailable("the disk is full")

    async def work() -> None:
        call = asyncio.create_task(awaited.in_thread(fail))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        end.set()
        await awaited.close(seconds=PATIENCE)

    asyncio.run(work())
    assert "fail failed after its task was cancelled" in caplog.text
    assert "the disk is full" in caplog.text


def test_an_error_of_a_callback_shows_no_secret(desk: Desk) -> None:
    """A report may show the variables of every frame."""

    class Failing(Workflow):
        def receive(self, **_: object) -> NoReturn:
            raise RuntimeError

    awaited = AsyncWorkflow(Failing(storage=desk.store, gateway=desk.gateway))
    sent = {"method": "POST", "path": "/the-canary", "headers": {"X": "the-canary"}, "body": b"the-canary"}
    with pytest.raises(RuntimeError) as raised:
        asyncio.run(awaited.receive(**sent))  # type: ignore[arg-type]  # they are of several types
    frames = [frame for frame, _ in traceback.walk_tb(raised.value.__traceback__)]
    module = async_workflow.__file__
    assert module in {frame.f_code.co_filename for frame in frames}
    assert "the-canary" not in repr([frame.f_locals for frame in frames if frame.f_code.co_filename == module])


# ---------------------------------------------------------------- the end


def test_close_waits_no_longer_than_asked(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A call that goes on is reported; waits end."""
    gate = Gate(desk)
    workflow = desk.workflow()
    awaited = AsyncWorkflow(workflow)

    async def work() -> None:
        filing = asyncio.create_task(awaited.apply(subject=SUBJECT, **ASKED))
        await gate.wait_reached()
        with caplog.at_level(logging.WARNING):
            await awaited.close(seconds=0)
        gate.opened.set()
        change = await filing
        with pytest.raises(WorkflowClosed):
            await awaited.wait(change.id, timeout=None)

    asyncio.run(work())
    assert "did not end within 0 s" in caplog.text


@pytest.mark.parametrize(("seconds", "error"), [(-1, ValueError), ("1", TypeError)])
def test_close_checks_its_argument_first(desk: Desk, seconds: Any, error: type[Exception]) -> None:  # noqa: ANN401 - a wrong type
    """So nothing was closed."""
    awaited = AsyncWorkflow(desk.workflow())
    with pytest.raises(error, match=shown(seconds)):
        asyncio.run(awaited.close(seconds=seconds))
    assert asyncio.run(awaited.newest(SUBJECT)) is None
