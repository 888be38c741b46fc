"""Many calls that are one question: in order, bounded, stopped by the first failure."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.batch import page_params
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.transport import Transport
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayRefused
from tests.support.calls import Sent, client, desk, endpoint, sent
from tests.support.fault_server import Connection, FaultServer, response, success
from tests.support.limits import PATIENCE
from tests.support.scripted import scripted_client
from tests.support.scripted import success as scripted_success

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRACE = contextvars.ContextVar("trace", default="")
ROWS: Any = list
NO_SIZES = [0, -1, True, 1.5, "2"]


def serving(act: Callable[[Sent], object]) -> Callable[[Connection], None]:
    """Return a server that answers each request with what this makes of it: bytes, or the data of a success."""

    def serve(connection: Connection) -> None:
        while raw := connection.read_request():
            answer = act(sent(raw))
            connection.send(answer if isinstance(answer, bytes) else response(success(answer)))

    return serve


def echo(request: Sent) -> object:
    """Answer with the items that were asked for."""
    return request.json["sns"]


class Meeting:
    """Holds requests back until so many are there; counts them.

    Attributes:
        most: How many were under way at once.
    """

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size)
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def __call__(self, request: Sent) -> object:
        """Wait for the others, then answer."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self._barrier.wait(PATIENCE)
        with self._lock:
            self._now -= 1
        return echo(request)


class TestBatch:
    """A long list in chunks."""

    @pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 120])
    @pytest.mark.parametrize("concurrency", [1, 4])
    def test_all_rows_in_the_list_s_order(self, count: int, concurrency: int) -> None:
        """However the calls end."""
        items = list(range(count))
        with FaultServer(serving(echo)) as server:
            ours = client(server.url)
            found = ours.batch_request(endpoint(), "sns", items, get_data=ROWS, chunk_size=10, concurrency=concurrency)
            ours.close()

        assert found == items

    def test_order_is_kept_when_the_last_answer_comes_first(self) -> None:
        """Each request waits until the one after it was answered."""
        answered = [threading.Event() for _ in range(4)]
        answered[3].set()

        def backwards(request: Sent) -> object:
            number = request.json["sns"][0]
            answered[number].wait(PATIENCE)
            if number:
                answered[number - 1].set()
            return [number]

        with FaultServer(serving(backwards)) as server:
            ours = client(server.url)
            found = ours.batch_request(endpoint(), "sns", range(4), get_data=ROWS, chunk_size=1, concurrency=4)
            ours.close()

        assert found == [0, 1, 2, 3]

    def test_so_many_at_once_and_no_more(self) -> None:
        """Three are needed to go on, so at least three are; and never four."""
        meeting = Meeting(3)
        with FaultServer(serving(meeting)) as server:
            ours = client(server.url)
            ours.batch_request(endpoint(), "sns", range(12), get_data=ROWS, chunk_size=1, concurrency=3)
            ours.close()

        assert meeting.most == 3

    def test_never_more_than_there_are_connections(self) -> None:
        """A call that waits for a connection would lose its time."""
        meeting = Meeting(2)
        with FaultServer(serving(meeting)) as server:
            ours = client(server.url, transport=Transport(pool_size=2))
            ours.batch_request(endpoint(), "sns", range(8), get_data=ROWS, chunk_size=1, concurrency=8)
            ours.close()

            assert server.connections == 2
        assert meeting.most == 2

    def test_each_call_carries_the_parameters_and_the_context(self) -> None:
        """Tenant, user and operator; the caller's own context variables, for a trace."""
        seen: list[tuple[str, str, str]] = []

        def before(params: dict[str, Any], call: Any) -> Mapping[str, Any]:  # noqa: ANN401 - the call's facts
            seen.append((TRACE.get(), call.user, threading.current_thread().name.rpartition("_")[0]))
            return params

        context = RequestContext(user="alice", tenant="t1")
        token = TRACE.set("trace-1")
        with FaultServer(serving(lambda request: [request.headers["x-bk-tenant-id"], request.json["kind"]])) as server:
            ours = client(server.url)
            made = endpoint(before_request=before)
            found = ours.batch_request(
                made, "sns", range(4), get_data=ROWS, params={"kind": "k"}, chunk_size=1, context=context
            )
            ours.close()
        TRACE.reset(token)

        assert found == ["t1", "k"] * 4
        assert seen == [("trace-1", "alice", "itsm-workflow-batch")] * 4

    def test_the_call_s_own_options_hold_for_each(self) -> None:
        """Tenant and retry; a time-out as well."""
        attempts: list[str] = []

        def busy_once(request: Sent) -> object:
            attempts.append(request.headers["x-bk-tenant-id"])
            return response(b"", status="503 Busy") if len(attempts) == 1 else echo(request)

        with FaultServer(serving(busy_once)) as server:
            ours = client(server.url)
            policy = RetryPolicy(attempts=2, wait=False)
            options: dict[str, Any] = {"tenant": "t9", "retry": policy, "timeout": 5.0, "deadline": 8.0}
            assert ours.batch_request(endpoint(), "sns", [1, 2], get_data=ROWS, chunk_size=1, **options) == [1, 2]
            ours.close()

        assert attempts == ["t9"] * 3

    def test_the_first_failure_stops_the_rest_and_names_its_chunk(self) -> None:
        """What has not begun does not begin."""
        begun: list[int] = []

        def refuse(request: Sent) -> object:
            begun.append(request.json["sns"][0])
            if request.json["sns"][0] == 20:
                return response({"result": False, "code": 7, "message": "no", "data": None})
            return echo(request)

        with FaultServer(serving(refuse)) as server:
            ours = client(server.url)
            with pytest.raises(GatewayRefused) as caught:
                ours.batch_request(endpoint(), "sns", range(1000), get_data=ROWS, chunk_size=10, concurrency=2)
            ours.close()

        assert caught.value.chunk == range(20, 30)
        assert caught.value.__notes__ == ["in the chunk of items 20 to 29"]
        assert len(begun) < 90

    @pytest.mark.parametrize("concurrency", [1, 4])
    def test_what_get_data_raises_comes_through(self, concurrency: int) -> None:
        """It is the caller's own error; the note says where."""
        with desk({"rows": []}) as here, pytest.raises(KeyError) as caught:
            here.client.batch_request(
                endpoint(), "sns", range(4), get_data=lambda data: data["row"], chunk_size=2, concurrency=concurrency
            )
        assert caught.value.__notes__[0].startswith("in the chunk of items ")

    @pytest.mark.parametrize("concurrency", [1, 4])
    def test_progress_is_told_in_the_caller_s_thread(self, concurrency: int) -> None:
        """After each chunk, how many items are done."""
        told: list[tuple[int, int, str]] = []

        def progress(done: int, total: int) -> None:
            told.append((done, total, threading.current_thread().name))

        with FaultServer(serving(echo)) as server:
            ours = client(server.url)
            ours.batch_request(
                endpoint(), "sns", range(25), get_data=ROWS, chunk_size=10, concurrency=concurrency, progress=progress
            )
            ours.close()

        here = threading.current_thread().name
        assert [total for _, total, _ in told] == [25, 25, 25]
        assert told[-1] == (25, 25, here)
        assert sorted(done for done, _, _ in told) == [done for done, _, _ in told]

    def test_progress_follows_the_call(self) -> None:
        """One after the other, too: what is told to be done is done."""
        answered: list[int] = []
        told: list[tuple[int, int]] = []

        def act(request: Sent) -> object:
            answered.append(len(request.json["sns"]))
            return request.json["sns"]

        with FaultServer(serving(act)) as server:
            ours = client(server.url)
            ours.batch_request(
                endpoint(),
                "sns",
                range(5),
                get_data=ROWS,
                chunk_size=2,
                concurrency=1,
                progress=lambda done, _: told.append((done, sum(answered))),
            )
            ours.close()

        assert told == [(2, 2), (4, 4), (5, 5)]

    def test_progress_can_stop_it(self) -> None:
        """By raising, as a person's Ctrl-C would."""

        def progress(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with FaultServer(serving(echo)) as server:
            ours = client(server.url)
            with pytest.raises(KeyboardInterrupt):
                ours.batch_request(endpoint(), "sns", range(500), get_data=ROWS, chunk_size=1, progress=progress)
            ours.close()

    @pytest.mark.parametrize("size", NO_SIZES)
    @pytest.mark.parametrize("name", ["chunk_size", "concurrency"])
    def test_sizes_that_make_no_sense(self, name: str, size: object) -> None:
        """The error names which; nothing is sent."""
        ours, transport = scripted_client(lambda _: b"")
        wrong: dict[str, Any] = {name: size}
        with pytest.raises(ValueError, match=f"^{name} must be a whole number of at least 1, not {size!r}$"):
            ours.batch_request(endpoint(), "sns", [1], get_data=ROWS, **wrong)

        assert transport.requests == []

    def test_the_items_cannot_be_given_twice(self) -> None:
        """One of them would be lost."""
        with pytest.raises(ValueError, match="search: 'sns' receives the items of each call"):
            client().batch_request(endpoint(), "sns", [1], get_data=ROWS, params={"sns": [2]})


def pages(total: int, seen: list[Any]) -> Callable[[Sent], object]:
    """Return a search that finds so many rows, in each style of paging."""

    def search(request: Sent) -> object:
        if request.method == "GET":
            asked = {key: int(values[0]) for key, values in request.query.items() if key != "bklog_request_id"}
            start, size = asked["offset"], asked["limit"]
        elif isinstance(request.json["page"], dict):
            asked = request.json
            start, size = asked["page"]["start"], asked["page"]["limit"]
        else:
            asked = request.json
            start, size = (asked["page"] - 1) * asked["pagesize"], asked["pagesize"]
        seen.append(asked)
        return {"count": total, "info": list(range(total))[start : start + size]}

    return search


PAGED: dict[str, Any] = {"get_data": lambda data: data["info"], "get_count": lambda data: data["count"]}


class TestBulk:
    """All pages of a search."""

    @pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 57])
    @pytest.mark.parametrize(
        "style", [{"method": "GET"}, {"method": "POST"}, {"method": "POST", "pagination_style": "page-number"}]
    )
    def test_all_rows_in_order(self, total: int, style: dict[str, Any]) -> None:
        """In both styles; the last page as well, whatever is left for it."""
        seen: list[Any] = []
        with FaultServer(serving(pages(total, seen))) as server:
            ours = client(server.url)
            assert ours.bulk_request(endpoint(**style), page_size=10, **PAGED) == list(range(total))
            ours.close()

        assert len(seen) == max(1, -(-total // 10))

    def test_how_pages_are_asked_for(self) -> None:
        """As the platform's interfaces have it."""
        by_number = endpoint(pagination_style="page-number")
        assert page_params(endpoint(), 2, 50, "pagesize") == {"page": {"start": 100, "limit": 50}}
        assert page_params(endpoint(method="GET"), 2, 50, "pagesize") == {"offset": 100, "limit": 50}
        assert page_params(by_number, 2, 50, "pagesize") == {"page": 3, "pagesize": 50}
        assert page_params(by_number, 0, 50, "page_size") == {"page": 1, "page_size": 50}

    def test_the_search_goes_along_with_each_page(self) -> None:
        """And the progress counts pages."""
        seen: list[Any] = []
        told: list[tuple[int, int]] = []
        with FaultServer(serving(pages(25, seen))) as server:
            ours = client(server.url)
            ours.bulk_request(
                endpoint(),
                {"kind": "k"},
                page_size=10,
                progress=lambda done, total: told.append((done, total)),
                **PAGED,
            )
            ours.close()

        assert [asked["kind"] for asked in seen] == ["k"] * 3
        assert told == [(1, 3), (2, 3), (3, 3)]

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            ({"count": -1, "info": []}, "the count of rows is not a whole number"),
            ({"count": "5", "info": []}, "the count of rows is not a whole number"),
            ({"count": True, "info": []}, "the count of rows is not a whole number"),
            ({"count": 10**9, "info": list(range(10))}, "more than 1000 pages of 10: narrow the search"),
            ({"count": 50, "info": list(range(5))}, "has 5 of 50 rows, not 10: set page_size to at most 5"),
        ],
    )
    def test_a_first_page_that_cannot_be(self, data: object, words: str) -> None:
        """Rows would be missing, or there would be no end."""
        with desk(data) as here:
            with pytest.raises(GatewayProtocolError, match=words) as caught:
                here.client.bulk_request(endpoint(), page_size=10, **PAGED)
            assert caught.value.chunk == range(10)
            assert len(here.raw) == 1

    def test_a_later_page_that_fails_is_named(self) -> None:
        """By the rows that are missing."""

        def third_breaks(request: Sent) -> object:
            start = request.json["page"]["start"]
            return response(b"", status="500 No") if start == 20 else {"count": 40, "info": list(range(10))}

        with FaultServer(serving(third_breaks)) as server:
            ours = client(server.url)
            with pytest.raises(GatewayError) as caught:
                ours.bulk_request(endpoint(), page_size=10, **PAGED)
            ours.close()

        assert caught.value.chunk == range(20, 30)

    @pytest.mark.parametrize(
        ("style", "taken"),
        [
            ({}, "page"),
            ({"method": "GET"}, "offset"),
            ({"method": "GET"}, "limit"),
            ({"pagination_style": "page-number"}, "page"),
            ({"pagination_style": "page-number"}, "pagesize"),
        ],
    )
    def test_the_page_cannot_be_asked_for_twice(self, style: dict[str, Any], taken: str) -> None:
        """It would be the same page again and again; nothing is sent."""
        ours, transport = scripted_client(lambda _: b"")
        with pytest.raises(ValueError, match=f"search: {taken!r} selects the page of each call"):
            ours.bulk_request(endpoint(**style), {taken: 1}, **PAGED)

        assert transport.requests == []

    @pytest.mark.parametrize("size", NO_SIZES)
    @pytest.mark.parametrize("name", ["page_size", "max_pages", "concurrency"])
    def test_sizes_that_make_no_sense(self, name: str, size: object) -> None:
        """The error names which; nothing is sent."""
        ours, transport = scripted_client(lambda _: b"")
        wrong: dict[str, Any] = {name: size}
        with pytest.raises(ValueError, match=f"^{name} must be a whole number of at least 1, not {size!r}$"):
            ours.bulk_request(endpoint(), **PAGED, **wrong)

        assert transport.requests == []

    def test_as_many_pages_as_are_allowed(self) -> None:
        """One row more is refused."""
        ours, _ = scripted_client(lambda _: scripted_success({"count": 4, "info": [1, 2]}))

        assert ours.bulk_request(endpoint(), page_size=2, max_pages=2, **PAGED) == [1, 2, 1, 2]
        with pytest.raises(
            GatewayProtocolError, match="the search finds 4 rows, more than 1 pages of 2: narrow the search"
        ):
            ours.bulk_request(endpoint(), page_size=2, max_pages=1, **PAGED)
