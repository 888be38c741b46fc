"""A ticket of the server is compared with what was sent: recorded spellings are no difference, anything else is."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.bkapi.envelope import decode
from itsm_workflow.change import Form
from itsm_workflow.gateway.bk_itsm.form import FAST_APPROVAL, build_body, title_suffix
from itsm_workflow.gateway.bk_itsm.match import MAX_PAGES_READ, TicketMatcher, _both, _capped, _same_value, found_ticket
from itsm_workflow.gateway.bk_itsm.wire import FormField, TicketPage, TicketRow
from itsm_workflow.gateway.protocol import CreateRequest, SentTicket
from itsm_workflow.testing import strategies as s
from tests.support.gateways import NOW, attempt, create_request, settings, ticket
from tests.support.gateways import sent as filed
from tests.support.recorded import FOLDER
from tests.support.scripted import scripted_gateway, success

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.bkapi.transport import HttpRequest
    from itsm_workflow.gateway.bk_itsm.match import Parts
    from itsm_workflow.settings import Settings

SERVICE = "5"
TITLE = "接入 nginx 日志"
FIELDS = {"bk_biz_id": 2, "single_log_size": "10", "note": "logs", "flags": ["a", "b"], "empty": ""}
ALIKE: Parts = ((), ())


def sent(service: str = FAST_APPROVAL, **form: Any) -> SentTicket:
    """Return what was sent under a key."""
    values = {"title": "接入 nginx 日志", "applicant": "alice", "approvers": ("alice", "bob"), **form}
    since = NOW - dt.timedelta(minutes=10)
    return SentTicket(form=Form(**values), attempt=attempt(service=service), made_after=since)


def given_settings(service: str = FAST_APPROVAL, **given: Any) -> Settings:
    """Return settings to file with a service."""
    numbered = {} if service == FAST_APPROVAL else {"service_id": service}
    return settings("http://127.0.0.1:9/v2/itsm/", **{**numbered, **given})


def shown(of: SentTicket, using: Settings, **changes: Any) -> tuple[TicketRow, TicketPage]:
    """Return the ticket as the server shows it; a change of ``fields`` replaces their values by key."""
    body: Any = build_body(
        CreateRequest(form=of.form, attempt=of.attempt, callback_url=None, callback_headers={}), using
    )
    values = {field["key"]: field["value"] for field in body["fields"]} | changes.pop("fields", {})
    head = {
        "id": 7,
        "sn": "REQ20261125000007",
        "title": values["title"],
        "creator": "alice",
        "service_id": 2 if of.attempt.service == FAST_APPROVAL else int(of.attempt.service),
        "create_at": "2026-11-24 20:00:01",
        "current_status": "RUNNING",
        **changes,
    }
    steps = head.pop("current_steps", [])
    listed = [{"key": key, "value": value} for key, value in values.items()]
    unsent = [{"key": key, "value": None} for key in ("impact", "urgency", "priority")]
    page = {**head, "current_steps": steps, "fields": [*unsent, *listed, {"key": "verdict", "value": "true"}]}
    row = decode(head, TicketRow, endpoint="", request_id="")
    return row, decode(page, TicketPage, endpoint="", request_id="")


def matched(
    of: SentTicket,
    row: TicketRow,
    page: TicketPage | str,
    using: Settings | None = None,
    builtin: Callable[[], tuple[str, str]] = lambda: ("2", ""),
    *,
    listed: Sequence[FormField] | None = None,
) -> Parts:
    """Return what differs, and what is not shown."""
    using = using or given_settings(of.attempt.service)
    matcher = TicketMatcher(of, using, builtin=builtin, page=lambda _: page, fields=lambda _: listed)
    return matcher.compare([row])[row.id]


def compared(
    of: SentTicket, using: Settings | None = None, *, listed: Sequence[FormField] | None = None, **changes: Any
) -> Parts:
    """Return what differs of a ticket with some changes."""
    using = using or given_settings(of.attempt.service)
    return matched(of, *shown(of, using, **changes), using, listed=listed)


def no_fields(_service: str) -> None:
    """Return the fields of a service that does not show them."""


class TestRecorded:
    """The recordings of the real server."""

    def test_the_ticket_of_a_recorded_create_is_what_was_sent(self) -> None:
        """Its row, its page and its create were recorded: nothing of what the server makes of them differs."""
        create = json.loads(read("create_ticket.with_tag_meta_dynamic_fields")["request"]["body"])
        fields = {field["key"]: field["value"] for field in create["fields"]}
        using = given_settings(key_in_title=False)
        form = Form(
            title=fields["title"],
            applicant=create["creator"],
            approvers=tuple(fields["APPROVER"].split(",")),
            content=fields["APPROVAL_CONTENT"],
        )
        at = dt.datetime(2026, 11, 24, 18, 37, 42, 900_000, tzinfo=dt.UTC)
        of = SentTicket(form=form, attempt=attempt(creator=create["creator"]), made_after=at)
        row = decode(read_data("get_tickets.by_tag")["items"][0], TicketRow, endpoint="", request_id="")
        page = decode(read_data("get_ticket_info.with_tag_meta_dynamic_fields"), TicketPage, endpoint="", request_id="")

        assert matched(of, row, page, using) == ALIKE
        late = attrs.evolve(of, made_after=at + dt.timedelta(seconds=1))
        assert matched(late, row, page, using)[0] == (
            "made: not before 2026-11-24 18:37:43 UTC, shows 2026-11-24 18:37:42 UTC",
        )

    def test_a_page_that_is_not_filled_in_yet_is_looked_at_again(self) -> None:
        """Right after the create every field of it was recorded as null."""
        data = read_data("get_ticket_info.creator_dave")
        page = decode(data, TicketPage, endpoint="", request_id="")
        row = decode(data, TicketRow, endpoint="", request_id="")
        form = Form(title="case one", applicant="dave", approvers=("alice", "bob"), content="please approve")
        at = dt.datetime(2026, 11, 24, 18, 27, 50, tzinfo=dt.UTC)
        of = SentTicket(form=form, attempt=attempt(creator="dave"), made_after=at)

        found = matched(of, row, page, given_settings(key_in_title=False))

        assert found == ((), ("form: its fields are not filled in yet",))


def read(name: str) -> Any:  # noqa: ANN401 - a recording
    """Return a recording."""
    return json.loads((Path(FOLDER) / f"{name}.json").read_text(encoding="utf-8"))


def read_data(name: str) -> Any:  # noqa: ANN401 - a recording
    """Return the data of a recorded answer."""
    return read(name)["response"]["json"]["data"]


class TestAlike:
    """What the server makes of a value is no difference."""

    @pytest.mark.parametrize("service", [FAST_APPROVAL, SERVICE])
    def test_what_was_sent_is_alike(self, service: str) -> None:
        """With the built-in service and with another one."""
        assert compared(sent(service, approvers=(), fields=FIELDS) if service == SERVICE else sent()) == ALIKE

    @given(s.forms, st.sampled_from([FAST_APPROVAL, SERVICE]))
    def test_any_form_is_alike_as_it_was_sent(self, form: Form, service: str) -> None:
        """Whatever a host asks for."""
        mine = attrs.evolve(sent(service), form=attrs.evolve(form, applicant="alice", title="t"))
        using = given_settings(service, approver_field="" if service == FAST_APPROVAL else "who")
        assert compared(mine, using)[0] == ()

    @pytest.mark.parametrize("people", ["alice,bob", "bob,alice", ",alice,bob,"])
    def test_approvers_are_a_set(self, people: str) -> None:
        """In any order, with the server's commas."""
        assert compared(sent(), fields={"APPROVER": people}) == ALIKE

    @pytest.mark.parametrize(
        ("value", "shows"),
        [
            (10, "10"),
            ("10", 10),
            (True, "True"),
            (True, "true"),
            (1.5, "1.5"),
            (["a", "b"], "['a', 'b']"),
            (["a", "b"], '["a", "b"]'),
            ({"k": "日志"}, '{"k": "日志"}'),
            ({"k": 1}, {"k": 1}),
            (None, ""),
            ("", None),
            ([], "[]"),
            (" text ", "text"),
            ("one\r\ntwo", "one\r\ntwo"),
            ('a "quoted" word & more', "a &quot;quoted&quot; word & more"),
            ("1 < 2 && b > 'c'", "1 &lt; 2 && b &gt; &#039;c&#039;"),
            ("it's", "it&#039;s"),
            ("a\n< b", "a&lt; b"),
            ("x <", "x &lt;"),
            ("&lt;b&gt; &amp; &copy;", "&lt;b&gt; & ©"),
            ("<b>word</b> & more", "<b>word</b> & more"),
        ],
    )
    def test_another_spelling_of_a_value(self, value: object, shows: object) -> None:
        """Numbers as text, lists as text, empty values, and texts as the server's HTML filter leaves them."""
        assert compared(sent(SERVICE, approvers=(), fields={"f": value}), fields={"f": shows}) == ALIKE

    def test_what_the_server_adds_or_sets_itself(self) -> None:
        """Fields of the service that were not sent, and the ones that it works out."""
        mine = sent(SERVICE, approvers=(), fields={"priority": "3"})
        assert compared(mine, fields={"priority": "1", "default": "x"}) == ALIKE

    def test_a_title_that_the_server_stripped(self) -> None:
        """Blanks around it are gone."""
        mine = sent(title=" t")
        assert compared(mine, title=f"t{title_suffix(mine.attempt.key)}") == ALIKE


class TestDifferent:
    """What is shown and differs, with both sides."""

    @pytest.mark.parametrize(
        ("changes", "difference"),
        [
            ({"creator": "mallory"}, "creator: sent alice, shows mallory"),
            ({"service_id": 9}, "service: sent 2, shows 9"),
            ({"title": "other #GV755PZN"}, "title: sent 接入 nginx 日志 #GV755PZN, shows other #GV755PZN"),
            (
                {"create_at": "2026-11-24 19:49:59"},
                "made: not before 2026-11-24 11:50:00 UTC, shows 2026-11-24 11:49:59 UTC",
            ),
            ({"fields": {"APPROVER": "alice"}}, "approvers: sent alice,bob, shows alice"),
            ({"fields": {"APPROVER": "alice, bob"}}, "approvers: sent alice,bob, shows alice, bob"),
            ({"fields": {"APPROVER": None}}, "approvers: sent alice,bob, shows nothing"),
            ({"fields": {"APPROVAL_CONTENT": "less"}}, "field APPROVAL_CONTENT: sent 接入 nginx 日志, shows less"),
            (
                {"current_steps": [{"status": "RUNNING", "processors_type": "PERSON", "processors": "mallory"}]},
                "people asked: sent alice,bob, shows mallory",
            ),
        ],
    )
    def test_each_part(self, changes: dict[str, Any], difference: str) -> None:
        """Alone."""
        assert compared(sent(), **changes) == ((difference,), ())

    @pytest.mark.parametrize(
        ("value", "shows"),
        [
            (10, "100"),
            ("a", "b"),
            (["a"], "['a', 'b']"),
            ("x", None),
            ("None", ""),
            (True, "False"),
            (1, "true"),
            ([1], "[true]"),
            (True, 1),
            ("1 0", "10"),
            ("a < b", "a<b"),
            ("a < b", "a &lt;  b"),
            ("one\ntwo", "one two"),
            ("it's", "it&#39;s"),
            ("a & b", "a &amp; b"),
        ],
    )
    def test_another_value(self, value: object, shows: object) -> None:
        """Of a field of the form."""
        differences, unseen = compared(sent(SERVICE, approvers=(), fields={"f": value}), fields={"f": shows})
        assert (len(differences), unseen) == (1, ())
        assert differences[0].startswith("field f: sent ")

    @pytest.mark.parametrize("text", ["id<u AND role='root' AND age>0", "<b>x</b>", "a <!-- b --> c", "</p>", "<?x?>"])
    def test_a_text_that_may_hold_a_tag_is_equal_to_itself_alone(self, text: str) -> None:
        """What the server makes of it is not known: anything else is neither alike nor different."""
        mine = sent(content=text)
        assert compared(mine) == ALIKE
        for other in ("id<u_no_such_id AND 1=0 AND age>0", "x", "a  c", ""):
            differences, (unseen,) = compared(mine, fields={"APPROVAL_CONTENT": other})
            assert differences == ()
            assert unseen.startswith("field APPROVAL_CONTENT: not comparable, since the server rewrites HTML: sent ")

    def test_a_title_that_may_hold_a_tag_is_equal_to_itself_alone(self) -> None:
        """In the row as on the page."""
        mine = sent(title="a <b> c")
        suffix = title_suffix(mine.attempt.key)
        assert compared(mine) == ALIKE
        differences, unseen = compared(mine, title=f"a  c{suffix}")
        assert (differences, len(unseen)) == ((), 1)
        assert unseen[0].startswith("title: not comparable, since the server rewrites HTML: sent a <b> c")

    @given(st.text("<>&\"'ab \n", max_size=8), st.text("<>&\"'ab \n", max_size=8))
    def test_a_shown_text_is_never_rewritten(self, ours: str, theirs: str) -> None:
        """Unless it holds an entity, as the server's filter leaves them, a text that differs is not equal."""
        mine = sent(SERVICE, approvers=(), fields={"f": f"x{ours}x"})
        if ours != theirs and ";" not in theirs:
            assert compared(mine, fields={"f": f"x{theirs}x"}) != ALIKE

    def test_another_service_is_told_by_its_number(self) -> None:
        """A form that looks the same does not make it the same service."""
        assert compared(sent(SERVICE, approvers=()), service_id=6)[0] == ("service: sent 5, shows 6",)

    def test_approvers_in_a_field_of_the_service(self) -> None:
        """Compared as people, under the key that the settings name."""
        mine, using = sent(SERVICE), given_settings(SERVICE, approver_field="who")
        assert compared(mine, using, fields={"who": "bob,alice"}) == ALIKE
        assert compared(mine, using, fields={"who": "mallory"})[0] == ("approvers: sent alice,bob, shows mallory",)

    def test_long_texts_are_shown_from_where_they_differ(self) -> None:
        """Cleaned and cut, so that a foreign text cannot fill a log."""
        mine = sent(content="x" * 500 + "OURS" + "y" * 500)
        (difference,), _ = compared(mine, fields={"APPROVAL_CONTENT": "x" * 500 + "THEIRS\x1b[2J" + "z" * 500})
        assert "OURS" in difference
        assert "THEIRS [2J" in difference
        assert len(difference) < 300

    def test_a_difference_shows_a_little_from_before_it_begins(self) -> None:
        """Of long texts; short ones are shown whole, and other values as JSON."""
        one, other = "a" * 200 + "b" * 200, "a" * 200 + "c" * 200

        assert _both("title", one, other) == f"title: sent …{'a' * 20}{'b' * 58}…, shows …{'a' * 20}{'c' * 58}…"
        assert _both("title", "a" * 80, "a" * 79 + "b") == f"title: sent {'a' * 80}, shows {'a' * 79}b"
        assert _both("field", {"名": 1}, None) == 'field: sent {"名": 1}, shows nothing'

    def test_the_first_differences_are_kept(self) -> None:
        """The rest is counted."""
        parts = [str(number) for number in range(22)]

        assert _capped(parts) == (*parts[:8], "and 14 more")
        assert _capped(parts[:8]) == tuple(parts[:8])

    def test_a_page_of_long_texts(self) -> None:
        """The keys of its fields are foreign texts, too."""
        long = "x" * 9999
        page = {
            "id": 7,
            "sn": ticket().sn,
            "title": "t",
            "creator": "alice",
            "create_at": "2026-11-24 20:00:00",
            "service_id": 1,
            "current_status": long,
            "current_steps": [{"name": long, "status": "RUNNING"}],
            "fields": [{"key": long, "type": long, "name": long, "value": long}],
        }

        def answer(request: HttpRequest) -> bytes:
            if request.endpoint == "get_tickets":
                return success({"count": 1, "total_page": 1, "items": [page]})
            return success([] if request.endpoint == "get_services" else page)

        form = attrs.evolve(create_request().form, fields={"a": 1, "b": 2})
        (found,) = scripted_gateway(answer)[0].find_by_sn(ticket().sn, attrs.evolve(filed(), form=form))

        assert max(map(len, (*found.differences, *found.unseen))) < 300

    def test_there_are_not_without_end_of_them(self) -> None:
        """Their number is said."""
        fields = {f"f{number}": "a" for number in range(50)}
        differences, _ = compared(sent(SERVICE, approvers=(), fields=fields), fields=dict.fromkeys(fields, "b"))
        assert (len(differences), differences[-1]) == (9, "and 42 more")


class TestNotShown:
    """What the gateway does not show is neither alike nor different."""

    @pytest.mark.parametrize(
        ("changes", "unseen"),
        [
            ({"service_id": None}, "service: not shown"),
            ({"service_id": True}, "service: not shown"),
            ({"create_at": None}, "made: no time is shown that can be read"),
            ({"create_at": "yesterday"}, "made: no time is shown that can be read"),
            ({"fields": {"title": None}}, "form: its fields are not filled in yet"),
        ],
    )
    def test_each_part(self, changes: dict[str, Any], unseen: str) -> None:
        """Alone."""
        assert compared(sent(), title="接入 nginx 日志 #GV755PZN", **changes) == ((), (unseen,))

    def test_a_field_that_the_page_lacks(self) -> None:
        """Hidden, or of another form."""
        mine, using = sent(), given_settings()
        row, page = shown(mine, using)
        bare = attrs.evolve(page, fields=tuple(field for field in page.fields if field.key != "APPROVER"))
        assert matched(mine, row, bare, using) == ((), ("approvers: not shown",))

    @pytest.mark.parametrize("instead", ["the gateway answers with code SERVER_500_ERROR", 8])
    def test_a_page_that_cannot_be_read(self, instead: str | int) -> None:
        """Refused, or another ticket's of the same number."""
        mine, using = sent(), given_settings()
        row, page = shown(mine, using)
        other = instead if isinstance(instead, str) else attrs.evolve(page, id=instead)
        differences, (unseen,) = matched(mine, row, other, using)
        assert (differences, unseen.startswith("form: ")) == ((), True)

    def test_a_builtin_service_whose_number_is_not_known(self) -> None:
        """Then nothing says whether the ticket is of that service."""
        mine, using = sent(), given_settings()
        row, page = shown(mine, using)
        found = matched(mine, row, page, using, builtin=lambda: ("", "2 services are named so"))
        assert found == ((), ("service: 2 services are named so",))

    def test_more_tickets_than_are_read_in_full(self) -> None:
        """The oldest are; a flood of copies costs a bounded number of requests."""
        mine, using = sent(), given_settings()
        row, page = shown(mine, using)
        rows = [attrs.evolve(row, id=number) for number in range(30, 0, -1)]
        asked: list[int] = []

        def read_page(of: TicketRow) -> TicketPage:
            asked.append(of.id)
            return attrs.evolve(page, id=of.id)

        found = TicketMatcher(mine, using, builtin=lambda: ("2", ""), page=read_page, fields=no_fields).compare(rows)

        assert asked == list(range(1, MAX_PAGES_READ + 1)) == [*range(1, 9)]
        assert [each for each, parts in found.items() if parts == ALIKE] == asked


class TestLeftOut:
    """Fields that were not sent, and that a ticket which was filed by hand fills in."""

    LISTED = tuple(FormField(key=key) for key in ("title", "people", "cluster", "reason", "priority"))

    @pytest.mark.parametrize("listed", [LISTED, None])
    def test_approvers_whom_nobody_sent_differ(self, listed: Sequence[FormField] | None) -> None:
        """The service would have asked its own; the setting names their field, whatever the server shows."""
        using = given_settings(SERVICE, approver_field="people", content_field="reason")
        what = sent(SERVICE, approvers=(), fields={"cluster": "c"})

        differences, unseen = compared(what, using, listed=listed, fields={"reason": "a test", "people": "eve"})

        assert differences == ("approvers: sent nothing, shows eve", "field reason: sent nothing, shows a test")
        assert unseen == ()

    def test_an_optional_field_that_was_left_empty_differs(self) -> None:
        """Its text is shown to the approvers as well."""
        what = sent(SERVICE, approvers=(), fields={"cluster": "c"})

        assert compared(what, listed=self.LISTED, fields={"reason": "only a test"}) == (
            ("field reason: sent nothing, shows only a test",),
            (),
        )

    @pytest.mark.parametrize("value", [None, "", " ", [], "None"])
    def test_an_optional_field_that_stays_empty_is_alike(self, value: object) -> None:
        """The page shows every field of the form."""
        what = sent(SERVICE, approvers=(), fields={"cluster": "c"})
        assert compared(what, listed=self.LISTED, fields={"reason": value, "people": value}) == ALIKE

    @pytest.mark.parametrize(("default", "value"), [("2", "2"), ("2", 2), (2, "2"), ([1], [1])])
    def test_a_default_that_the_server_filled_in_is_alike(self, default: object, value: object) -> None:
        """Any other value of the field is not."""
        what, listed = sent(SERVICE, approvers=()), [FormField(key="level", default=default)]

        assert compared(what, listed=listed, fields={"level": value}) == ALIKE
        (problem,), _ = compared(what, listed=listed, fields={"level": "3"})
        assert problem.startswith("field level: sent ")

    def test_fields_of_other_steps_and_of_the_server_are_alike(self) -> None:
        """The verdict is true from the beginning; the server keeps the status, the priority and the title itself."""
        what = sent(SERVICE, approvers=())
        filled = {"remark": "looks good", "current_status": "FINISHED", "priority": "1"}
        assert compared(what, listed=self.LISTED, fields=filled) == ALIKE

    def test_the_form_of_the_built_in_service_is_known(self) -> None:
        """Each of its fields is sent, so the server is not asked."""

        def asked(service: str) -> None:
            raise AssertionError(service)

        what = sent()
        row, page = shown(what, given_settings())
        matcher = TicketMatcher(what, given_settings(), builtin=lambda: ("2", ""), page=lambda _: page, fields=asked)
        assert matcher.compare([row])[row.id] == ALIKE


def test_who_decides_comes_first_of_many_differences() -> None:
    """Only the beginning of a long list is kept, and whoever looks at it must see that."""
    names = [f"a{number}" for number in range(20)]
    what = sent(SERVICE, fields=dict.fromkeys(names, "sent"))
    using = given_settings(SERVICE, approver_field="people")
    differences, _ = compared(what, using, fields={**dict.fromkeys(names, "shown"), "people": "eve"})

    assert differences[0] == "approvers: sent alice,bob, shows eve"
    assert differences[1] == "field a0: sent sent, shows shown"
    assert len(differences) == 9


def test_a_ticket_that_does_not_show_our_key_differs_in_that_first() -> None:
    """Whoever is asked whether it is ours sees why it was not taken for it."""
    row: Any = SimpleNamespace(id=7, sn="REQ7", title="t", creator="alice")
    sent: Any = SimpleNamespace(attempt=SimpleNamespace(key="K1"))
    parts = (("title: sent a, shows b",), ("content",))

    other = found_ticket(row, sent, parts, carries_key=False, url="u")
    ours = found_ticket(row, sent, parts, carries_key=True, url="u")

    assert (other.key, other.differences) == ("", ("key: sent K1, not shown", "title: sent a, shows b"))
    assert (ours.key, ours.differences, ours.unseen) == ("K1", ("title: sent a, shows b",), ("content",))


@pytest.mark.parametrize("text", ["", "None", "null", "[]", "{}", " None "])
def test_a_value_that_was_left_empty_may_be_shown_as_a_word_for_nothing(text: str) -> None:
    """The server writes what it stores as text in several ways; none of them is a difference."""
    assert _same_value(None, text)
    assert _same_value([], text)
    assert not _same_value(None, f"{text} and more")


def differences_of_ended(service: str = SERVICE, **changes: Any) -> Sequence[str]:
    """Return what differs of a ticket that ended, which its row and its page must agree on."""
    what, using = sent(service), given_settings(service, **changes.pop("using", {}))
    row, page = shown(what, using, **changes)
    matcher = TicketMatcher(what, using, builtin=lambda: ("2", ""), page=lambda _: "not to be asked", fields=no_fields)
    by_row, by_page = matcher.differences(row), matcher.differences(page)
    assert by_row == by_page
    return by_row


class TestEnded:
    """A ticket that ended is compared once more, by what makes it this ticket and by nothing else."""

    @pytest.mark.parametrize("service", [SERVICE, "fast_approval"])
    @pytest.mark.parametrize("using", [{"key_in_title": True}, {"key_in_title": False}])
    def test_what_was_sent_is_the_same(self, service: str, using: dict[str, Any]) -> None:
        """By either kind of service, and with either kind of title."""
        assert differences_of_ended(service, using=using) == ()

    @pytest.mark.parametrize("using", [{"key_in_title": True}, {"key_in_title": False}])
    def test_the_setting_of_the_title_may_have_been_another_one(self, using: dict[str, Any]) -> None:
        """With our key or without."""
        for title in (TITLE, f"{TITLE} #{attempt().key[-8:]}"):
            assert differences_of_ended(using=using, title=title) == ()

    @pytest.mark.parametrize(
        "changes",
        [
            {"create_at": "2020-01-01 00:00:00"},
            {"create_at": None},
            {"service_id": None},
            {"current_status": "REVOKED"},
            {"fields": {"APPROVER": "eve"}},
        ],
    )
    def test_what_those_who_decide_may_change_does_not_differ(self, changes: dict[str, Any]) -> None:
        """Nor the time, by a clock that may have been wrong, nor what is not shown."""
        assert differences_of_ended(**changes) == ()

    def test_another_ticket_differs(self) -> None:
        """In all three."""
        found = differences_of_ended(title="other", creator="eve", service_id=6)

        assert [one.partition(":")[0] for one in found] == ["creator", "title", "service"]
        assert found[0] == "creator: sent alice, shows eve"
        assert found[2] == f"service: sent {SERVICE}, shows 6"

    @pytest.mark.parametrize(("word", "differs"), [("FINISHED", True), ("REVOKED", True), ("RUNNING", False)])
    def test_the_gateway_compares_a_ticket_that_ended_if_it_is_told_with_what(self, word: str, differs: bool) -> None:  # noqa: FBT001 - a case
        """Not one that runs; and the gateway that was asked to compare is another one, which shares its connections."""
        page = {"id": 7, "sn": ticket().sn, "title": "other", "creator": "alice", "service_id": 2}
        page |= {"current_status": word, "current_steps": [], "fields": []}

        def answer(request: HttpRequest) -> bytes:
            if request.endpoint == "get_services":
                return success([{"id": 2, "name": "内置审批服务"}])
            answers: dict[str, object] = {
                "get_ticket_info": page,
                "get_ticket_logs": {"logs": []},
                "get_ticket_status": {"current_steps": []},
            }
            return success(answers.get(request.endpoint, []))

        ours, _ = scripted_gateway(answer)
        found = ours.comparing(filed()).read(ticket()).differences

        assert [one.partition(":")[0] for one in found] == (["title"] if differs else [])
        assert ours.read(ticket()).differences == ()
