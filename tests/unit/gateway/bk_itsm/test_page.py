"""What people are shown of a ticket: words, addresses, the form, the log."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import GatewayProtocolError
from itsm_workflow.gateway.bk_itsm.page import LABELS, labels_of, show_log
from itsm_workflow.gateway.bk_itsm.wire import LogLine
from itsm_workflow.gateway.protocol import Created
from itsm_workflow.machine.evidence import TicketStatus
from tests.support.gateways import NOW, create_request, sent, ticket
from tests.support.scripted import refusal, scripted_gateway, success

if TYPE_CHECKING:
    from itsm_workflow.bkapi.transport import HttpRequest
    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "bk-itsm.md"
TICKET = ticket()
GOOD = "https://itsm.example.com/#/ticket/detail?id=7"
FIELD = {"key": "a", "type": "STRING", "name": "甲", "value": 1, "display_value": "one"}


def info(**given: object) -> dict[str, Any]:
    """Return the data of get_ticket_info."""
    fixed = {
        "id": 7,
        "sn": TICKET.sn,
        "title": "t",
        "current_status": "RUNNING",
        "creator": "alice",
        "current_steps": [{"name": "审批", "status": "RUNNING"}],
        "fields": [],
        "ticket_url": GOOD,
        "iframe_ticket_url": GOOD,
    }
    return {**fixed, **given}


def telling(data: object, **settings: Any) -> BkItsmGateway:
    """Return an adapter whose gateway answers everything with this."""
    return scripted_gateway(lambda _: success(data), **settings)[0]


class TestLabels:
    """A status in the languages of the people."""

    def test_every_status_of_the_machine_has_a_word(self) -> None:
        """Each that BK-ITSM comes down to, in Chinese and in English."""
        known = {status.value.upper() for status in TicketStatus} - {"OTHER"}

        assert known <= set(LABELS)
        assert all(set(words) == {"zh", "en"} and all(words.values()) for words in LABELS.values())

    def test_the_page_lists_them(self) -> None:
        """The reference names each word as the code does."""
        rows = re.findall(r"^\| `([A-Z]+)` \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

        assert {word: {"zh": zh, "en": en} for word, zh, en in rows} == {
            word: dict(words) for word, words in LABELS.items()
        }

    @pytest.mark.parametrize(
        ("word", "zh", "en"), [("FINISHED", "已完成", "Finished"), ("REVOKED", "已撤销", "Withdrawn")]
    )
    def test_a_word_that_is_known(self, word: str, zh: str, en: str) -> None:
        """It is told in both."""
        assert labels_of(word) == {"zh": zh, "en": en}

    def test_a_word_that_is_not_known(self) -> None:
        """It stands for itself, made harmless; lower case is another word."""
        assert labels_of("running") == {"zh": "running", "en": "running"}
        assert labels_of("A\x1b[31m\u202eB" + "x" * 100)["zh"] == "A [31m B" + "x" * 55 + "…"


class TestForm:
    """The form as it was filed, beside our own facts and never over them."""

    def test_fields_are_listed_in_their_order(self) -> None:
        """With key, name, kind, value and the text for people."""
        (field,) = telling(info(fields=[FIELD])).show(TICKET).fields

        assert (field.key, field.name, field.kind, field.value, field.text) == ("a", "甲", "STRING", 1, "one")

    def test_two_fields_of_one_key_stay_two(self) -> None:
        """Neither hides the other."""
        page = telling(info(fields=[FIELD, {**FIELD, "value": 2}])).show(TICKET)

        assert [(field.key, field.value) for field in page.fields] == [("a", 1), ("a", 2)]

    def test_a_field_cannot_pass_for_a_fact(self) -> None:
        """Whatever it is called, status and creator are the gateway's."""
        forged = [{"key": key, "value": "FINISHED"} for key in ("current_status", "word", "creator", "ticket_url")]
        page = telling(info(fields=forged)).show(TICKET)

        assert (page.word, page.creator, page.ticket_url, len(page.fields)) == ("RUNNING", "alice", GOOD, 4)

    def test_texts_are_made_harmless(self) -> None:
        """One line each, without controls or direction marks; a value stays as it is."""
        odd = "a\x1b[2J\nb\u202ec"
        page = telling(
            info(title=odd, creator=odd, current_status=odd, fields=[{"key": odd, "name": odd, "value": odd}])
        ).show(TICKET)
        (field,) = page.fields

        assert {page.title, page.creator, page.word, page.labels["zh"], field.key, field.name} == {"a [2J b c"}
        assert (page.status, field.value, field.text) == (TicketStatus.OTHER, odd, "")

    def test_steps_are_named(self) -> None:
        """Where the ticket is at."""
        assert telling(info()).show(TICKET).steps == ("审批",)

    def test_the_name_of_a_step_is_short(self) -> None:
        """As short as every other word that is shown."""
        page = info(current_steps=[{"name": "x" * 100, "status": "RUNNING"}])
        assert telling(page).show(TICKET).steps == ("x" * 63 + "…",)

    def test_a_number_of_two_tickets(self) -> None:
        """Ours is shown from the list, without form and steps, and says so; its log is not guessed."""
        row = {"title": "t", "creator": "alice", "current_status": "FINISHED", "sn": TICKET.sn, "ticket_url": GOOD}

        def answer(request: HttpRequest) -> bytes:
            if request.endpoint == "get_tickets":
                return success({"count": 2, "total_page": 1, "items": [{**row, "id": 7}, {**row, "id": 8}]})
            return refusal("SERVER_500_ERROR")

        itsm, transport = scripted_gateway(answer)
        page = itsm.show(TICKET)

        assert (page.id, page.ambiguous, page.word, page.ticket_url) == ("7", True, "FINISHED", GOOD)
        assert (page.fields, page.steps) == ((), ())
        with pytest.raises(GatewayProtocolError, match="several tickets carry"):
            itsm.get_ticket_logs(TICKET)
        assert "get_ticket_logs" not in {request.endpoint for request in transport.requests}


class TestLog:
    """What happened to a ticket."""

    def test_a_line(self) -> None:
        """With its time in UTC, and what was filled in."""
        (entry,) = show_log(
            [
                LogLine(
                    operator="bob",
                    operate_at="2026-11-25 02:30:04",
                    message="bob 已处理",
                    source="API",
                    from_state_type="APPROVAL",
                    form_data=[FIELD, "no field", None],
                )
            ]
        )

        assert entry.at == dt.datetime(2026, 11, 24, 18, 30, 4, tzinfo=dt.UTC)
        assert (entry.operator, entry.message, entry.source, entry.step) == ("bob", "bob 已处理", "API", "APPROVAL")
        assert [field.key for field in entry.fields] == ["a"]

    @pytest.mark.parametrize("form", [{}, None, "text", [], [[]]])
    def test_nothing_was_filled_in(self, form: object) -> None:
        """The server writes an empty object then; no other kind is taken for a list of fields."""
        (entry,) = show_log([LogLine(form_data=form)])

        assert entry.fields == ()

    @pytest.mark.parametrize(
        ("text", "at"),
        [
            ("2026-11-25T20:00:00+08:00", NOW + dt.timedelta(days=1)),
            ("2026-11-24 12:00:00Z", NOW),
            ("", None),
            ("yesterday", None),
            ("2026-13-01 00:00:00", None),
            ("0001-01-01 00:00:00", None),
            ("9999-12-31 23:59:59-01:00", None),
        ],
    )
    def test_a_time(self, text: str, at: dt.datetime | None) -> None:
        """A zone is respected; what is no time, or falls off the calendar, is none."""
        (entry,) = show_log([LogLine(operate_at=text)])

        assert entry.at == at

    def test_it_is_read_of_exactly_this_ticket(self) -> None:
        """The page is looked at first; a number that is another ticket's is an error."""
        line = {"operator": "bob", "operate_at": "2026-11-25 02:30:04", "message": "m", "source": "API"}

        def answer(request: HttpRequest) -> bytes:
            return success({"logs": [line, line]} if request.endpoint == "get_ticket_logs" else info())

        itsm, transport = scripted_gateway(answer)

        assert [entry.message for entry in itsm.get_ticket_logs(TICKET)] == ["m", "m"]
        assert [request.endpoint for request in transport.requests] == ["get_ticket_info", "get_ticket_logs"]


class TestAdapter:
    """Each address that the adapter hands on was checked."""

    @pytest.mark.parametrize("url", ["javascript:alert(1)", "https://evil.example.com/?id=7", None, 7])
    def test_none_leaves_the_adapter_unchecked(self, url: object) -> None:
        """From a creation, a search, a page, for embedding: each by the hosts of the settings."""
        row = {"id": 7, "sn": TICKET.sn, "title": "t", "creator": "alice", "current_status": "RUNNING"}

        def answer(request: HttpRequest) -> bytes:
            if request.endpoint == "create_ticket":
                return success({"id": 7, "sn": TICKET.sn, "ticket_url": url})
            if request.endpoint == "get_tickets":
                item = {**row, "ticket_url": url, "iframe_ticket_url": url}
                return success({"count": 1, "total_page": 1, "items": [item]})
            return success(info(ticket_url=url, iframe_ticket_url=url))

        itsm, _ = scripted_gateway(answer, ticket_hosts=("itsm.example.com",))
        created = itsm.create(create_request())
        page = itsm.show(TICKET)

        assert isinstance(created, Created)
        (found,) = itsm.find_by_sn(TICKET.sn, sent())
        assert {created.url, found.url, page.ticket_url, page.iframe_ticket_url, itsm.iframe_url(TICKET)} == {""}

    def test_a_good_one_does(self) -> None:
        """The check is no wall."""
        itsm = telling(info(), ticket_hosts=("itsm.example.com",))
        page = itsm.show(TICKET)
        created = itsm.create(create_request())

        assert (page.ticket_url, page.iframe_ticket_url, itsm.iframe_url(TICKET)) == (GOOD, GOOD, GOOD)
        assert created == Created(id="7", sn=TICKET.sn, url=GOOD)
