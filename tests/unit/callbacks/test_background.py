"""Threads of our own for looks in the background: in order, and never waited for without a bound."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import Effect, State
from itsm_workflow.callbacks import background as of_background
from itsm_workflow.callbacks.background import Background
from itsm_workflow.change import EffectStatus
from tests.support.callback_examples import opened
from tests.support.desk import ASKED, Desk
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow import EffectCall


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """Return an event that is set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_what_is_submitted_is_done_and_what_it_raises_is_kept() -> None:
    """By threads that are known by their name."""
    background = Background(2, "look", seconds=PATIENCE)

    assert background.submit(threading.current_thread).result(PATIENCE).name.startswith("look_")
    with pytest.raises(ZeroDivisionError):
        background.submit(divmod, 1, 0).result(PATIENCE)
    assert background.submit(max, 3, 7).result(PATIENCE) == 7
    assert background.close()


def test_a_thread_that_waits_keeps_nothing_of_what_it_did() -> None:
    """A change, or a whole workflow, would stay in memory until the next callback."""

    class Argument:
        pass

    background, gone = Background(1, "look", seconds=PATIENCE), threading.Event()
    argument = Argument()
    weakref.finalize(argument, gone.set)
    background.submit(isinstance, argument, Argument).result(PATIENCE)
    del argument

    assert gone.wait(PATIENCE)
    assert background.close()


def test_closing_waits_for_what_was_submitted_and_takes_no_more() -> None:
    """Twice is fine."""
    background, go_on = Background(1, "look", seconds=PATIENCE), threading.Event()
    one, other = background.submit(go_on.wait, PATIENCE), background.submit(max, 3, 7)
    go_on.set()

    assert (background.close(), background.close()) == (True, True)
    assert (one.result(0), other.result(0)) == (True, 7)
    with pytest.raises(RuntimeError, match="cannot submit a call: the background threads are closed"):
        background.submit(max, 3, 7)


def test_nothing_is_submitted_behind_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that came behind the words that end the threads would never be done, and its future never ready."""
    background = Background(1, "look", seconds=PATIENCE)
    held: list[bool] = []
    put = background._queue.put

    def note(one: Any) -> None:  # noqa: ANN401 - whatever is queued
        held.append(background._lock.locked())
        put(one)

    queued: Any = SimpleNamespace(put=note)
    with monkeypatch.context() as patched:
        patched.setattr(background, "_queue", queued)
        background.submit(max, 3, 7)
        assert background.close()

    assert held == [True, True]


def test_a_child_has_nothing_to_wait_for() -> None:
    """Whatever state the lock was in when it was made."""
    background = Background(1, "look", seconds=PATIENCE)
    background._pid += 1
    with background._lock:
        assert background.close() is True
    background._pid -= 1
    assert background.close()


def test_closing_waits_no_longer_than_it_was_told(monkeypatch: pytest.MonkeyPatch, hanging: threading.Event) -> None:
    """The threads share one time-out: when it has passed, the remaining ones are only asked whether they are done."""
    background, waits = Background(2, "look", seconds=PATIENCE), list[float | None]()
    background.submit(hanging.wait, PATIENCE)
    join = threading.Thread.join
    monkeypatch.setattr(threading.Thread, "join", lambda _self, timeout=None: waits.append(timeout))

    background.close(0)
    monkeypatch.setattr(threading.Thread, "join", join)

    assert waits == [0.0, 0.0]


def test_closing_ends_though_something_hangs(hanging: threading.Event) -> None:
    """What was not begun is dropped; the thread that hangs ends once it can."""
    background, begun = Background(1, "look", seconds=0), threading.Event()

    def hang() -> bool:
        begun.set()
        return hanging.wait(PATIENCE)

    stuck, waiting = background.submit(hang), background.submit(max, 3, 7)
    assert begun.wait(PATIENCE)

    assert not background.close()
    with pytest.raises(CancelledError):
        waiting.result(0)
    hanging.set()
    assert stuck.result(PATIENCE)
    assert background.close(PATIENCE)


def test_threads_end_with_the_object_that_they_belong_to() -> None:
    """A host that drops its workflow without closing it keeps no threads."""
    background = Background(2, "look", seconds=PATIENCE)
    threads = background._threads
    del background
    gc.collect(1)  # what was just made; all else takes half a second

    for thread in threads:
        thread.join(PATIENCE)
    assert [thread.is_alive() for thread in threads] == [False, False]


def test_threads_end_if_one_of_them_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system had no room for it: those that were started would wait for work for good."""
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def start_one(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Background(2, "look", seconds=PATIENCE)
    gc.collect(1)  # what was just made; all else takes half a second

    started[0].join(PATIENCE)
    assert not started[0].is_alive()


def test_a_forked_child_waits_for_no_thread_of_its_parent(hanging: threading.Event) -> None:
    """They are not there."""
    background = Background(1, "look", seconds=PATIENCE)
    background.submit(hanging.wait, PATIENCE)
    pid = os.fork()
    if pid == 0:  # what a child does must not reach the test's runner
        code = 1
        try:
            with background._lock:
                code = 0 if background.close() else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    hanging.set()
    assert background.close()


EXIT = """
import threading
import time
from itsm_workflow.callbacks.background import Background

def until_closed():
    while not background._is_closed:
        time.sleep(0.001)
    time.sleep(0.2)
    print("looked")

background = Background(2, "look", seconds={seconds})
{work}
"""


@pytest.mark.parametrize(
    ("seconds", "work", "printed"),
    [
        (0.1, "background.submit(threading.Event().wait)", ""),
        (60, "background.submit(until_closed)", "looked"),
        (0.1, "background.submit(threading.Event().wait); background.close()", ""),
    ],
    ids=["hangs", "takes its time", "hung when it was closed"],
)
def test_the_exit_of_the_interpreter_waits_within_bounds(seconds: float, work: str, printed: str) -> None:
    """A look that hangs keeps no process alive; one that does not is done."""
    done = subprocess.run(
        [sys.executable, "-c", EXIT.format(seconds=seconds, work=work)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, printed, "")


SUBMITTED_AT_THE_EXIT = """
import atexit
from itsm_workflow.callbacks.background import Background

@atexit.register
def submit():
    background.submit(print, "looked")

background = Background(1, "look", seconds=60)
"""


def test_what_is_submitted_while_the_interpreter_exits_is_done() -> None:
    """The threads end when they are closed, which is what the exit does last."""
    done = subprocess.run(
        [sys.executable, "-c", SUBMITTED_AT_THE_EXIT], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "looked", "")


@pytest.mark.parametrize("after_callback", ["background", "inline"])
def test_a_look_cannot_close_what_it_runs_in(after_callback: str) -> None:
    """It would wait for itself. Nothing is closed then: later callbacks are looked into, and their result is stored."""
    desk, caught = Desk(), list[BaseException]()

    def close(_call: EffectCall) -> None:
        try:
            workflow.close()
        except RuntimeError as error:
            caught.append(error)

    workflow = desk.workflow(
        storage="memory://", after_callback=after_callback, effects={State.APPROVED: [Effect("start", close)]}
    )
    for subject in ("collector-1", "collector-2"):
        change = workflow.apply(subject=subject, **ASKED)
        assert desk.gateway.hand_over(desk.decide(change), workflow.receive)
    workflow._inbox.close()

    assert [workflow.require_approved(one).effects[0].status for one in ("collector-1", "collector-2")] == [
        EffectStatus.DELIVERED
    ] * 2
    assert [str(error).partition(":")[0] for error in caught] == [
        "close was called by an effect or an observer in a look after a callback"
    ] * 2
    workflow.close()


def test_a_workflow_closes_though_a_look_hangs(hanging: threading.Event) -> None:
    """Observers are notified, and the change stays due for another process."""
    desk, workflow, change = opened(after_callback="background")
    callback, begun = desk.decide(change), threading.Event()

    def hang() -> None:
        begun.set()
        hanging.wait(PATIENCE)

    desk.faults.meanwhile("read", hang, always=True)
    assert desk.gateway.hand_over(callback, workflow.receive)
    assert begun.wait(PATIENCE)

    workflow.close(seconds=0)

    [(change_id, error)] = desk.witness.troubles
    assert (change_id, str(error)) == (
        "",
        "looks after callbacks did not end in time; their changes stay due for the next reconcile",
    )


def test_a_process_that_has_none_any_more_ends_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that it had may be garbage by then."""
    monkeypatch.setattr(of_background, "_open", set())
    of_background._close_all()
