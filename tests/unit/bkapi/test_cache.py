"""Answers that are remembered: for whom, how long, how many."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.bkapi.cache import MAX_BYTES, AnswerCache
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.transport import HttpRequest, HttpResponse
from itsm_workflow.errors import GatewayError, GatewayRefused
from itsm_workflow.secrets import Secret
from tests.support.calls import desk, endpoint
from tests.support.fault_server import response
from tests.support.pids import see_pid

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.endpoint import Endpoint

CACHED: Endpoint[Any] = endpoint(method="GET", cache_time=60)
REFUSED = response({"result": False, "code": 1, "message": "no", "data": None})


class TestCalls:
    """What a client remembers."""

    def test_a_second_call_is_not_sent(self) -> None:
        """And gets values of its own: what one caller does to them, no other sees."""
        with desk([{"id": 1}]) as here:
            first = here.client.call(CACHED, {"a": 1})
            first[0]["id"] = 2
            second = here.client.call(CACHED, {"a": 1})

            assert second == [{"id": 1}]
            assert len(here.raw) == 1

    @pytest.mark.parametrize(
        ("params", "context"),
        [
            ({"a": 2}, RequestContext(user="alice")),
            ({"a": 1, "b": 2}, RequestContext(user="alice")),
            ({"a": 1}, RequestContext(user="bob")),
            ({"a": 1}, RequestContext(user="alice", tenant="t2")),
            ({"a": 1}, RequestContext(user="alice", language="en")),
            ({"a": 1}, RequestContext(user="alice", bk_token=Secret("t"))),
            ({"a": 1}, RequestContext(user="alice", access_token=Secret("t"))),
        ],
    )
    def test_nobody_gets_another_s_answer(self, params: dict[str, Any], context: RequestContext) -> None:
        """The key is endpoint, parameters, user, tenant, language and login."""
        with desk("alice's", "another") as here:
            here.client.call(CACHED, {"a": 1}, context=RequestContext(user="alice"))

            assert here.client.call(CACHED, params, context=context) == "another"
            assert here.client.call(CACHED, {"a": 1}, context=RequestContext(user="alice")) == "alice's"
            assert len(here.raw) == 2

    def test_another_endpoint_has_another_answer(self) -> None:
        """Its address is part of the key, and so are the parameters in headers."""
        other = endpoint(method="GET", cache_time=60, url="other/")
        by_header = endpoint(method="GET", cache_time=60, header_keys=("X-Space",))
        with desk(1, 2, 3, 4) as here:
            found = [
                here.client.call(CACHED),
                here.client.call(other),
                here.client.call(by_header, {"X-Space": "a"}),
                here.client.call(by_header, {"X-Space": "b"}),
                here.client.call(by_header, {"X-Space": "a"}),
            ]

        assert found == [1, 2, 3, 4, 3]

    def test_an_answer_is_forgotten_in_time(self) -> None:
        """After the endpoint's seconds."""
        now = [0.0]
        cache = AnswerCache(monotonic=lambda: now[0])
        with desk(1, 2, cache=cache) as here:
            found = []
            for now[0] in (0.0, 59.9, 60.1):
                found.append(here.client.call(CACHED))

        assert found == [1, 1, 2]

    @pytest.mark.parametrize("first", [REFUSED, response(b"", status="500 No"), response(b"no JSON")])
    def test_only_a_success_is_remembered(self, first: bytes) -> None:
        """A failure may pass."""
        with desk(first, 2) as here:
            with pytest.raises(GatewayError):
                here.client.call(CACHED)

            assert here.client.call(CACHED) == 2

    def test_a_hook_that_refuses_is_asked_anew(self) -> None:
        """What counts is the response, not the bytes."""

        def after(envelope: dict[str, Any]) -> dict[str, Any]:
            return {**envelope, "result": envelope["data"] == "good", "code": 1}

        hooked = endpoint(method="GET", cache_time=60, after_request=after)
        with desk("bad", "good") as here:
            with pytest.raises(GatewayRefused):
                here.client.call(hooked)

            assert here.client.call(hooked) == "good"

    def test_nothing_is_remembered_unasked(self) -> None:
        """By default each call is sent; and after closing, nothing is known."""
        with desk(1, 2, 3, 4) as here:
            assert [here.client.call(endpoint(method="GET")) for _ in range(2)] == [1, 2]
            assert here.client.call(CACHED) == 3
            here.client.close()
            assert here.client.call(CACHED) == 4

    def test_the_record_says_so(self) -> None:
        """No attempt was made; status and code are those of the answer that came."""
        records: list[Any] = []
        with desk([1], observers=[records.append]) as here:
            here.client.call(CACHED)
            here.client.call(CACHED)

        assert [(record.cached, record.attempts, record.outcome, record.status, record.code) for record in records] == [
            (False, 1, "success", 200, 0),
            (True, 0, "success", 200, 0),
        ]


def request(**given: Any) -> HttpRequest:
    """Return a request."""
    fixed: dict[str, Any] = {
        "endpoint": "e",
        "request_id": "r",
        "method": "GET",
        "url": "http://127.0.0.1/",
        "headers": {"X-Bkapi-Authorization": Secret("canary-1"), "X-Request-Id": "r"},
        "body": None,
        "connect_timeout": 1.0,
        "read_timeout": 1.0,
        "deadline": 1.0,
    }
    return HttpRequest(**fixed | given)


def answer(size: int) -> HttpResponse:
    """Return an answer of that many bytes."""
    return HttpResponse(status=200, headers=MappingProxyType({}), body=b"x" * size, elapsed=0.0)


class Guarded:
    """Stands in for the kept answers, and fails if it is used without the lock."""

    def __init__(self, cache: AnswerCache) -> None:
        self.cache = cache
        self.seen: list[str] = []

    def _use(self, what: str) -> None:
        assert self.cache._lock.locked()
        self.seen.append(what)

    def get(self, _: bytes) -> None:
        """Find nothing."""
        self._use("get")

    def __setitem__(self, _: bytes, entry: object) -> None:
        self._use("set")

    def clear(self) -> None:
        """Forget nothing."""
        self._use("clear")


class Forbidden:
    """Stands in for a lock that must not be taken."""

    was_entered = False

    def __enter__(self) -> None:
        self.was_entered = True

    def __exit__(self, *_: object) -> None:
        pass


class TestKept:
    """How much is kept."""

    def test_the_oldest_go_when_the_bytes_are_used_up(self) -> None:
        """Memory stays bounded."""
        cache = AnswerCache(max_bytes=10_000)
        for number in range(50):
            cache.put(b"%d" % number, answer(1000), 60)

        kept = [number for number in range(50) if cache.get(b"%d" % number)]
        assert kept == list(range(44, 50))

    def test_the_bytes_that_are_kept_by_default(self) -> None:
        """Of all answers together."""
        assert MAX_BYTES == 8 << 20

    def test_an_answer_that_is_too_large_is_not_kept(self) -> None:
        """And pushes nothing out."""
        cache = AnswerCache(max_bytes=2000)
        cache.put(b"small", answer(10), 60)
        cache.put(b"large", answer(2000), 60)

        assert cache.get(b"small") is not None
        assert cache.get(b"large") is None

    def test_an_answer_that_just_fits_is_kept(self) -> None:
        """With what an entry costs besides its body."""
        cache = AnswerCache(max_bytes=2000)
        cache.put(b"fits", answer(2000 - 512), 60)
        cache.put(b"too large", answer(2000 - 511), 60)

        assert cache.get(b"fits") is not None
        assert cache.get(b"too large") is None

    def test_every_access_holds_the_lock(self) -> None:
        """The mapping inside is not made for threads: each access moves entries about."""
        cache = AnswerCache()
        guarded = Guarded(cache)
        cache._kept = guarded  # type: ignore[assignment]  # stands in for it

        cache.put(b"k", answer(1), 60)
        cache.get(b"k")
        cache.clear()

        assert guarded.seen == ["set", "get", "clear"]

    def test_a_key_tells_nothing_and_is_this_process_s_own(self) -> None:
        """Secrets went into it."""
        key = AnswerCache().key(request(), "u")

        assert len(key) == 32
        assert key != AnswerCache().key(request(), "u")

    def test_a_key_leaves_out_the_call_s_id_and_nothing_else(self) -> None:
        """Parts cannot run into each other either."""
        cache = AnswerCache()
        first = cache.key(request(), "u")
        headers = {"X-Bkapi-Authorization": Secret("canary-1"), "X-Request-Id": "another", "X-DATA-REQUEST-ID": "a"}

        assert cache.key(request(headers=headers), "u") == first
        assert cache.key(request(headers={**headers, "X-A": "b"}), "u") != first
        assert cache.key(request(headers={**headers, "X-Bkapi-Authorization": Secret("other")}), "u") != first
        assert cache.key(request(method="GETu"), "") != cache.key(request(method="GET"), "u")

    def test_a_forked_process_starts_with_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thread that the fork left behind may hold the lock for ever."""
        cache = AnswerCache()
        cache.put(b"k", answer(10), 60)
        cache._lock.acquire()
        see_pid(monkeypatch, "itsm_workflow.bkapi.cache")

        assert cache.get(b"k") is None
        cache.put(b"k", answer(10), 60)
        assert cache.get(b"k") == answer(10)

    @pytest.mark.parametrize("first", [lambda cache: cache.put(b"k", answer(10), 60), AnswerCache.clear])
    def test_a_forked_process_that_writes_first_waits_for_no_one(
        self, monkeypatch: pytest.MonkeyPatch, first: Callable[[AnswerCache], None]
    ) -> None:
        """The lock that the fork left behind is never taken."""
        cache = AnswerCache()
        left_behind = Forbidden()
        cache._lock = left_behind  # type: ignore[assignment]  # stands in for it
        see_pid(monkeypatch, "itsm_workflow.bkapi.cache")

        first(cache)
        assert not left_behind.was_entered

    def test_answers_are_values(self) -> None:
        """Nothing of a reader's can change one."""
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            answer(1).body = b""  # type: ignore[misc] # the point
