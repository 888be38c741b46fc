"""What a form may hold, and the body that becomes of it."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.bkapi.outgoing import encode_json
from itsm_workflow.change import Attempt, Form, Phase
from itsm_workflow.gateway.bk_itsm.form import (
    FAST_APPROVAL,
    TITLE_LIMIT,
    approval_content,
    build_body,
    check_form,
    shown_body,
    title_suffix,
)
from itsm_workflow.gateway.protocol import CreateRequest
from itsm_workflow.secrets import Secret
from itsm_workflow.settings import Settings

KEY = "pre01M87NCF7BNR8G5Q97GV755PZN"
SUFFIX = " #GV755PZN"


def settings(**given: object) -> Settings:
    """Return settings for the built-in service, unless another is given."""
    fixed: dict[str, Any] = {"app_code": "a", "app_secret": Secret("s"), "gateway_url": "https://e.com/"}
    return Settings(**fixed | {"fast_approval": "service_id" not in given} | given)


def form(**given: object) -> Form:
    """Return a form that nothing is wrong with."""
    fixed: dict[str, Any] = {"title": "接入日志", "applicant": "alice", "approvers": ("bob", "carol")}
    return Form(**fixed | given)


def request(asked: Form, service: str = FAST_APPROVAL, key: str = KEY) -> CreateRequest:
    """Return what to create."""
    attempt = Attempt(
        key=key,
        number=1,
        phase=Phase.SENDING,
        creator=asked.applicant,
        service=service,
        owner="o",
        submitted_at=dt.datetime(2026, 11, 24, tzinfo=dt.UTC),
    )
    return CreateRequest(
        form=asked,
        attempt=attempt,
        callback_url="https://me.example.com/cb/secret-path",
        callback_headers={"Authorization": "canary-credential"},
    )


def wrong(asked: Form, **given: object) -> list[str]:
    """Return the fields that something is wrong with."""
    return [field for field, _, _ in check_form(asked, settings(**given))]


class TestChecking:
    """Everything is found before anything is stored or sent."""

    def test_a_good_form_has_no_problem(self) -> None:
        """With fields of any JSON kind."""
        assert wrong(form(fields={"n": 1, "d": {"a": [1.5, None, True]}})) == []

    @pytest.mark.parametrize("title", ["", "  ", "a\nb", "a\tb", "a\x00b", "a\u2028b", "\u202egnp", "😀", "x" * 111])
    def test_a_title_that_the_gateway_cannot_take(self, title: str) -> None:
        """Empty, more than one line, turned round, outside the basic plane, too long with its suffix."""
        assert set(wrong(form(title=title))) == {"title"}

    @pytest.mark.parametrize(
        ("title", "found"), [("a\nb\tc\n", "U+0009, U+000A"), ("a\u202eb", "U+202E"), ("a\u2028\0", "U+0000, U+2028")]
    )
    def test_what_breaks_or_turns_a_title_round_is_named(self, title: str, found: str) -> None:
        """Most of it cannot be seen in a message."""
        rules = [rule for field, _, rule in check_form(form(title=title), settings()) if field == "title"]
        assert f"must be one line, without control and direction characters, but contains {found}" in rules

    def test_the_limit_counts_the_suffix(self) -> None:
        """The whole title is at most 120 characters, with the key or without."""
        assert TITLE_LIMIT == 120
        assert wrong(form(title="x" * (TITLE_LIMIT - len(SUFFIX)))) == []
        assert wrong(form(title="x" * TITLE_LIMIT), key_in_title=False) == []
        assert wrong(form(title="x" * (TITLE_LIMIT + 1)), key_in_title=False) == ["title"]

    @pytest.mark.parametrize("name", ["", "bob ", " bob", "a b", "a,b", "a;b", "a，b", "bob\n", "😀", "x" * 65])
    def test_a_name_that_would_not_be_that_user(self, name: str) -> None:
        """With a blank after the comma, the approver could never approve."""
        assert set(wrong(form(approvers=("alice", name)))) == {"approvers[1]"}
        assert set(wrong(form(applicant=name))) == {"applicant"}

    def test_an_approver_is_named_once(self) -> None:
        """Twice is a mistake."""
        assert wrong(form(approvers=("bob", "carol", "bob"))) == ["approvers[2]"]

    def test_the_built_in_service_needs_an_approver(self) -> None:
        """It names none itself."""
        assert wrong(form(approvers=())) == ["approvers"]

    def test_a_service_that_names_its_own_takes_none(self) -> None:
        """They would be lost silently; so would a content without a field."""
        assert wrong(form(content="c"), service_id="5") == ["approvers", "content"]
        assert wrong(form(content="c"), service_id="5", approver_field="who", content_field="why") == []

    @pytest.mark.parametrize("key", ["", "a b", "a/b", "键", "x" * 65])
    def test_a_field_needs_a_key_that_a_form_can_have(self, key: str) -> None:
        """The gateway refuses a key that its form lacks."""
        assert wrong(form(fields={key: 1})) == ["fields"]

    @pytest.mark.parametrize("key", ["title", "who", "why"])
    def test_a_field_does_not_stand_in_for_a_part_of_the_form(self, key: str) -> None:
        """One field, one meaning."""
        asked = form(fields={key: "x"})

        assert wrong(asked, service_id="5", approver_field="who", content_field="why") == [f"fields.{key}"]

    @pytest.mark.parametrize(
        "value",
        [float("nan"), float("inf"), b"bytes", {1: "x"}, {"a": {1, 2}}, dt.date(2026, 1, 1), [[[[[[[[object()]]]]]]]]],
    )
    def test_a_value_that_json_cannot_say(self, value: object) -> None:
        """It is named by its field, and its text is not quoted."""
        assert wrong(form(fields={"f": value})) == ["fields.f"]

    @pytest.mark.parametrize("value", ["😀", ["a", {"k": "😀"}], {"😀": 1}, "\ud800", "a\x00"])
    def test_a_text_that_the_database_cannot_take(self, value: object) -> None:
        """However deep it is."""
        assert set(wrong(form(fields={"f": value}))) == {"fields.f"}

    def test_emoji_where_the_database_stores_them(self) -> None:
        """By a setting."""
        assert wrong(form(title="😀", content="😀", fields={"f": "😀"}), four_byte_text=True) == []

    def test_a_value_that_is_too_long_is_not_shown_whole(self) -> None:
        """The rule is what is read."""
        problems = check_form(form(title="x" * 9999, applicant="x" * 9999), settings())

        assert [(field, len(value)) for field, value, _ in problems] == [("title", 80), ("applicant", 80)]

    def test_all_problems_at_once(self) -> None:
        """One round for whoever fills the form in."""
        asked = Form(title="", applicant="", approvers=("a b",), fields={"f": float("nan")})

        assert wrong(asked) == ["title", "applicant", "approvers[0]", "fields.f"]

    @given(st.text(), st.text(), st.lists(st.text(), max_size=3), st.text())
    def test_any_form_gets_a_verdict_that_can_be_shown(
        self, title: str, applicant: str, approvers: list[str], content: str
    ) -> None:
        """Checking never fails itself, and what it tells is one printable line each."""
        asked = Form(title=title, applicant=applicant, approvers=tuple(approvers), content=content)

        for problem in check_form(asked, settings()):
            assert "".join(problem).isprintable()

    @given(
        st.text(st.characters(categories=("L", "N"), max_codepoint=0xFFFF), min_size=1, max_size=30),
        st.dictionaries(
            st.from_regex(r"[a-z]{1,9}", fullmatch=True),
            st.recursive(
                st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False), st.lists, max_leaves=8
            ),
            max_size=4,
        ),
    )
    def test_what_passes_can_be_sent(self, title: str, fields: dict[str, Any]) -> None:
        """A form without a problem always becomes a body."""
        asked = form(title=title, fields=fields)

        assert wrong(asked) == []
        assert json.loads(encode_json(build_body(request(asked), settings())))["tag"] == KEY

    @pytest.mark.parametrize(("depth", "rules"), [(16, 0), (17, 1), (10_000, 1)])
    def test_a_value_is_only_so_deep(self, depth: int, rules: int) -> None:
        """Deeper ones are refused before anything has to follow them."""
        lists: object = 7
        objects: object = 7
        for _ in range(depth):
            lists, objects = [lists], {"in": objects}

        for value in (lists, objects):
            assert len(wrong(form(fields={"deep": value}))) == rules


class TestBody:
    """The exact body of create_ticket."""

    def test_the_built_in_service_takes_exactly_three_fields(self) -> None:
        """Approvers are joined by commas without blanks."""
        asked = form(content="please", fields={"hosts": 10, "name": "nginx", "paths": ["/var/日志"]})

        body = json.loads(encode_json(build_body(request(asked), settings())))

        assert body == {
            "creator": "alice",
            "operator": "alice",
            "bk_username": "admin",
            "fast_approval": True,
            "fields": [
                {"key": "title", "value": f"接入日志{SUFFIX}"},
                {"key": "APPROVER", "value": "bob,carol"},
                {"key": "APPROVAL_CONTENT", "value": 'please\nhosts: 10\nname: nginx\npaths: ["/var/日志"]'},
            ],
            "tag": KEY,
            "meta": {
                "callback_url": "https://me.example.com/cb/secret-path",
                "headers": {"Authorization": "canary-credential"},
            },
        }

    def test_a_service_takes_the_form_s_own_fields(self) -> None:
        """And the approvers in the field that the settings name."""
        asked = form(fields={"hosts": 10}, content="why not")
        given = settings(service_id="5", approver_field="who", content_field="why", key_in_title=False)

        body = build_body(request(asked, "5"), given)

        assert body["service_id"] == 5
        assert "fast_approval" not in body
        assert body["fields"] == [
            {"key": "title", "value": "接入日志"},
            {"key": "hosts", "value": 10},
            {"key": "who", "value": "bob,carol"},
            {"key": "why", "value": "why not"},
        ]

    def test_the_service_is_the_attempt_s(self) -> None:
        """A change of settings does not change what was stored to be sent."""
        assert build_body(request(form(), "7"), settings())["service_id"] == 7

    def test_an_approver_always_has_something_to_read(self) -> None:
        """The gateway refuses an empty content."""
        assert approval_content(form()) == "接入日志"
        with pytest.raises(ValueError, match="not JSON compliant"):
            approval_content(form(fields={"size": math.nan}))

    def test_a_title_ends_with_the_end_of_the_key(self) -> None:
        """Its last characters change fastest."""
        assert title_suffix("0123456789") == " #23456789"

    def test_the_body_shows_no_credential(self) -> None:
        """Neither as it is carried, nor as it is shown to people."""
        body = build_body(request(form()), settings())

        assert "canary" not in repr(body)
        assert "secret-path" not in repr(body)
        assert shown_body({"creator": "alice"}) == {"creator": "alice"}
        assert shown_body(body)["meta"] == {
            "callback_url": "https://me.example.com/cb/secret-path",
            "headers": {"Authorization": "***"},
        }

    def test_no_callback_no_meta(self) -> None:
        """Then only polling brings the news."""
        asked = request(form())
        silent = CreateRequest(form=asked.form, attempt=asked.attempt, callback_url=None, callback_headers={})

        assert "meta" not in build_body(silent, settings())

    def test_a_name_and_a_content_to_the_character(self) -> None:
        """A name of 64 characters is one; what cannot be stored is told of the content by its name."""
        assert wrong(form(applicant="x" * 64, approvers=("y" * 64,))) == []
        assert wrong(form(applicant="x" * 65, approvers=("y" * 65,))) == ["applicant", "approvers[0]"]
        assert wrong(form(content="\U0001f600")) == ["content"]

    @pytest.mark.parametrize("key", ["k", "k" * 32])
    def test_the_shortest_and_the_longest_key(self, key: str) -> None:
        """Both travel."""
        assert build_body(request(form(), "5", key), settings())["tag"] == key

    @pytest.mark.parametrize(("service", "key"), [("", KEY), ("five", KEY), ("5", ""), ("5", "k" * 33)])
    def test_an_attempt_that_cannot_be_sent(self, service: str, key: str) -> None:
        """A tag of 33 characters is refused with a database error."""
        with pytest.raises(ValueError, match=r"service|key"):
            build_body(request(form(), service, key), settings())
