"""What people are shown of a ticket: words, addresses, the form, the log."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import GatewayProtocolError
from itsm_workflow.gateway.bk_itsm.page import LABELS, LogEntry, ShownTicket, labels_of, show_log
from itsm_workflow.gateway.bk_itsm.wire import LogLine
from itsm_workflow.gateway.protocol import Created
from itsm_workflow.machine.evidence import TicketStatus
from tests.support.defaults import set_defaults
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

    @pytest.mark.parametrize("word", ["RUNNING", "ODD"])
    def test_what_is_shown_can_be_pickled_and_copied(self, word: str) -> None:
        """A host keeps it in a cache."""
        page = telling(info(current_status=word)).show(TICKET)

        assert pickle.loads(pickle.dumps(page)) == copy.deepcopy(page) == page  # noqa: S301 - our own bytes

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

    def test_long_texts_are_cut(self) -> None:
        """But for the values of the form: they are the people's own."""
        long = "x" * 9999
        page = telling(
            info(
                title=long,
                creator=long,
                current_status=long,
                current_steps=[{"name": long, "status": "RUNNING"}],
                fields=[{"key": long, "type": long, "name": long, "value": long}],
            )
        ).show(TICKET)
        (field,) = page.fields

        assert [len(text) for text in (page.title, page.creator, page.word)] == [200, 64, 64]
        assert [len(text) for text in page.labels.values()] == [64, 64]
        assert page.steps == ("x" * 63 + "…",)
        assert [len(text) for text in (field.key, field.name, field.kind)] == [128, 128, 128]
        assert field.value == long

    def test_a_page_shows_nothing_that_was_not_told(self) -> None:
        """Neither a field, a step nor a doubt."""
        given = {
            "id": "7",
            "sn": "REQ7",
            "title": "t",
            "creator": "alice",
            "status": TicketStatus.RUNNING,
            "word": "RUNNING",
            "labels": {"en": "x"},
            "ticket_url": "u",
            "iframe_ticket_url": "i",
        }
        assert set_defaults(ShownTicket, given) == {}

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

    def test_long_texts_are_cut(self) -> None:
        """Who, what, from where, and in which step."""
        long = "x" * 9999
        (entry,) = show_log([LogLine(operator=long, message=long, source=long, from_state_type=long)])

        texts = (entry.operator, entry.message, entry.source, entry.step)
        assert [len(text) for text in texts] == [64, 200, 32, 32]

    def test_a_line_has_no_fields_by_default(self) -> None:
        """Most lines are not about a form."""
        given = {"at": None, "operator": "o", "message": "m", "source": "s", "step": "s"}
        assert set_defaults(LogEntry, given) == {}

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


class TestStatus:
    """Where a ticket is at."""

    def test_words_without_end_are_cut(self) -> None:
        """A page shows them."""
        long = "w" * 500
        step = {"name": long, "status": long, "processors": "", "processors_type": "PERSON"}
        shown = {
            "ticket_url": "",
            "iframe_ticket_url": "",
            "current_status": long,
            "operations": [{"key": long, "name": "n", "can_operate": True}],
            "current_steps": [step],
        }
        itsm, _ = scripted_gateway(lambda _: success(shown))
        status = itsm.ticket_status("REQ1")

        words = [status.word, *status.operations, *(text for one in status.steps for text in (one.name, one.word))]
        assert [len(word) for word in words] == [64, 32, 64, 64]

    @pytest.mark.parametrize(
        ("kind", "names", "people"),
        [("PERSON", "bob,carol,", ("bob", "carol")), ("PERSON", "", ()), ("PERSON", None, ()), ("ROLE", "1,2", ())],
    )
    def test_the_people_of_a_step_are_separated_by_commas(
        self, kind: str, names: object, people: tuple[str, ...]
    ) -> None:
        """The ids of roles are not people."""
        shown = {
            "current_status": "RUNNING",
            "operations": [],
            "current_steps": [{"name": "approve", "status": "RUNNING", "processors": names, "processors_type": kind}],
        }
        itsm, _ = scripted_gateway(lambda _: success(shown))

        assert [step.people for step in itsm.ticket_status("REQ1").steps] == [people]

    def test_operations_that_are_not_possible_are_not_shown(self) -> None:
        """The server lists them all, each with whether it is possible now."""
        possible = {"SUSPEND": True, "WITHDRAW": False, "TERMINATE": True}
        shown = {
            "ticket_url": "",
            "iframe_ticket_url": "",
            "current_status": "RUNNING",
            "operations": [{"key": key, "name": key, "can_operate": can} for key, can in possible.items()],
            "current_steps": [],
        }
        itsm, _ = scripted_gateway(lambda _: success(shown))

        assert itsm.ticket_status("REQ1").operations == ("SUSPEND", "TERMINATE")
