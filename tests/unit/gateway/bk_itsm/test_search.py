"""What BK-ITSM is asked for where tickets are searched: never without a filter, and by its own clock."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import GatewayProtocolError
from itsm_workflow.gateway.bk_itsm import search
from tests.support.gateways import attempt, sent, ticket
from tests.support.scripted import asked, scripted_gateway, success

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.bkapi.transport import HttpRequest

ATTEMPT = attempt(
    submitted_at=dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC),
    marked_at=dt.datetime(2026, 11, 25, 17, 0, 1, tzinfo=dt.UTC),
)
SUFFIX = f" #{ATTEMPT.key[-8:]}"
ROW = {"id": 7, "sn": ticket().sn, "title": f"接入 nginx 日志{SUFFIX}", "creator": "alice", "current_status": "RUNNING"}


def listing(rows: Sequence[object], total_page: int = 1) -> bytes:
    """Return one page of a list."""
    return success({"count": len(rows), "total_page": total_page, "items": rows})


class Catalogue:
    """Answers each search by a function of what is asked.

    Attributes:
        searched: What was asked, without who asked.
    """

    def __init__(self, find: Callable[[dict[str, Any]], Sequence[object]]) -> None:
        self._find = find
        self.searched: list[dict[str, Any]] = []

    def __call__(self, request: HttpRequest) -> bytes:
        """Answer."""
        if request.endpoint != "get_tickets":
            return success([])
        told = asked(request)
        known = ("tag", "sns", "creator", "create_at__gte", "create_at__lte", "page", "page_size")
        self.searched.append({key: told[key] for key in known if key in told})
        return listing(self._find(told))


def test_a_key_that_is_not_found_is_looked_for_around_the_attempt() -> None:
    """A day before it was submitted until a day after it was sent, in the server's own time, of this creator alone."""
    catalogue = Catalogue(lambda told: [ROW, {**ROW, "id": 8, "title": "other"}] if "creator" in told else [])
    gateway, _ = scripted_gateway(catalogue)

    assert [found.id for found in gateway.find_by_key(sent(ATTEMPT))] == ["7"]
    assert catalogue.searched == [
        {"tag": ATTEMPT.key, "page": 1, "page_size": 100},
        {
            "creator": "alice",
            "create_at__gte": "2026-11-23 20:00:00",
            "create_at__lte": "2026-11-27 01:00:01",
            "page": 1,
            "page_size": 100,
        },
    ]


def test_a_ticket_that_looks_like_ours_is_read_by_its_number() -> None:
    """The page of the row, and not of another ticket."""
    gateway, transport = scripted_gateway(Catalogue(lambda _: [{**ROW, "create_at": "2026-11-24 20:00:01"}]))
    gateway.find_by_key(sent(ATTEMPT))

    pages = [asked(request)["sn"] for request in transport.requests if request.endpoint == "get_ticket_info"]
    assert pages == [ticket().sn]


def test_a_ticket_that_two_searches_find_is_one_ticket() -> None:
    """Here the one that carries the key does not look like ours: both searches bring it."""
    other = {**ROW, "creator": "eve"}
    gateway, _ = scripted_gateway(Catalogue(lambda told: [other, {**ROW, "id": 8}] if "creator" in told else [other]))

    assert [found.id for found in gateway.find_by_key(sent(ATTEMPT))] == ["7", "8"]


@pytest.mark.parametrize(("honest", "ids"), [(True, ["7", "8"]), (False, None)])
def test_titles_without_a_key_are_only_told_by_the_tag(honest: bool, ids: list[str] | None) -> None:  # noqa: FBT001 - a case
    """Whether the gateway looks at it is asked by a tag that nobody has."""
    rows = [{**ROW, "title": "接入 nginx 日志"}, {**ROW, "id": 8}]
    catalogue = Catalogue(lambda told: [] if honest and told.get("tag") != ATTEMPT.key else rows)
    gateway, _ = scripted_gateway(catalogue, key_in_title=False)

    if ids is None:
        with pytest.raises(GatewayProtocolError, match="get_tickets: the gateway ignores the search for a tag"):
            gateway.find_by_key(sent(ATTEMPT))
    else:
        assert [found.id for found in gateway.find_by_key(sent(ATTEMPT))] == ids
    nobody = catalogue.searched[-1]
    assert (nobody["tag"] != ATTEMPT.key, len(nobody["tag"]), nobody["page"], nobody["page_size"]) == (True, 32, 1, 1)


def test_a_number_is_compared_as_the_server_does() -> None:
    """Letter case and trailing blanks do not count; another number means that the filter was ignored."""
    catalogue = Catalogue(lambda _: [{**ROW, "sn": f"{ticket().sn.lower()} "}])
    gateway, _ = scripted_gateway(catalogue)
    (found,) = gateway.find_by_sn(ticket().sn, sent(ATTEMPT))
    assert found.key == ATTEMPT.key
    assert catalogue.searched == [{"sns": [ticket().sn], "page": 1, "page_size": 100}]

    gateway, _ = scripted_gateway(Catalogue(lambda _: [ROW, {**ROW, "sn": "REQ20261125000008"}]))
    with pytest.raises(GatewayProtocolError, match="ignores the search for a number"):
        gateway.find_by_sn(ticket().sn, sent(ATTEMPT))


def test_pages_that_do_not_add_up_cannot_tell() -> None:
    """Neither can a list that has no end."""
    page = {"count": 3, "total_page": 1, "items": [ROW]}
    gateway, _ = scripted_gateway(lambda _: success(page))
    with pytest.raises(
        GatewayProtocolError, match="get_tickets: the pages do not add up to the count of the first page"
    ):
        gateway.find_by_key(sent(ATTEMPT))

    gateway, transport = scripted_gateway(lambda _: success({**page, "total_page": 1000}))
    with pytest.raises(GatewayProtocolError, match="more than 50 pages answer the search"):
        gateway.find_by_key(sent(ATTEMPT))
    assert len(transport.requests) == search.MAX_PAGES == 50
    assert [asked(request)["page"] for request in transport.requests] == list(range(1, 51))
