"""Long lists: results are asked for in batches, searches are read page by page, and nothing is lost or made up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from itsm_workflow.errors import GatewayProtocolError
from itsm_workflow.gateway.bk_itsm.form import title_suffix
from itsm_workflow.gateway.bk_itsm.reader import BATCH
from itsm_workflow.gateway.bk_itsm.search import MAX_PAGES, PAGE_SIZE
from tests.support.gateways import sent, ticket
from tests.support.scripted import asked, scripted_gateway, success

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from itsm_workflow.bkapi.transport import HttpRequest

MINE = sent(title="t")
TITLE = f"t{title_suffix(MINE.attempt.key)}"


def sn(number: int) -> str:
    """Return a ticket's number."""
    return f"REQ20261125{number:06}"


def result(ticket_id: int, number: int, **given: object) -> dict[str, Any]:
    """Return a row of ticket_approval_result."""
    url = f"https://itsm.example.com/#/ticket/detail?id={ticket_id}"
    return {"sn": sn(number), "ticket_url": url, "current_status": "FINISHED", "approve_result": True, **given}


def row(ticket_id: int) -> dict[str, Any]:
    """Return a row of get_tickets that carries our key."""
    return {"id": ticket_id, "sn": sn(ticket_id), "title": TITLE, "creator": "alice", "current_status": "RUNNING"}


# What a server may make of one ticket that it is asked about: rows by ticket id and number, from its own.
FATES: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "told": lambda n: [result(n, n)],
    "left out": lambda _: [],
    "doubled": lambda n: [result(n, n), result(n, n)],
    "told in two ways": lambda n: [result(n, n), result(n, n, approve_result=False)],
    "beside another ticket of its number": lambda n: [result(n + 5000, n), result(n, n)],
    "mistaken for another ticket": lambda n: [result(n + 5000, n)],
    "under another number": lambda n: [result(n, n + 5000)],
    "in lower case": lambda n: [result(n, n, sn=sn(n).lower())],
    "without an id": lambda n: [result(n, n, ticket_url="https://itsm.example.com/")],
}
KNOWN = {"told", "doubled", "beside another ticket of its number"}
fates = st.lists(st.sampled_from(sorted(FATES)), max_size=3 * BATCH)


class TestResults:
    """Many tickets in few calls."""

    @given(fates, st.randoms(use_true_random=False), st.integers(1, 3))
    @example(["told"] * (BATCH + 1), None, 1)
    @example(["doubled"] * BATCH, None, 2)
    def test_each_ticket_once_whatever_the_server_makes_of_it(
        self, fates: list[str], random: Random | None, times: int
    ) -> None:
        """Asked for once, in batches that are full but for the last; told if the server told it, and one way."""
        batches: list[list[str]] = []

        def answer(request: HttpRequest) -> bytes:
            numbers = asked(request)["sn"]
            batches.append(numbers)
            rows = [each for text in numbers for each in FATES[fates[int(text[-6:])]](int(text[-6:]))]
            if random is not None:
                random.shuffle(rows)
            return success(rows)

        itsm, _ = scripted_gateway(answer)
        tickets = [ticket(str(number), sn(number)) for number in range(len(fates))] * times
        if random is not None:
            random.shuffle(tickets)

        found = itsm.results(tickets)

        wanted = {str(number) for number, fate in enumerate(fates) if fate in KNOWN}
        assert {each: (one.ticket_id, one.approve_result) for each, one in found.items()} == {
            each: (each, True) for each in wanted
        }
        assert sorted(each for batch in batches for each in batch) == [sn(number) for number in range(len(fates))]
        assert [len(batch) for batch in batches[:-1]] == [BATCH] * (math.ceil(len(fates) / BATCH) - 1 if fates else 0)

    def test_the_size_of_a_batch(self) -> None:
        """Of numbers in one request."""
        assert BATCH == 50

    def test_two_of_our_tickets_may_share_a_number(self) -> None:
        """They are asked for by it once, and told apart by their ids."""
        itsm, transport = scripted_gateway(lambda _: success([result(8, 7, approve_result=False), result(7, 7)]))

        found = itsm.results([ticket("7", sn(7)), ticket("8", sn(7))])

        assert {each: one.approve_result for each, one in found.items()} == {"7": True, "8": False}
        assert [asked(request)["sn"] for request in transport.requests] == [[sn(7)]]


class Tickets:
    """The server's list, newest first, which changes after each page that is read.

    Args:
        count: How many there are at first.
        changes: How many come, or go if negative, after each page.
    """

    def __init__(self, count: int, changes: list[int]) -> None:
        self.ids = list(range(count, 0, -1))
        self.changes = iter(changes)
        self.pages: list[int] = []

    def __call__(self, request: HttpRequest) -> bytes:
        """Answer with a page; nothing else is known."""
        if request.endpoint != "get_tickets":
            return success({})
        params = asked(request)
        page, size = params["page"], params["page_size"]
        if size == PAGE_SIZE:
            self.pages.append(page)
        shown = self.ids[(page - 1) * size : page * size]
        data = {
            "page": page,
            "count": len(self.ids),
            "total_page": max(1, math.ceil(len(self.ids) / size)),
            "items": [row(each) for each in shown],
        }
        change = next(self.changes, 0)
        newest = max(self.ids, default=0)
        self.ids = [*range(newest + max(change, 0), newest, -1), *self.ids[max(-change, 0) :]]
        return success(data)


class TestSearching:
    """All pages, and each ticket once."""

    @given(st.integers(0, 5 * PAGE_SIZE), st.lists(st.integers(0, 2 * PAGE_SIZE), max_size=8))
    @example(PAGE_SIZE, [])
    @example(PAGE_SIZE + 1, [])
    @example(2 * PAGE_SIZE, [1])
    def test_no_ticket_is_lost_of_a_list_that_grows(self, count: int, changes: list[int]) -> None:
        """Whatever comes meanwhile, all that were there at first are told, none twice."""
        server = Tickets(count, changes)
        itsm, _ = scripted_gateway(server)

        found = [int(one.id) for one in itsm.find_by_key(MINE)]

        assert len(found) == len(set(found))
        assert set(range(1, count + 1)) <= set(found)
        if count:  # of none, a second search is made by creator and time
            assert server.pages == list(range(1, len(server.pages) + 1))

    @given(
        st.integers(PAGE_SIZE + 1, 4 * PAGE_SIZE), st.lists(st.integers(-PAGE_SIZE, PAGE_SIZE), min_size=4, max_size=4)
    )
    @example(PAGE_SIZE + 50, [-20, 0, 0, 0])
    @example(3 * PAGE_SIZE, [50, -20, 0, 0])
    def test_a_list_that_shrinks_tells_nothing_wrong(self, count: int, changes: list[int]) -> None:
        """Either all that stayed are told, or that it cannot be told; never only some."""
        server = Tickets(count, changes)
        itsm, _ = scripted_gateway(server)

        try:
            found = {int(one.id) for one in itsm.find_by_key(MINE)}
        except GatewayProtocolError:
            return
        assert set(server.ids) & set(range(1, count + 1)) <= found

    @pytest.mark.parametrize(("pages", "told"), [(MAX_PAGES, True), (MAX_PAGES + 1, False)])
    def test_so_many_pages_and_no_more(self, pages: int, *, told: bool) -> None:
        """A search that finds more is no search for one ticket."""
        itsm, _ = scripted_gateway(Tickets(pages * PAGE_SIZE, []))

        if told:
            assert len(itsm.find_by_key(MINE)) == pages * PAGE_SIZE
        else:
            with pytest.raises(GatewayProtocolError, match=f"more than {MAX_PAGES} pages"):
                itsm.find_by_key(MINE)
