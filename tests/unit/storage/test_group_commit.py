"""Group commit: threads share a transaction, and each has its own results, errors and time-out."""

from __future__ import annotations

import linecache
import os
import sys
import threading
import time
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import group_commit
from itsm_workflow.storage.group_commit import GroupCommit
from itsm_workflow.storage.protocol import Conflict, ConflictKind
from itsm_workflow.testing.conformance._rows import create
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from itsm_workflow.storage.group_commit import Batch, Group, Results

    TraceFunction = Callable[[FrameType, str, Any], Any]


@attrs.define
class Store:
    """A store in memory, in which a test holds or breaks a transaction.

    Attributes:
        ids: The ids of the stored changes.
        groups: The ids of each transaction that was begun.
        before: Called with a group whose batches were not read.
        between: Called with each batch.
        after: Called with the number of the group when all of it was stored.
    """

    ids: Counter[str] = attrs.field(factory=Counter)
    groups: list[list[str]] = attrs.field(factory=list)
    before: Callable[[Group], object] = lambda _: None
    between: Callable[[Batch], object] = lambda _: None
    after: Callable[[int], object] = lambda _: None
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    def __call__(self, group: Group) -> list[Results]:
        """Store a group."""
        with self.lock:
            self.before(group)
            ids: list[str] = []
            self.groups.append(ids)
            results = [self._one(batch, ids) for batch in group]
            self.ids.update(ids)
            self.after(len(self.groups))
            return results

    def _one(self, batch: Batch, ids: list[str]) -> Results:
        results: Results = []
        for write in batch:
            is_held = write.row.id in self.ids
            results.append(Conflict(kind=ConflictKind.VERSION, change_id=write.row.id) if is_held else None)
            ids += [] if is_held else [write.row.id]
        self.between(batch)
        return results


class Calls:
    """Threads that commit one batch each, and what each of them got."""

    def __init__(self, commits: GroupCommit) -> None:
        """Begin without threads."""
        self.commits = commits
        self.threads: list[threading.Thread] = []
        self.got: dict[str, Any] = {}

    def add(self, *ids: str) -> None:
        """Begin a thread, and wait until it leads or waits."""

        def commit() -> None:
            try:
                self.got[ids[0]] = self.commits.commit([create(each) for each in ids])
            except BaseException as error:  # noqa: BLE001  # it is looked at by the test
                self.got[ids[0]] = error

        begun = len(self.commits._waiting)
        has_leader = self.commits._leader is not None
        thread = threading.Thread(target=commit)
        thread.start()
        self.threads.append(thread)
        while self.commits._leader is None if not has_leader else len(self.commits._waiting) == begun:
            threading.Event().wait(0.001)

    def join(self) -> dict[str, Any]:
        """Wait for all threads, and return what they got."""
        for thread in self.threads:
            thread.join(PATIENCE)
        return self.got


@pytest.fixture
def store() -> Store:
    """Return an empty store."""
    return Store()


@pytest.fixture
def commits(store: Store) -> GroupCommit:
    """Return the commits to the store, with a time-out that no test reaches."""
    return GroupCommit(store, where="the store", timeout=PATIENCE)


def _held(store: Store) -> threading.Event:
    """Hold the first transaction, before it takes waiting batches, until the event is set."""
    go = threading.Event()
    store.before = lambda _: go.wait(PATIENCE) if not store.groups else None
    return go


# ---------------------------------------------------------------- sharing


def test_a_lone_caller_stores_its_batch(store: Store, commits: GroupCommit) -> None:
    """With its own results, in its own order."""
    assert commits.commit([create("c1")]) == [None]
    assert commits.commit([create("c2"), create("c1")]) == [
        None,
        Conflict(kind=ConflictKind.VERSION, change_id="c1"),
    ]
    assert commits.commit([]) == []
    assert store.groups == [["c1"], ["c2"], []]


def test_the_error_of_a_lone_caller_is_raised_as_it_is(store: Store, commits: GroupCommit) -> None:
    """Before or after its batch was stored; the next commit is not affected."""
    for place in ("before", "between", "after"):
        error = OSError(place)

        def fail(_: object, error: OSError = error) -> None:
            raise error

        setattr(store, place, fail)
        with pytest.raises(OSError, match=place) as raised:
            commits.commit([create(place)])
        assert raised.value is error
        setattr(store, place, lambda _: None)
        assert commits.commit([create(f"{place} again")]) == [None]


def test_threads_share_a_transaction(store: Store, commits: GroupCommit) -> None:
    """All that wait when a leader has the locks; each gets the results of its batch."""
    go, calls = _held(store), Calls(commits)
    for name in ("c1", "c2", "c3"):
        calls.add(name, f"{name} too")
    go.set()
    assert calls.join() == {name: [None, None] for name in ("c1", "c2", "c3")}
    assert store.groups == [["c1", "c1 too", "c2", "c2 too", "c3", "c3 too"]]


def test_a_conflict_is_that_of_one_caller(store: Store, commits: GroupCommit) -> None:
    """The others of its group are stored."""
    commits.commit([create("held")])
    go, calls = threading.Event(), Calls(commits)
    store.before = lambda _: go.wait(PATIENCE)
    for name in ("c1", "held", "c2"):
        calls.add(name)
    go.set()
    conflict = Conflict(kind=ConflictKind.VERSION, change_id="held")
    assert calls.join() == {"c1": [None], "held": [conflict], "c2": [None]}
    assert store.groups == [["held"], ["c1", "c2"]]


def test_two_writes_of_one_change_do_not_share_a_transaction(store: Store, commits: GroupCommit) -> None:
    """The second is stored by the next leader, and those after it are not kept."""
    go, calls = _held(store), Calls(commits)
    calls.add("c1")
    calls.add("c2", "c1")
    calls.add("c3")
    calls.add("c4", "c3")
    go.set()
    got = calls.join()
    assert store.groups == [["c1", "c3"], ["c2", "c4"]]
    assert [result and result.change_id for result in got["c2"] + got["c4"]] == [None, "c1", None, "c3"]


def test_a_group_has_a_limit(store: Store, commits: GroupCommit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader of a group must return; the next leader takes those that are left."""
    monkeypatch.setattr(group_commit, "MOST_WRITES", 3)
    go, calls = _held(store), Calls(commits)
    for number in range(5):
        calls.add(f"c{number}")
    go.set()
    calls.join()
    assert store.groups == [["c0", "c1", "c2"], ["c3", "c4"]]


# ---------------------------------------------------------------- failures


def test_a_batch_that_raises_fails_alone(store: Store, commits: GroupCommit) -> None:
    """Its caller gets the error; every other batch of the group is stored, also that of the leader."""

    def fail(batch: Batch) -> None:
        if batch[0].row.id == "wrong":
            raise ValueError("wrong")

    go, calls = _held(store), Calls(commits)
    store.between = fail
    for name in ("c1", "wrong", "c2"):
        calls.add(name)
    go.set()
    got = calls.join()
    assert (got["c1"], got["c2"], str(got["wrong"])) == ([None], [None], "wrong")
    assert store.ids == {"c1": 1, "c2": 1}


def _fail_first(error: BaseException) -> Callable[[int], None]:
    def fail(number: int) -> None:
        if number == 1:
            raise error

    return fail


@pytest.mark.parametrize("error", [OSError("no space"), KeyboardInterrupt(), SystemExit()], ids=repr)
def test_a_leader_that_fails_when_all_may_be_stored(store: Store, commits: GroupCommit, error: BaseException) -> None:
    """Each follower gets an error of its own, and must read again; the leader gets what was raised."""
    go, calls = _held(store), Calls(commits)
    store.after = _fail_first(error)
    for name in ("c1", "c2", "c3"):
        calls.add(name)
    go.set()
    got = calls.join()
    assert got["c1"] is error
    assert got["c2"] is not got["c3"]
    for name in ("c2", "c3"):
        assert isinstance(got[name], StorageUnavailable)
        assert "failed; whether it was stored is unknown: read again" in str(got[name])
        assert got[name].__cause__ is (error if isinstance(error, OSError) else None)
    assert commits.commit([create("c4")]) == [None]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()], ids=repr)
def test_a_leader_that_is_interrupted_when_nothing_is_stored(
    store: Store, commits: GroupCommit, error: BaseException
) -> None:
    """The followers store their batches by themselves."""

    def fail(batch: Batch) -> None:
        if batch[0].row.id == "c2":
            store.between = lambda _: None
            raise error

    go, calls = _held(store), Calls(commits)
    store.between = fail
    for name in ("c1", "c2", "c3"):
        calls.add(name)
    go.set()
    got = calls.join()
    assert (got["c1"], got["c2"], got["c3"]) == (error, [None], [None])
    assert store.ids == {"c2": 1, "c3": 1}


def test_an_interrupt_at_any_line_leaves_no_caller_waiting(store: Store) -> None:
    """The lead is passed on, so that the next commit does not wait for a leader that does not exist.

    Python does not interrupt a ``with`` statement while it takes or releases a lock, so these lines are left out.
    """
    interrupted, line = 0, 0
    while interrupted == line:
        line += 1
        commits, count = GroupCommit(store, where="the store", timeout=PATIENCE), 0

        def trace(frame: FrameType, event: str, _: object, *, at: int = line) -> TraceFunction | None:
            nonlocal count
            if frame.f_code.co_filename != group_commit.__file__:
                return None
            if event == "line" and "with " not in linecache.getline(group_commit.__file__, frame.f_lineno):
                count += 1
                if count == at:
                    sys.settrace(None)
                    raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            commits.commit([create(f"c{line}")])
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            sys.settrace(before)
        assert not commits._mutex.locked(), line
        assert commits._leader is None, line
    assert interrupted > 20


def test_an_interrupt_of_a_caller_that_waits_withdraws_its_batch(
    store: Store, commits: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not stored later, by a leader that does not know that its caller has gone."""

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if timeout is not None and threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt
            return super().wait(timeout)

    go, calls = _held(store), Calls(commits)
    calls.add("c1")
    monkeypatch.setattr(threading, "Event", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        commits.commit([create("c2")])
    go.set()
    assert calls.join() == {"c1": [None]}
    assert store.ids == {"c1": 1}


# ---------------------------------------------------------------- waiting


def test_a_caller_that_waits_too_long_stores_nothing(store: Store) -> None:
    """Neither now nor later."""
    commits = GroupCommit(store, where="the store", timeout=0.05)
    go, calls = _held(store), Calls(commits)
    calls.add("c1")
    with pytest.raises(
        StorageUnavailable, match=r"the store: other threads .* for 0\.05 s; nothing was stored: try"
    ) as raised:
        commits.commit([create("c2")])
    go.set()
    assert vars(raised.value)["path"] == "the store"
    assert calls.join() == {"c1": [None]}
    assert store.groups == [["c1"]]


def test_a_caller_whose_leader_does_not_end_gets_an_unknown_outcome(store: Store) -> None:
    """After a second time-out, because the leader already has the locks; it is the leader that stores the batch."""
    commits = GroupCommit(store, where="the store", timeout=0.2)
    taken, go, calls = _held(store), threading.Event(), Calls(commits)
    store.after = lambda _: go.wait(PATIENCE)
    calls.add("c1")
    calls.add("c2")
    taken.set()
    calls.threads[1].join(PATIENCE)
    assert "does not end; whether it was stored is unknown: read again" in str(calls.got["c2"])
    go.set()
    assert calls.join()["c1"] == [None]
    assert store.ids == {"c1": 1, "c2": 1}


def test_a_caller_whose_time_is_over_while_its_batch_is_stored_gets_its_results(
    store: Store, commits: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader has the locks by then, so the outcome will be known."""
    go, taken, waits_again = _held(store), threading.Event(), threading.Event()

    class TimeOver(threading.Event):
        waits = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.waits += 1
            if self.waits == 1:
                return not taken.wait(PATIENCE)
            waits_again.set()
            return super().wait(timeout)

    def store_slowly(_: int) -> None:
        taken.set()
        waits_again.wait(PATIENCE)

    store.after = store_slowly
    calls = Calls(commits)
    calls.add("c1")
    with monkeypatch.context() as late:
        late.setattr(group_commit, "threading", SimpleNamespace(Event=TimeOver))
        calls.add("c2")
    go.set()
    assert calls.join() == {"c1": [None], "c2": [None]}


def test_the_time_of_waiting_counts_for_the_locks(store: Store, commits: GroupCommit) -> None:
    """A leader that has waited gets a deadline of its own, from when it was called."""
    groups: list[tuple[bool, float]] = []
    go, calls = threading.Event(), Calls(commits)

    def hold(group: Group) -> None:
        groups.append((group.has_waited, group.deadline - PATIENCE))
        go.wait(PATIENCE)

    store.before = hold
    calls.add("c1", "c2")
    before = time.monotonic()
    calls.add("c2")
    after = time.monotonic()
    go.set()
    calls.join()
    assert [has_waited for has_waited, _ in groups] == [False, True]
    assert groups[0][1] <= before <= groups[1][1] + 1e-6
    assert groups[1][1] <= after + 1e-6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_begins_without_the_callers_of_its_parent(store: Store, commits: GroupCommit) -> None:
    """They do not exist in it, although one of them leads and another one has the lock."""
    go, calls = _held(store), Calls(commits)
    for name in ("c1", "c2"):
        calls.add(name)
    with commits._mutex:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                store.lock, store.groups = threading.Lock(), [[]]
                code = 0 if commits.commit([create("c3")]) == [None] and store.groups == [[], ["c3"]] else 2
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    go.set()
    assert calls.join() == {"c1": [None], "c2": [None]}


# ---------------------------------------------------------------- everything together

FAILURES = st.sampled_from(["", "", "", "before", "between", "after", "interrupt between", "interrupt after"])


def _failing(failures: list[str]) -> Store:
    """Return a store of which each transaction fails as the next item says, and then no more."""
    store, planned, failing = Store(), iter(failures), ""

    def before(_: Group) -> None:
        nonlocal failing
        failing = next(planned, "")
        at("before")

    def at(place: str) -> None:
        if failing == place:
            raise OSError("unknown" if place == "after" else "nothing was stored")
        if failing == f"interrupt {place}":
            raise KeyboardInterrupt

    store.before, store.between, store.after = before, lambda _: at("between"), lambda _: at("after")
    return store


def _outcome(commits: GroupCommit, name: str) -> str:
    try:
        assert commits.commit([create(name)]) == [None]
    except (OSError, StorageUnavailable) as error:
        return "absent" if "nothing was stored" in str(error) else "unknown"
    except KeyboardInterrupt:
        return "unknown"
    return "stored"


@settings(max_examples=25, deadline=None)
@given(failures=st.lists(FAILURES, min_size=1, max_size=30), count=st.integers(2, 6))
def test_each_caller_gets_the_outcome_of_its_own_batch(failures: list[str], count: int) -> None:
    """Whatever fails where: what was reported as stored is stored once, and what was reported as not stored is not."""
    store = _failing(failures)
    commits = GroupCommit(store, where="the store", timeout=PATIENCE)
    outcomes: dict[str, str] = {}

    def run(number: int) -> None:
        for name in [f"{number}-{turn}" for turn in range(8)]:
            outcomes[name] = _outcome(commits, name)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert {name: store.ids[name] for name, outcome in outcomes.items() if outcome == "stored"} == {
        name: 1 for name, outcome in outcomes.items() if outcome == "stored"
    }
    assert [name for name, outcome in outcomes.items() if outcome == "absent" and store.ids[name]] == []
    assert (len(outcomes), max(store.ids.values(), default=1)) == (8 * count, 1)
    assert (commits._leader, list(commits._waiting)) == (None, [])
