"""A name resolver that hangs costs each caller its time, and the process no more than a few threads."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi import deadline
from itsm_workflow.bkapi.resolver import Resolver, ResolverHangs
from itsm_workflow.errors import GatewayUnavailable
from tests.support.calls import client, endpoint
from tests.support.limits import PATIENCE
from tests.support.pids import see_pid

if TYPE_CHECKING:
    from collections.abc import Iterator

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]


class NameService:
    """Stands for the system's: hosts named ``hang…`` wait until they are let go, ``missing`` ones have no address.

    Attributes:
        asked: How often each host was looked up.
        begun: Set once a look-up has begun.
        let_go: Set to end those that hang.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()

    def __call__(self, host: str, port: int, *kinds: object) -> list[Any]:
        """Look a host up."""
        assert (port, *kinds) == (port, socket.AF_UNSPEC, socket.SOCK_STREAM)
        self.asked[host] += 1
        self.begun.release()
        if host.startswith("hang"):
            self.let_go.wait(PATIENCE)
        if "missing" in host:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return FOUND

    @property
    def threads(self) -> int:
        """How many look-ups run."""
        return sum(thread.name == "itsm-workflow-lookup" for thread in threading.enumerate())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameService]:
    """Put another name service in place of the system's."""
    service = NameService()
    monkeypatch.setattr(socket, "getaddrinfo", service)
    yield service
    service.let_go.set()
    for thread in threading.enumerate():
        if thread.name == "itsm-workflow-lookup":
            thread.join(PATIENCE)


def impatient() -> float:
    """Wait hardly at all."""
    return 0.01


def patient() -> float:
    """Wait longer than any test."""
    return 60.0


def test_names_are_found_or_not(names: NameService) -> None:
    """Nothing is remembered, and nothing stays behind."""
    resolver = Resolver()
    assert list(resolver.resolve("there", 80, patient)) == FOUND
    for _ in range(2):
        with pytest.raises(socket.gaierror, match="not known"):
            resolver.resolve("missing", 80, patient)
    assert names.asked == {"there": 1, "missing": 2}


class Waiting:
    """Patience that says when its owner begins to wait."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)

    def __call__(self) -> float:
        """Wait longer than any test."""
        self.begun.release()
        return 60.0


def test_one_thread_serves_all_who_ask_for_a_name(names: NameService) -> None:
    """They wait for the same look-up, and all of them get what it brings."""
    resolver, waiting = Resolver(threads=2), Waiting()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(resolver.resolve, "hang", 80, waiting) for _ in range(8)]
        assert all(waiting.begun.acquire(timeout=PATIENCE) for _ in range(8))
        names.let_go.set()
        assert [list(each.result(PATIENCE)) for each in asked] == [FOUND] * 8
    assert names.asked == {"hang": 1}


def test_those_who_share_a_look_up_get_an_error_each(names: NameService) -> None:
    """One error that is raised in two threads would mix their tracebacks."""
    resolver, waiting = Resolver(), Waiting()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(resolver.resolve, "hang-missing", 80, waiting) for _ in range(2)]
        assert all(waiting.begun.acquire(timeout=PATIENCE) for _ in range(2))
        names.let_go.set()
        errors = [each.exception(10) for each in asked]
    assert [type(error) for error in errors] == [socket.gaierror] * 2
    assert errors[0] is not errors[1]


def test_a_hung_resolver_leaves_few_threads(names: NameService) -> None:
    """Calls without end take no more than the bound; once all hang, a call is answered immediately."""
    resolver = Resolver(threads=3)
    for _ in range(3):
        with pytest.raises(ResolverHangs, match="gave no answer for hang in time"):
            resolver.resolve("hang", 80, impatient)
    for host in ["hang", "there"] * 10:
        with pytest.raises(ResolverHangs, match=f"3 look-ups hang, so the look-up of {host} was not started"):
            resolver.resolve(host, 80, patient)  # would exceed the test's time if it waited
    assert (names.threads, names.asked) == (3, {"hang": 3})


def test_a_resolver_that_comes_back_is_used_again(names: NameService) -> None:
    """The threads that hung end, and their places are free."""
    resolver = Resolver(threads=1)
    with pytest.raises(ResolverHangs):
        resolver.resolve("hang", 80, impatient)
    names.let_go.set()
    for thread in threading.enumerate():
        if thread.name == "itsm-workflow-lookup":
            thread.join(PATIENCE)
    assert list(resolver.resolve("there", 80, patient)) == FOUND


def test_a_caller_waits_for_a_place_while_nothing_hangs(names: NameService) -> None:
    """Many names at the same moment are no failure; a caller whose time ends first is answered then."""
    resolver, waiting = Resolver(threads=1), Waiting()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(resolver.resolve, "hang", 80, patient)
        assert names.begun.acquire(timeout=PATIENCE)
        with pytest.raises(ResolverHangs, match="the look-up of there was not started"):
            resolver.resolve("there", 80, impatient)
        second = pool.submit(resolver.resolve, "there", 80, waiting)
        assert waiting.begun.acquire(timeout=PATIENCE)
        names.let_go.set()
        assert [list(each.result(PATIENCE)) for each in (first, second)] == [FOUND, FOUND]


def test_a_caller_whose_time_is_over_does_not_wait(names: NameService) -> None:
    """Its patience raises then; the error names the resolver all the same."""

    def over() -> float:
        raise TimeoutError("the deadline has passed")

    with pytest.raises(ResolverHangs, match="gave no answer for hang in time"):
        Resolver().resolve("hang", 80, over)
    assert names.begun.acquire(timeout=PATIENCE)


def test_a_forked_child_starts_with_no_threads(names: NameService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent's look-ups hang in the parent alone."""
    resolver = Resolver(threads=1)
    with pytest.raises(ResolverHangs):
        resolver.resolve("hang", 80, impatient)
    with resolver._changed:
        see_pid(monkeypatch, "itsm_workflow.bkapi.resolver")
        with ThreadPoolExecutor(1) as pool:
            assert list(pool.submit(resolver.resolve, "there", 80, patient).result(PATIENCE)) == FOUND


def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process at its limit, or about to end: an error of the network, and the place stays free."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    resolver = Resolver(threads=1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises(ResolverHangs, match="no thread could be started to look up there"):
                resolver.resolve("there", 80, patient)


@pytest.mark.parametrize("threads", [0, -1, True, 1.5])
def test_a_bound_that_makes_no_sense(threads: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """Named where it is given."""
    with pytest.raises(ValueError, match="threads must be a whole number"):
        Resolver(threads=threads)


def test_a_call_names_the_resolver(names: NameService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, and the error says what to look at; the threads stay few whatever the number of calls."""
    monkeypatch.setattr(deadline.resolve, "__defaults__", (Resolver(threads=2),))
    ours = client("http://hang.example.com/", {"allow_http": True, "deadline": 0.05, "breaker_failures": 0})
    problems = []
    for _ in range(6):
        with pytest.raises(GatewayUnavailable) as caught:
            ours.call(endpoint())
        problems.append(str(caught.value))
    ours.close()
    assert "nothing was sent: the name resolver of this machine gave no answer for hang.example.com" in problems[0]
    assert "the name resolver of this machine does not answer: 2 look-ups hang" in problems[-1]
    assert names.threads == 2
