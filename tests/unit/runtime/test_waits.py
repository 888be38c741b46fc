"""Waits for the end of a change: what ends one, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import math
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import COLLECTOR_CHANGE, State, Trigger
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import ChangeNotFound, StorageUnavailable, WaitTimeout, WorkflowClosed
from itsm_workflow.machine.evidence import Concern
from itsm_workflow.runtime import wakeups
from itsm_workflow.runtime.records import Records
from itsm_workflow.runtime.waits import has_ended
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.limits import PATIENCE
from tests.support.places import WatchedStore
from tests.support.workflows import Stage, deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import Row

NEVER = 3600.0
"""A poll interval after which no test is still running: only a wake-up ends such a wait."""


class ReadStore(WatchedStore):
    """A store that counts the reads of changes, has hooks around them, and lets a test wait for one by a thread."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self.reads = self.read_by_others = 0
        self.before_read: Callable[[], object] = int
        self.after_read: Callable[[], object] = int
        self.read = threading.Semaphore(0)

    def get(self, change_id: str, /) -> Row | None:
        """Return a row."""
        self.before_read()
        row = super().get(change_id)
        self.reads += 1
        if threading.current_thread() is not threading.main_thread():
            self.read.release()
            self.read_by_others += 1
        self.after_read()
        return row


class Waiting:
    """A workflow with a pending change, over a store whose reads are watched."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.store = self.desk.store = ReadStore()
        self.workflow = self.desk.workflow()
        self.change = self.workflow.apply(subject=SUBJECT, **ASKED)
        self.forget_reads()

    def forget_reads(self) -> None:
        """Start to count the reads again."""
        self.store.reads = self.store.read_by_others = self.store.commits = 0
        self.store.read = threading.Semaphore(0)

    def decide(self, *, approved: bool = True) -> None:
        """Let the approver decide, and forget the reads; no commit is made yet."""
        self.desk.decide(self.change, approved=approved)
        self.forget_reads()

    def settle(self, workflow: Workflow | None = None) -> None:
        """Commit what was decided."""
        (workflow or self.workflow).settle(self.change.id)

    def await_read(self) -> None:
        """Wait until a waiter has read the change."""
        assert self.store.read.acquire(timeout=PATIENCE)


@pytest.fixture
def waiting() -> Waiting:
    """Return the workflow and its change."""
    return Waiting()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Return threads for waits; afterwards no waiter is registered."""
    with ThreadPoolExecutor(32) as pool:
        yield pool
    assert wakeups._waiting == set()


# ---------------------------------------------------------------- what has ended


def test_a_change_has_ended_where_it_is_approved_or_cannot_be_any_more() -> None:
    """In the shipped workflow in its two final states."""
    assert [state for state in State if has_ended(COLLECTOR_CHANGE, state)] == [State.APPROVED, State.REJECTED]


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        ({Stage.GRANTED: False, Stage.LIVE: True}, [Stage.LIVE, Stage.REFUSED]),
        ({Stage.LIVE: True}, [Stage.GRANTED, Stage.LIVE, Stage.REFUSED]),
        ({}, [Stage.GRANTED, Stage.LIVE, Stage.REFUSED]),
    ],
)
def test_an_approval_that_does_not_grant_yet_is_no_end(grants: Mapping[Any, bool], expected: list[Stage]) -> None:
    """The workflow goes on after it, until the gate opens."""
    assert [state for state in Stage if has_ended(deployment(grants=grants), state)] == expected


@pytest.mark.parametrize(("approved", "state"), [(True, State.APPROVED), (False, State.REJECTED)])
def test_a_change_that_has_ended_is_returned_after_one_read(waiting: Waiting, state: State, *, approved: bool) -> None:
    """Whatever the outcome; the gateway is not asked."""
    waiting.decide(approved=approved)
    waiting.settle()
    waiting.forget_reads()
    waiting.desk.faults.calls.clear()

    change = waiting.workflow.wait(waiting.change.id, timeout=0)
    assert (change.state, change) == (state, waiting.workflow.get(change.id))
    assert waiting.store.reads == 2  # with the one of `get`
    assert asyncio.run(waiting.workflow.wait_async(change.id, timeout=0)) == change
    assert waiting.desk.faults.calls == []


def test_a_wait_needs_no_gateway(waiting: Waiting) -> None:
    """A page that only reads the store can wait as well."""
    waiting.decide()
    waiting.settle()
    assert Records(waiting.workflow._journal).wait(waiting.change.id, timeout=0).state == State.APPROVED


# ---------------------------------------------------------------- waking


Wait = Any
"""A function that waits as `Workflow.wait` does."""


def in_a_loop(workflow: Workflow, change_id: str, **given: Any) -> ChangeRequest:
    """Wait in an event loop of its own."""
    return asyncio.run(workflow.wait_async(change_id, **given))


def in_a_thread(workflow: Workflow, change_id: str, **given: Any) -> ChangeRequest:
    """Wait in the thread of the caller."""
    return workflow.wait(change_id, **given)


BOTH = pytest.mark.parametrize("wait", [in_a_thread, in_a_loop])


@BOTH
@pytest.mark.parametrize("is_other", [False, True])
def test_a_commit_in_this_process_ends_the_wait(
    waiting: Waiting, threads: ThreadPoolExecutor, wait: Wait, *, is_other: bool
) -> None:
    """No poll is needed, whichever workflow over the store object commits."""
    committing = waiting.desk.workflow() if is_other else waiting.workflow
    waiting.decide()
    ended = threads.submit(wait, waiting.workflow, waiting.change.id, timeout=None, poll=NEVER)
    waiting.await_read()
    waiting.settle(committing)

    assert ended.result(PATIENCE) == waiting.workflow.get(waiting.change.id)


@BOTH
def test_a_commit_between_the_read_and_the_pause_is_not_missed(waiting: Waiting, wait: Wait) -> None:
    """It is committed in the very read that does not show it yet."""
    waiting.decide()

    def meanwhile() -> None:
        waiting.store.after_read = int
        waiting.settle()

    waiting.store.after_read = meanwhile
    assert wait(waiting.workflow, waiting.change.id, timeout=None, poll=NEVER).state == State.APPROVED


@BOTH
def test_a_commit_that_ends_nothing_lets_the_wait_go_on(
    waiting: Waiting, threads: ThreadPoolExecutor, wait: Wait
) -> None:
    """The change is read again, once for each commit at most, and waited for again."""
    ended = threads.submit(wait, waiting.workflow, waiting.change.id, timeout=None, poll=NEVER)
    waiting.await_read()
    concern = Concern(reason=AttentionReason.HOST, facts={"budget": "is spent"})
    waiting.workflow.fire(waiting.change.id, Trigger.RAISE_ATTENTION, concern, actor="bob")
    waiting.await_read()
    assert not ended.done()
    waiting.desk.decide(waiting.change)
    waiting.settle()
    assert ended.result(PATIENCE).state == State.APPROVED
    assert 3 <= waiting.store.read_by_others <= 1 + waiting.store.commits


@BOTH
def test_a_commit_elsewhere_is_found_by_polling(waiting: Waiting, threads: ThreadPoolExecutor, wait: Wait) -> None:
    """As of another process: its commit does not go through this store object."""
    elsewhere = waiting.desk.workflow(storage=waiting.store.inner)
    waiting.decide()
    ended = threads.submit(wait, waiting.workflow, waiting.change.id, timeout=None, poll=0.01)
    waiting.await_read()
    waiting.settle(elsewhere)

    assert ended.result(PATIENCE).state == State.APPROVED


def test_one_commit_ends_many_waits(waiting: Waiting, threads: ThreadPoolExecutor) -> None:
    """Of threads and of tasks."""
    waiting.decide()
    waits = [in_a_thread, in_a_loop] * 16
    futures: list[Future[ChangeRequest]] = [
        threads.submit(wait, waiting.workflow, waiting.change.id, timeout=None, poll=NEVER) for wait in waits
    ]
    for _ in waits:
        waiting.await_read()
    waiting.settle()

    assert {future.result(PATIENCE).state for future in futures} == {State.APPROVED}


def test_a_change_that_did_not_move_is_not_decoded_again(
    waiting: Waiting, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many waiters that poll cost a read each, and no more."""
    journal, decoded = waiting.workflow._journal, list[int]()
    read = journal.read

    def counted(row: Row) -> Stored:
        decoded.append(row.version)
        return read(row)

    monkeypatch.setattr(journal, "read", counted)
    waiting.decide()
    decoded.clear()
    ended = threads.submit(in_a_thread, waiting.workflow, waiting.change.id, timeout=None, poll=0.01)
    for _ in range(3):
        waiting.await_read()
    assert len(decoded) == 1
    waiting.settle()
    assert ended.result(PATIENCE).state == State.APPROVED


# ---------------------------------------------------------------- time


@BOTH
def test_the_error_says_what_the_change_waits_for(waiting: Waiting, wait: Wait) -> None:
    """With the change and its state as facts; it is a `TimeoutError`, and survives a task queue."""
    with pytest.raises(TimeoutError) as caught:
        wait(waiting.workflow, waiting.change.id, timeout=0)
    error = caught.value

    assert isinstance(error, WaitTimeout)
    assert (error.change_id, error.state, error.code) == (waiting.change.id, "pending", "change.wait_timeout")
    sentence = waiting.workflow.why(waiting.change.id)
    assert str(error) == f"change {error.change_id} did not end within 0 s and is in state pending: {sentence}"
    assert "waits for carol, dave to decide" in sentence
    shipped = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(shipped), str(shipped), vars(shipped)) == (WaitTimeout, str(error), vars(error))
    assert wakeups._waiting == set()


@BOTH
def test_without_time_the_change_is_read_once(waiting: Waiting, wait: Wait) -> None:
    """What was committed until that read counts."""
    waiting.decide()

    def meanwhile() -> None:
        waiting.store.before_read = int
        waiting.settle()

    waiting.store.before_read = meanwhile
    assert wait(waiting.workflow, waiting.change.id, timeout=0).state == State.APPROVED

    waiting = Waiting()
    with pytest.raises(WaitTimeout):
        wait(waiting.workflow, waiting.change.id, timeout=0)
    assert waiting.store.reads == 1


@BOTH
def test_time_is_over_by_the_clock_of_the_workflow(waiting: Waiting, threads: ThreadPoolExecutor, wait: Wait) -> None:
    """A test advances it."""
    ended = threads.submit(wait, waiting.workflow, waiting.change.id, timeout=NEVER, poll=0.01)
    waiting.await_read()
    assert not ended.done()
    waiting.desk.clock.advance(NEVER)

    with pytest.raises(WaitTimeout, match=r"did not end within 3600 s"):
        ended.result(PATIENCE)


@BOTH
def test_time_is_over_by_the_clock_of_the_machine(waiting: Waiting, wait: Wait) -> None:
    """Nothing advances the other; the last pause is as long as the rest of the time, not as the interval."""
    with pytest.raises(WaitTimeout):
        wait(waiting.workflow, waiting.change.id, timeout=0.01, poll=NEVER)


def test_a_draft_has_not_ended(waiting: Waiting) -> None:
    """It may be submitted yet."""
    draft = waiting.workflow.draft(subject="collector-43", **ASKED)
    with pytest.raises(WaitTimeout, match="is a draft and waits to be submitted"):
        waiting.workflow.wait(draft.id, timeout=0)


# ---------------------------------------------------------------- ends of another kind


@BOTH
def test_a_wait_ends_when_the_workflow_is_closed(waiting: Waiting, threads: ThreadPoolExecutor, wait: Wait) -> None:
    """With an error that says so, also later; a change that has ended is returned all the same."""
    ended = threads.submit(wait, waiting.workflow, waiting.change.id, timeout=None, poll=NEVER)
    waiting.await_read()
    waiting.workflow.close()
    closed = (
        rf"^cannot wait for change {waiting.change.id}: the workflow was closed; the change goes on: read it later$"
    )
    with pytest.raises(WorkflowClosed, match=closed):
        ended.result(PATIENCE)
    with pytest.raises(WorkflowClosed, match=closed) as caught:
        wait(waiting.workflow, waiting.change.id, timeout=None)
    assert vars(caught.value) == {"change_id": waiting.change.id}

    waiting.decide()
    waiting.settle()
    assert wait(waiting.workflow, waiting.change.id, timeout=None).state == State.APPROVED


def test_the_waits_of_another_workflow_go_on(waiting: Waiting, threads: ThreadPoolExecutor) -> None:
    """Only those of the closed one end."""
    other = waiting.desk.workflow()
    waiting.decide()
    ended = threads.submit(in_a_thread, other, waiting.change.id, timeout=None, poll=NEVER)
    waiting.await_read()
    waiting.workflow.close()
    waiting.settle()
    assert ended.result(PATIENCE).state == State.APPROVED


@BOTH
def test_a_store_that_is_closed_with_the_workflow_ends_the_wait(
    tmp_path: Path, threads: ThreadPoolExecutor, wait: Wait
) -> None:
    """The error is about the workflow, not about the store."""
    workflow = Desk().workflow(storage=f"sqlite:///{tmp_path / 'changes.db'}")
    change = workflow.apply(subject=SUBJECT, **ASKED)
    ended = [threads.submit(wait, workflow, change.id, timeout=None, poll=0.01) for _ in range(4)]
    workflow.close()
    for one in ended:
        with pytest.raises(WorkflowClosed):
            one.result(PATIENCE)
    with pytest.raises(WorkflowClosed) as caught:
        wait(workflow, change.id, timeout=0)
    assert isinstance(caught.value.__cause__, StorageUnavailable)


@BOTH
@pytest.mark.parametrize(
    "error", [StorageUnavailable("the disk is gone"), KeyboardInterrupt()], ids=["store", "Ctrl-C"]
)
def test_an_error_of_a_read_ends_the_wait(waiting: Waiting, wait: Wait, error: BaseException) -> None:
    """And leaves no waiter behind."""

    def fail() -> None:
        if waiting.store.reads:
            raise error

    waiting.store.before_read = fail
    with pytest.raises(type(error)):
        wait(waiting.workflow, waiting.change.id, timeout=None, poll=0.01)
    assert wakeups._waiting == set()


@BOTH
def test_an_unknown_change_is_an_error(waiting: Waiting, wait: Wait) -> None:
    """It is not waited for."""
    with pytest.raises(ChangeNotFound):
        wait(waiting.workflow, "C9", timeout=None)
    assert wakeups._waiting == set()


@BOTH
@pytest.mark.parametrize(
    ("given", "kind", "rule"),
    [
        ({"change_id": 7}, TypeError, r"\(change_id\) takes text, not 7"),
        ({"timeout": "30"}, TypeError, r"\(timeout=\.\.\.\) takes a number of seconds of at least 0, not '30'"),
        ({"timeout": True}, TypeError, r"\(timeout=\.\.\.\) takes a number of seconds of at least 0, not True"),
        ({"timeout": -1}, ValueError, r"\(timeout=\.\.\.\) takes a number of seconds of at least 0, not -1"),
        ({"timeout": 10**400}, ValueError, r"\(timeout=\.\.\.\) takes a number of seconds of at least 0, not 10+…"),
        ({"timeout": math.nan}, ValueError, r"\(timeout=\.\.\.\) takes a number of seconds of at least 0, not nan"),
        ({"poll": 0}, ValueError, r"\(poll=\.\.\.\) takes a number of seconds from 0\.01 to 3600, not 0"),
        ({"poll": 3601}, ValueError, r"\(poll=\.\.\.\) takes a number of seconds from 0\.01 to 3600, not 3601"),
        ({"poll": None}, TypeError, r"\(poll=\.\.\.\) takes a number of seconds from 0\.01 to 3600, not None"),
    ],
)
def test_a_wrong_argument_is_named(
    waiting: Waiting, wait: Wait, given: dict[str, Any], kind: type[Exception], rule: str
) -> None:
    """Nothing is read."""
    values = {"change_id": waiting.change.id, "timeout": 1, **given}
    method = "wait_async" if wait is in_a_loop else "wait"
    with pytest.raises(kind, match=f"^{method}{rule}$"):
        wait(waiting.workflow, values.pop("change_id"), **values)
    assert waiting.store.reads == 0


@BOTH
def test_infinite_time_is_no_limit(waiting: Waiting, threads: ThreadPoolExecutor, wait: Wait) -> None:
    """As None is."""
    waiting.decide()
    ended = threads.submit(wait, waiting.workflow, waiting.change.id, timeout=math.inf, poll=NEVER)
    waiting.await_read()
    waiting.settle()
    assert ended.result(PATIENCE).state == State.APPROVED


# ---------------------------------------------------------------- tasks


def test_the_event_loop_runs_meanwhile(waiting: Waiting) -> None:
    """Also while the store is being read."""
    waiting.decide()
    goes_on = threading.Event()

    async def both() -> ChangeRequest:
        loop = asyncio.get_running_loop()

        def meanwhile() -> None:
            loop.call_soon_threadsafe(goes_on.set)
            assert goes_on.wait(PATIENCE)

        waiting.store.before_read = meanwhile
        task = asyncio.create_task(waiting.workflow.wait_async(waiting.change.id, timeout=None, poll=NEVER))
        await asyncio.to_thread(waiting.await_read)
        waiting.store.before_read = int
        assert not task.done()
        await asyncio.to_thread(waiting.settle)
        return await task

    assert asyncio.run(both()).state == State.APPROVED
    assert goes_on.is_set()


def test_a_task_can_be_cancelled(waiting: Waiting) -> None:
    """In its pause, and in a read; it leaves no waiter behind."""
    in_read, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        in_read.set()
        go_on.wait(PATIENCE)

    async def cancelled() -> None:
        task = asyncio.create_task(waiting.workflow.wait_async(waiting.change.id, timeout=None, poll=NEVER))
        await asyncio.to_thread(waiting.await_read)
        assert len(wakeups._waiting) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert wakeups._waiting == set()

        waiting.store.before_read = hold
        task = asyncio.create_task(waiting.workflow.wait_async(waiting.change.id, timeout=None))
        await asyncio.to_thread(in_read.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert wakeups._waiting == set()
        go_on.set()

    asyncio.run(cancelled())


def test_a_commit_does_not_fail_for_a_task_whose_loop_was_closed(waiting: Waiting) -> None:
    """The task is still there, as a program leaves it that stops its loop by force."""
    waiting.decide()
    loop = asyncio.new_event_loop()
    task = loop.create_task(waiting.workflow.wait_async(waiting.change.id, timeout=None, poll=NEVER))
    loop.run_until_complete(asyncio.wait([task], timeout=0))
    waiting.await_read()
    loop.close()
    assert len(wakeups._waiting) == 1

    waiting.settle()
    assert waiting.workflow.get(waiting.change.id).state == State.APPROVED
    assert wakeups._waiting == set()
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # else the loop logs what the test does
