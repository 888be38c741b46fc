"""What a gateway answers is checked where it enters, whatever gateway it is."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from itsm_workflow.change import Decider
from itsm_workflow.errors import GatewayMistake, GatewayProtocolError
from itsm_workflow.gateway.checked import (
    MOST_DECIDERS,
    TICKET_ID,
    any_host,
    checked_answer,
    checked_found,
    checked_numbers,
    checked_problems,
    checked_resting,
    checked_results,
    checked_service,
    checked_snapshot,
    checked_time,
    checked_withdrawal,
    is_gateway_name,
    page_url,
)
from itsm_workflow.gateway.protocol import Created, FoundTicket, NotSent, Refused, TicketResult, Unknown
from itsm_workflow.machine.evidence import Snapshot, TicketStatus, Withdrawal
from itsm_workflow.testing import strategies as s
from itsm_workflow.text import kind_of
from tests.support import examples as x

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.gateway.checked import PageRule

GOOD = "https://itsm.example.com/#/ticket/detail?id=7"
EVIL = "\x1b[2J<b>a\0b\u202ec\nd\ud800"
"""A text that would steer a terminal, break a line, turn what follows, and fail a store."""
OURS = x.PENDING.expect_ticket()
NO_IDS = [
    *("-5", "0", "07", "", "7 ", "7\0", "7\n", "\x1b[31m7", "<b>7</b>", "\uff17", "9" * 33, "1" * 64, 7, None, ["7"]),
    *("x" * 65, "PRJ 12", "PRJ/12", "a:b", "..", ".x", "-x", "_x", "单7", "PRJ-12\n"),
]
NO_SNS = ["", " ", "REQ 1", "REQ\0", "REQ\x1b[2J", "<b>REQ</b>", "REQ\n1", "-REQ", "工单1", "R" * 65, 1, None]


def named(*hosts: str) -> PageRule:
    """Return the rule that allows these hosts alone."""
    return lambda host: host in {each.lower() for each in hosts}


def row(**given: Any) -> FoundTicket:
    """Return a ticket that a look-up found, and that equals what was sent."""
    usual: dict[str, Any] = {"id": "7", "sn": "REQ7", "url": GOOD, "title": "t", "creator": "alice", "key": "K1"}
    return FoundTicket(**{**usual, "differences": (), "unseen": (), **given})


def result(**given: Any) -> TicketResult:
    """Return the result of our ticket."""
    usual: dict[str, Any] = {"ticket_id": "7", "sn": "REQ7", "status": TicketStatus.RUNNING, "word": "RUNNING"}
    return TicketResult(**{**usual, "approve_result": False, **given})


class TestAddresses:
    """An address is handed on only if a browser may be sent there."""

    @pytest.mark.parametrize(
        "url",
        [
            GOOD,
            "http://itsm.example.com/",
            "HTTPS://ITSM.example.com:8443/o/bk_itsm/#/ticket/7/",
            "https://工单.example.com/",
            "http://[::1]:8000/#/ticket/7/",
        ],
    )
    def test_it_may(self, url: str) -> None:
        """As it came."""
        assert page_url(url, any_host) == url

    @pytest.mark.parametrize(
        "url",
        [
            None,
            7,
            ["https://itsm.example.com/"],
            "",
            "itsm.example.com/",
            "//itsm.example.com/",
            "/ticket/7/",
            "javascript:alert(1)",
            "JaVaScRiPt://itsm.example.com/%0aalert(1)",
            "data:text/html,<script>alert(1)</script>",
            "file:///etc/passwd",
            "ftp://itsm.example.com/",
            "https:itsm.example.com",
            "https:///itsm.example.com",
            "https://user:pw@itsm.example.com/",
            "https://itsm.example.com@evil.example.com/",
            "https://@evil.example.com/",
            "https://itsm.example.com:99999/",
            "https://itsm.example.com:port/",
            "https://[::1/",
            "https://itsm.example.com\\@evil.example.com/",
            "https://itsm.example.com/\n",
            "https://itsm.example.com/\tx",
            " https://itsm.example.com/",
            "https://itsm.example.com/a b",
            'https://itsm.example.com/"onload="x',
            "https://itsm.example.com/'",
            "https://itsm.example.com/<b>",
            "https://itsm.example.com/`",
            "https://itsm.example.com/\u202e",
            "https://itsm.example.com/\u200b",
            "https://itsm.example.com/\x00",
            "https://itsm.example.com/" + "x" * 2048,
        ],
    )
    def test_it_may_not(self, url: object) -> None:
        """An empty text stands for none."""
        assert page_url(url, any_host) == ""

    @pytest.mark.parametrize(
        ("url", "allowed"),
        [
            (GOOD, True),
            ("https://ITSM.EXAMPLE.COM:8443/", True),
            ("https://itsm.example.com.evil.com/", False),
            ("https://evil.itsm.example.com/", False),
            ("https://itsm.example.com./", False),
            ("https://itsm.example.com%2eevil.com/", False),
            ("https://evil.com/#https://itsm.example.com/", False),
            ("https://evil.com/?itsm.example.com", False),
            ("https://ⓘtsm.example.com/", False),
        ],
    )
    def test_only_a_host_that_is_named(self, url: str, allowed: bool) -> None:  # noqa: FBT001 - a case
        """The whole name, in either letter case, and nothing that only looks like it."""
        assert page_url(url, named("Itsm.Example.com")) == (url if allowed else "")

    @pytest.mark.parametrize(("length", "shown"), [(2048, True), (2049, False)])
    def test_only_one_of_up_to_2048_characters(self, length: int, shown: bool) -> None:  # noqa: FBT001 - a case
        """A longer one is not shown."""
        start = "https://itsm.example.com/"
        assert bool(page_url(start + "x" * (length - len(start)), any_host)) is shown

    @given(st.text() | st.from_regex(r"https?://[^/]{0,20}/.{0,20}"), st.sampled_from([(), ("itsm.example.com",)]))
    @example("https://itsm.example.com/", ("itsm.example.com",))
    def test_whatever_comes(self, url: str, hosts: tuple[str, ...]) -> None:
        """It is handed on unchanged or not at all, and if so as an address of a host that is allowed."""
        shown = page_url(url, named(*hosts) if hosts else any_host)

        assert shown in {url, ""}
        if shown:
            parts = urlsplit(shown)
            assert parts.scheme in {"http", "https"}
            assert parts.hostname in hosts or (not hosts and parts.hostname)
            assert shown.isprintable()
            assert not set(" \"'<>") & set(shown)


class TestCreate:
    """Something was sent: what is not proven is unknown, and nothing raises."""

    @pytest.mark.parametrize("ticket_id", NO_IDS)
    def test_an_id_that_is_none_leaves_the_create_unknown(self, ticket_id: Any) -> None:  # noqa: ANN401 - anything
        """The look-up finds the ticket, if there is one."""
        answer = checked_answer(Created(id=ticket_id, sn="REQ7", url=GOOD), any_host)

        assert answer == Unknown(problem=f"the gateway answered with a ticket, but its id is not {TICKET_ID}")

    @pytest.mark.parametrize("sn", NO_SNS)
    def test_a_number_that_is_none_leaves_the_create_unknown(self, sn: Any) -> None:  # noqa: ANN401 - anything
        """The same."""
        answer = checked_answer(Created(id="7", sn=sn, url=GOOD), any_host)

        assert answer == Unknown(problem="the gateway answered with a ticket, but its number is not plain text")

    @pytest.mark.parametrize("url", [None, 7, EVIL, "javascript:alert(1)", "https://evil.example.org/"])
    def test_an_address_that_may_not_be_shown_is_dropped(self, url: Any) -> None:  # noqa: ANN401 - anything
        """The ticket is as good without it."""
        answer = checked_answer(Created(id="7", sn="REQ7", url=url), named("itsm.example.com"))

        assert answer == Created(id="7", sn="REQ7", url="")

    def test_a_good_answer_is_as_it_was(self) -> None:
        """Long ids, and numbers of other systems, too."""
        for created in (
            Created(id="102025112415273000002503", sn="SQ2025112400000001", url=GOOD),
            Created(id="1", sn="r-1_2.3", url=""),
            Created(id="PRJ-12", sn="PRJ-12", url=""),
            Created(id="0f9c2a4e-7b1d-4c55-9a3e-1f2b3c4d5e6f", sn="7", url=""),
            Created(id="x" * 64, sn="7", url=""),
        ):
            assert checked_answer(created, named("itsm.example.com")) == created

    @pytest.mark.parametrize("answer", [None, "ok", {"id": 7}, Created, Refused(remote_code="3900004", message="")])  # type: ignore[arg-type]  # wrong on purpose
    def test_what_is_no_answer_leaves_the_create_unknown(self, answer: object) -> None:
        """A gateway that returns something else has sent it all the same."""
        assert isinstance(checked_answer(answer, any_host), Unknown)

    @pytest.mark.parametrize("text", [EVIL, EVIL * 1000, None, 7])
    def test_words_are_plain_and_short(self, text: Any) -> None:  # noqa: ANN401 - anything
        """They are stored with the change."""
        refused = checked_answer(Refused(remote_code=3900004, message=text), any_host)
        answers = [checked_answer(kind(problem=text), any_host) for kind in (NotSent, Unknown)]

        assert isinstance(refused, Refused)
        for words in (refused.message, *(one.problem for one in answers if isinstance(one, NotSent | Unknown))):
            assert words.isprintable()
            assert len(words) <= 500


class TestLookUp:
    """Whether there is a ticket must be looked up again, or the stranger's ticket is left out."""

    @pytest.mark.parametrize(
        "wrong",
        [
            *({"id": one} for one in NO_IDS),
            *({"sn": one} for one in NO_SNS),
            {"key": None},
            {"key": 7},
            {"differences": None},
            {"unseen": "approvers"},
        ],
    )
    def test_a_ticket_with_our_key_that_cannot_be_used_is_no_absence(self, wrong: dict[str, Any]) -> None:
        """Nor is it adopted."""
        with pytest.raises(GatewayProtocolError, match="cannot be used"):
            checked_found([row(id="8"), row(**wrong)], any_host)

    @pytest.mark.parametrize("other", [None, "7", {"id": "7"}, 7])
    def test_what_is_no_ticket_is_no_absence(self, other: object) -> None:
        """Whose it is cannot be told."""
        with pytest.raises(GatewayProtocolError, match=r"it is (a|None)"):
            checked_found([other], any_host)

    def test_a_strangers_ticket_that_cannot_be_used_keeps_nobody_up(self) -> None:
        """It does not carry our key."""
        assert checked_found([row(key="", id="-5"), row()], any_host) == (row(),)

    def test_texts_are_escaped_and_addresses_checked(self) -> None:
        """They are shown to people where the ticket is not what was sent."""
        (found,) = checked_found(
            [row(title=EVIL, creator=EVIL, url="https://evil.example.org/", differences=(EVIL,), unseen=(EVIL, 7))],
            named("itsm.example.com"),
        )

        assert found.url == ""
        texts = (found.title, found.creator, *found.differences, *found.unseen)
        assert all(texts[:4])
        assert texts[4] == ""
        assert all(text.isprintable() and "\ud800" not in text for text in texts)

    def test_long_texts_are_cut(self) -> None:
        """To 500 characters."""
        (found,) = checked_found([row(key="", title="x" * 999, differences=("x" * 999,))], any_host)

        assert (len(found.title), len(found.differences[0])) == (500, 500)

    def test_so_is_a_key_that_is_none_of_ours(self) -> None:
        """It is compared with ours, and told where it is another one."""
        (found,) = checked_found([row(key=EVIL)], any_host)

        assert found.key
        assert found.key.isprintable()


@pytest.mark.parametrize("rows", [None, 5, "REQ7", b"7", {"7": 7}])
def test_what_is_no_list_is_refused(rows: object) -> None:
    """It is not an empty one: the question was not answered."""
    with pytest.raises(GatewayMistake, match=rf"look_up: {kind_of(rows)} is not a list"):
        checked_found(rows, any_host)
    with pytest.raises(GatewayMistake, match=rf"undelivered: {kind_of(rows)} is not a list"):
        checked_numbers(rows)


class TestReading:
    """A look that cannot be used is a look that failed."""

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"ticket_id": "8"}, "about another ticket"),
            ({"ticket_id": 7}, "about another ticket"),
            ({"status": "finished"}, "its status is a str"),
            ({"result_status": "finished"}, "its result_status is a str"),
            ({"approve_result": "true"}, "its approve_result is a str"),
            ({"approve_result": 1}, "its approve_result is an int"),
            ({"approval_step": "true"}, "its approval_step is a str"),
            ({"step_running": 0}, "its step_running is an int"),
            ({"ambiguous": None}, "its ambiguous is None"),
            ({"word": None}, "its word is None"),
            ({"decision": True}, "its decision is a bool"),
            ({"closed_by": 7}, "its closed_by is an int"),
            ({"inconclusive": None}, "its inconclusive is None"),
            ({"seen_at": "now"}, "its seen_at is a str"),
            ({"seen_at": dt.datetime(2026, 1, 1)}, "its seen_at has no time zone"),  # noqa: DTZ001 - what is wrong with it
            ({"deciders": [Decider(user="bob")]}, "its deciders is a list"),
            ({"deciders": ("bob",)}, "one of its deciders is invalid"),
            ({"deciders": (Decider(user=7),)}, "one of its deciders is invalid"),  # type: ignore[arg-type]  # wrong on purpose
            ({"deciders": (Decider(user="bob", approved="true"),)}, "one of its deciders is invalid"),  # type: ignore[arg-type]  # the same
            ({"deciders": (Decider(user="bob", at=dt.datetime(2026, 1, 1)),)}, "one of its deciders is invalid"),  # noqa: DTZ001 - the same
        ],
    )
    def test_what_is_no_snapshot_of_ours_is_refused(self, wrong: dict[str, Any], said: str) -> None:
        """It names what is wrong."""
        with pytest.raises(GatewayProtocolError, match=said):
            checked_snapshot(attrs.evolve(x.snapshot(), **wrong), OURS)

    @pytest.mark.parametrize("other", [None, {}, "RUNNING", result()])
    def test_what_is_no_snapshot_is_refused(self, other: object) -> None:
        """Whatever it is."""
        with pytest.raises(GatewayProtocolError, match="the snapshot of ticket 7 cannot be used"):
            checked_snapshot(other, OURS)

    @given(seen=s.snapshots)
    def test_a_good_snapshot_means_the_same(self, seen: Snapshot) -> None:
        """Only its texts are cleaned."""
        ours = attrs.evolve(seen, ticket_id="7")
        checked = checked_snapshot(ours, OURS)

        same = ("status", "seen_at", "result_status", "approve_result", "approval_step", "step_running", "ambiguous")
        assert [getattr(checked, name) for name in same] == [getattr(ours, name) for name in same]
        assert [(one.approved, one.at) for one in checked.deciders] == [(one.approved, one.at) for one in ours.deciders]

    def test_texts_are_plain(self) -> None:
        """They are stored with the entry."""
        deciders = tuple(Decider(user=f"{EVIL}{number}", remark=EVIL) for number in range(99))
        seen = x.snapshot(word=EVIL, closed_by=EVIL, decision=EVIL, inconclusive=EVIL, deciders=deciders, sn=EVIL)

        checked = checked_snapshot(seen, OURS)

        texts = [checked.word, checked.closed_by, checked.decision or "", checked.inconclusive, checked.sn]
        texts += [text for one in checked.deciders for text in (one.user, one.remark)]
        assert all(map(str.isprintable, texts))
        assert len(checked.deciders) == MOST_DECIDERS == 20

    def test_long_texts_are_cut(self) -> None:
        """The word of the status, and the names of people."""
        seen = checked_snapshot(x.snapshot(word="x" * 999, deciders=(Decider(user="x" * 999),)), OURS)

        assert (len(seen.word), len(seen.deciders[0].user)) == (64, 64)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"ticket_id": "8"},
            {"status": "running"},
            {"approve_result": "false"},
            {"approve_result": None},
            {"word": None},
            {"closed_by": math.nan},
        ],
    )
    def test_a_result_that_is_none_is_left_out(self, wrong: dict[str, Any]) -> None:
        """The ticket is read on its own then."""
        assert checked_results({"7": result(**wrong)}, [OURS]) == {}

    @pytest.mark.parametrize("results", [None, 5, "7", [result()]])
    def test_what_is_no_mapping_of_results_is_refused(self, results: object) -> None:
        """The question was not answered; nothing is known of any ticket."""
        with pytest.raises(GatewayMistake, match="is not a mapping of results"):
            checked_results(results, [OURS])

    @pytest.mark.parametrize("results", [{"8": result(ticket_id="8")}, {7: result()}, {"7": None}])
    def test_what_are_no_results_of_ours_are_none(self, results: object) -> None:
        """Whatever it is."""
        assert checked_results(results, [OURS]) == {}

    def test_a_good_result_is_plain(self) -> None:
        """Its texts are cleaned, and its number is ours."""
        assert checked_results({"7": result(word=EVIL, sn=EVIL)}, [OURS])["7"].sn == OURS.sn
        assert checked_results({"7": result()}, [OURS]) == {"7": result()}
        told = checked_results({"7": result(word="x" * 999, closed_by=f"{EVIL}{'x' * 999}")}, [OURS])["7"]
        assert (len(told.word), len(told.closed_by), told.closed_by.isprintable()) == (64, 200, True)

    def test_numbers_that_are_none_are_left_out(self) -> None:
        """A query for them would fail for all."""
        assert checked_numbers(["REQ7", "REQ7", *NO_SNS, "SQ1"]) == ["REQ7", "SQ1"]

    @pytest.mark.parametrize("service", ["17", "fast_approval", "$Workflow.a b", "x" * 200])
    def test_a_service_is_plain_text(self, service: str) -> None:
        """It is stored with the submission."""
        assert checked_service(service) == service

    @pytest.mark.parametrize("service", ["", EVIL, None, 17, "x" * 201])
    def test_a_service_that_is_none_is_refused(self, service: object) -> None:
        """Before anything is stored."""
        with pytest.raises(GatewayProtocolError, match="the gateway returned a service that is not plain text"):
            checked_service(service)


@pytest.mark.parametrize("name", ["a", "bk_itsm", "Itsm-2.test", "x" * 64])
def test_a_gateway_may_have_that_name(name: str) -> None:
    """It stands in front of a colon in the text that is unique of a ticket."""
    assert is_gateway_name(name)


@pytest.mark.parametrize("name", ["", "a:b", "a b", "工单", "x" * 65, None, 7])
def test_a_gateway_must_not_have_that_name(name: object) -> None:
    """Nor be called by something that is no text."""
    assert not is_gateway_name(name)


class TestSmallAnswers:
    """What a gateway says of a withdrawal, of the time, and of why it rests."""

    @pytest.mark.parametrize("answer", list(Withdrawal))
    def test_a_withdrawal_is_as_it_was(self, answer: Withdrawal) -> None:
        """Each of them."""
        assert checked_withdrawal(answer) is answer

    @pytest.mark.parametrize("time", [None, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)])
    def test_a_time_has_a_time_zone_or_is_none(self, time: dt.datetime | None) -> None:
        """As it came."""
        assert checked_time(time) is time

    def test_why_it_rests_is_plain(self) -> None:
        """It is shown to people; an empty text stands for a gateway that does not rest."""
        assert checked_resting("five calls\nwere not answered") == "five calls were not answered"
        assert checked_resting("") == ""
        assert len(checked_resting("x" * 999)) == 500

    @pytest.mark.parametrize(
        ("check", "wrong", "said"),
        [
            (checked_withdrawal, True, "withdraw: a bool is not the result of a withdrawal"),
            (checked_withdrawal, None, "withdraw: None is not the result"),
            (checked_time, "now", "time: a str is not a time with a time zone"),
            (checked_time, dt.datetime(2026, 1, 1), "time: a datetime is not a time with a time zone"),  # noqa: DTZ001 - what is wrong with it
            (checked_resting, None, "resting: None is not text that says why"),
            (checked_service, 17, "service: the gateway returned a service that is not plain text"),
            (
                checked_problems,
                None,
                "check_service_form: a problem of a form must be a tuple of field, value and rule",
            ),
            (checked_problems, [("field", "value")], "check_service_form: a problem of a form"),
            (checked_problems, [("field", "value", "rule", "more")], "check_service_form: a problem of a form"),
            (checked_problems, [("field", 5, "rule")], "check_service_form: a problem of a form"),
            (lambda found: checked_found(found, any_host), ["7"], "look_up: a ticket that the look-up found cannot"),
            (lambda results: checked_results(results, [OURS]), 5, "results: an int is not a mapping of results"),
            (lambda seen: checked_snapshot(seen, OURS), None, "read: the snapshot of ticket 7 cannot be used"),
        ],
    )
    def test_what_is_none_is_refused_by_what_was_asked(
        self, check: Callable[[Any], object], wrong: object, said: str
    ) -> None:
        """The message begins with the question, so that a person knows which part of the gateway is wrong."""
        with pytest.raises(GatewayProtocolError, match=rf"^{said}"):
            check(wrong)
