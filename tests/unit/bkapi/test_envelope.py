"""What counts as an answer, and what does not."""

from __future__ import annotations

import enum
import json
import sys
import unicodedata
from itertools import islice
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.bkapi import envelope
from itsm_workflow.bkapi.envelope import (
    MAX_DEPTH,
    MAX_VALUES,
    GatewayRefusal,
    Success,
    clean,
    decode,
    parse_json,
    read_envelope,
)
from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.errors import GatewayAnswerTooLarge, GatewayProtocolError
from tests.support.defaults import set_defaults

HOSTILE = "\x1b[31m\r\nlevel=ERROR \u202eevil\u2028\x00"


def answer(body: bytes | str | dict[str, Any], status: int = 200) -> HttpResponse:
    """Return an answer as it came off the wire."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return HttpResponse(status=status, headers=MappingProxyType({}), body=raw, elapsed=0.0)


def read(body: bytes | str | dict[str, Any], status: int = 200) -> Success | GatewayRefusal:
    """Read an envelope."""
    return read_envelope(answer(body, status), endpoint="e", request_id="r")


class TestEnvelope:
    """HTTP 200, a JSON object, ``result`` exactly true."""

    @pytest.mark.parametrize("code", [0, "0", "20000", None, 7])
    def test_success_is_result_true_whatever_the_code(self, code: object) -> None:
        """The generations disagree on the code; none is wrong about ``result``."""
        assert read({"result": True, "code": code, "data": [1]}) == Success(code=code, data=[1])  # type: ignore[arg-type] # all cases

    @pytest.mark.parametrize("code", [3900004, "SERVER_500_ERROR"])
    def test_a_refusal_keeps_its_code_and_its_type(self, code: int | str) -> None:
        """A number proves that the application itself answered, a word does not."""
        assert read({"result": False, "code": code, "data": None, "message": "no"}) == GatewayRefusal(
            code=code, message="no"
        )

    @pytest.mark.parametrize("result", ["true", "false", 1, 0, None, [], {"a": 1}])
    def test_a_result_that_is_no_boolean_counts_for_nothing(self, result: object) -> None:
        """Neither success nor refusal: the text "false" is true elsewhere."""
        with pytest.raises(GatewayProtocolError):
            read({"result": result, "code": 0, "data": {}})

    @pytest.mark.parametrize("value", [b"0,", b"[]", b"{}"])
    def test_too_many_values_are_refused_before_they_are_read(self, value: bytes) -> None:
        """A short text can become sixty times as much memory; the message says what was exceeded."""
        body = b'{"result": true, "code": 0, "data": [' + value * (MAX_VALUES + 1) + b"]}"
        with pytest.raises(GatewayAnswerTooLarge, match=f"more than {MAX_VALUES} values"):
            read(body)

    def test_what_holds_too_many_values_is_not_even_parsed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The values would be there before they are counted."""
        monkeypatch.setattr(envelope, "MAX_VALUES", 3)
        monkeypatch.setattr(envelope, "parse_json", lambda _: pytest.fail("parsed"))
        with pytest.raises(GatewayAnswerTooLarge):
            read({"result": True, "code": 0, "data": [1, 2, 3]})

    @pytest.mark.parametrize("result", [True, False])
    def test_a_code_that_is_a_word_is_made_harmless(self, result: bool) -> None:  # noqa: FBT001 - a case
        """Of a success as well: it is logged."""
        found = read({"result": result, "code": f"NO{HOSTILE}", "message": "no", "data": None})

        assert found.code == "NO [31m level=ERROR evil"

    @pytest.mark.parametrize(("length", "shown"), [(199, 199), (200, 200), (201, 200), (999, 200)])
    def test_a_text_is_cut_where_it_is_too_long(self, length: int, shown: int) -> None:
        """One of exactly the limit is whole."""
        found = clean("x" * length)

        assert (len(found), found.endswith("…")) == (shown, length > 200)

    @pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
    def test_how_deep_a_value_may_be_nested(self, depth: int) -> None:
        """To the level."""
        body = b"[" * depth + b"]" * depth
        if depth > MAX_DEPTH:
            with pytest.raises(ValueError, match="nested too deeply"):
                parse_json(body)
        else:
            assert parse_json(body) is not None

    @pytest.mark.parametrize("status", [100, 201, 202, 204, 301, 302, 400, 403, 404, 429, 500, 502, 503])
    def test_another_status_counts_for_nothing(self, status: int) -> None:
        """Even with a perfect body."""
        with pytest.raises(GatewayProtocolError) as caught:
            read({"result": True, "code": 0, "data": {}}, status)

        assert caught.value.status == status

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b'"text"',
            b"<html>login</html>",
            b'{"result": true, "code": 0, "data": {}',
            b'{"result": true, "result": false, "code": 0}',
            b'{"result": true, "code": NaN}',
            b'{"result": true, "code": 0, "data": Infinity}',
            b'{"result": true, "code": 0, "data": 1e999}',
            b'{"result": true, "code": 0, "data": ' + b"9" * 5000 + b"}",
            b'{"result": true, "code": 0, "data": "\\ud800"}',
            b'{"result": true, "code": 0, "data": {"\\udfff": 1}}',
            b'{"result": true, "code": 0, "data": [{"a": ["\\ud83d\\ude00", "\\ud83d"]}]}',
            b'{"result": true, "code": 0, "data": "\xff"}',
            b"\xef\xbb\xbf" + b'{"result": true, "code": 0}',
            '{"result": true, "code": 0}'.encode("utf-16"),
            b'{"result": true, "code": 0, "data": ' + b"[" * 100 + b"]" * 100 + b"}",
            b'{"result": true, "code": 0, "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"result": true, "code": true}',
            b'{"result": true, "code": [0]}',
            b'{"result": true, "code": 0.0}',
            b'{"result": false, "code": 3900004, "message": {"not": "text"}}',
            b'{"data": {}}',
        ],
    )
    def test_what_is_no_envelope_is_an_error_of_ours(self, body: bytes) -> None:
        """Whatever comes, the caller sees one kind of error, which quotes nothing of it."""
        with pytest.raises(GatewayProtocolError) as caught:
            read(body)

        assert "login" not in str(caught.value)

    def test_a_refusal_without_a_code_is_a_refusal(self) -> None:
        """``result: false`` says it; some services of a platform give no code."""
        assert read(b'{"result": false, "message": "no such form"}') == GatewayRefusal(
            code=None, message="no such form"
        )

    def test_a_refusal_with_another_status_keeps_its_code_and_message(self) -> None:
        """A gateway refuses credentials with HTTP 401; what else such an answer holds is not quoted."""
        body = b'{"result": false, "code": 1640101, "message": "App authentication failed", "data": {"login": "x"}}'
        with pytest.raises(GatewayProtocolError) as caught:
            read(body, status=401)
        assert (caught.value.remote_code, caught.value.remote_message) == (1640101, "App authentication failed")
        assert "login" not in f"{caught.value}{vars(caught.value)}"
        for other in (b"<html>", b'{"result": true, "code": 0}', b'{"detail": "login"}'):
            with pytest.raises(GatewayProtocolError) as caught:
                read(other, status=401)
            assert (caught.value.remote_code, caught.value.remote_message) == (None, "")

    @given(st.binary(max_size=200))
    def test_any_bytes_end_in_an_envelope_or_our_error(self, body: bytes) -> None:
        """No other error escapes."""
        try:
            found = read(body)
        except GatewayProtocolError:
            return
        assert isinstance(found, Success | GatewayRefusal)

    @given(st.recursive(st.none() | st.booleans() | st.integers(-(10**50), 10**50) | st.text(), st.lists))
    def test_values_come_through_as_they_are(self, value: object) -> None:
        """Being strict changes nothing in what is allowed."""
        assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value

    def test_two_escapes_may_be_one_character(self) -> None:
        """Outside the basic plane; at any depth, also as a key."""
        body = b'{"result": true, "code": 0, "data": [{"\\ud83d\\ude00": ["\\uD83D\\uDE00", 1]}]}'

        assert read(body) == Success(code=0, data=[{"😀": ["😀", 1]}])

    def test_as_deep_as_allowed(self) -> None:
        """The depth is counted from the object itself."""
        inside = MAX_DEPTH - 1

        assert isinstance(read(b'{"result": true, "data": ' + b"[" * inside + b"]" * inside + b"}"), Success)
        with pytest.raises(GatewayProtocolError):
            read(b'{"result": true, "data": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}")


class TestValues:
    """What was read, as values."""

    def test_they_are_empty_by_default(self) -> None:
        """Only the code must be given, and what was brought or said."""
        assert set_defaults(Success, {"code": 0, "data": 1}) == {}
        assert set_defaults(GatewayRefusal, {"code": 1, "message": "m"}) == {}

    def test_a_success_is_equal_by_its_data(self) -> None:
        """Not by the gateway's words, which depend on the language."""
        assert Success(code=0, message="ok", data=1) == Success(code=0, message="成功", data=1)
        assert Success(code=0, data=1) != Success(code=0, data=2)

    @pytest.mark.parametrize(
        "shown",
        [Success(code=0, data="canary", errors="canary"), GatewayRefusal(code=1, message="m", errors="canary")],
        ids=lambda shown: type(shown).__name__,
    )
    def test_their_repr_shows_no_data(self, shown: object) -> None:
        """A traceback with the variables of its frames may print it."""
        assert "canary" not in repr(shown)


class TestForeignText:
    """What the gateway says may be shown to people, made harmless."""

    def test_a_message_is_one_short_clean_line(self) -> None:
        """No control, no line end, no direction mark; cut."""
        found = read({"result": False, "code": 1, "message": HOSTILE + "x" * 500})

        assert isinstance(found, GatewayRefusal)
        assert len(found.message) == 200
        assert found.message.isprintable()
        assert found.message.startswith("[31m level=ERROR evil x")

    @given(st.text())
    def test_cleaning_is_final(self, text: str) -> None:
        """Cleaning what is clean changes nothing, and nothing unprintable is left."""
        once = clean(text)

        assert once == clean(once)
        assert once.isprintable()

    @pytest.mark.parametrize("category", ["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"])
    def test_every_control_and_separator_is_a_space(self, category: str) -> None:
        """In a text without any other such character, so that nothing else makes the text unprintable."""
        every = (each for each in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(each) == category)
        characters = list(islice(every, 500))
        assert characters
        assert [each for each in characters if clean(f"a{each}b") != "a b"] == []

    def test_a_word_for_a_code_is_cleaned_too(self) -> None:
        """It goes into errors and logs."""
        found = read({"result": False, "code": HOSTILE, "message": ""})

        assert isinstance(found, GatewayRefusal)
        assert str(found.code).isprintable()


class Colour(enum.StrEnum):
    """An enum of texts, as a wire type may have."""

    RED = "red"


@attrs.frozen(kw_only=True)
class Leaf:
    """A wire type with one of each."""

    id: int
    sure: bool = False
    name: str | None = None
    share: float = 0.0
    colour: Colour = Colour.RED
    whatever: Any = None


@attrs.frozen(kw_only=True)
class Tree:
    """A wire type that holds others."""

    leaves: tuple[Leaf, ...]


class TestDecoding:
    """From JSON values to our types, as they are or not at all."""

    def test_what_fits_is_taken_and_strangers_are_ignored(self) -> None:
        """A gateway may add keys at any time."""
        data = {
            "leaves": [{"id": 1, "sure": True, "name": "n", "colour": "red", "whatever": {"a": []}, "new": 1}],
            "x": 1,
        }

        expected = Tree(leaves=(Leaf(id=1, sure=True, name="n", whatever={"a": []}),))
        assert expected == decode(data, Tree, endpoint="e", request_id="r")

    @pytest.mark.parametrize(
        ("data", "place"),
        [
            ({"leaves": [{"id": "1"}]}, r"data.leaves\[0\].id"),
            ({"leaves": [{"id": True}]}, r"data.leaves\[0\].id"),
            ({"leaves": [{"id": 1.0}]}, r"data.leaves\[0\].id"),
            ({"leaves": [{"id": 1, "sure": "false"}]}, r"data.leaves\[0\].sure"),
            ({"leaves": [{"id": 1, "sure": 0}]}, r"data.leaves\[0\].sure"),
            ({"leaves": [{"id": 1, "name": 5}]}, r"data.leaves\[0\].name"),
            ({"leaves": [{"id": 1, "name": ["a"]}]}, r"data.leaves\[0\].name"),
            ({"leaves": [{"id": 1, "share": 1}]}, r"data.leaves\[0\].share"),
            ({"leaves": [{"id": 1, "colour": "blue"}]}, r"data.leaves\[0\].colour"),
            ({"leaves": [{}]}, r"data.leaves\[0\].id"),
            ({"leaves": [[]]}, r"data.leaves\[0\]"),
            ({"leaves": "abc"}, "data.leaves"),
            ({"leaves": {"id": 1}}, "data.leaves"),
            ({"leaves": None}, "data.leaves"),
            ({}, "data.leaves"),
            ([], "data"),
            (None, "data"),
            ("leaves", "data"),
        ],
    )
    def test_what_does_not_fit_is_named_by_its_place(self, data: object, place: str) -> None:
        """Nothing is made to fit, and no value is quoted."""
        with pytest.raises(GatewayProtocolError, match=rf"do not match the type at {place} \(") as caught:
            decode(data, Tree, endpoint="e", request_id="r")

        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    def test_a_list_is_a_list(self) -> None:
        """Neither a text nor an object passes for one, whichever of Python's two it becomes."""
        assert decode(["a"], tuple[str, ...], endpoint="e", request_id="r") == ("a",)
        assert decode(["a"], list[str], endpoint="e", request_id="r") == ["a"]
        for kind in (tuple[str, ...], list[str]):
            for wrong in ("a", {"a": 1}, None, [1]):
                with pytest.raises(GatewayProtocolError):
                    decode(wrong, kind, endpoint="e", request_id="r")

    @pytest.mark.parametrize("data", [{"canary @ ']": 1}, ["canary"], "canary", 5])
    def test_a_key_of_the_gateway_s_own_is_not_quoted(self, data: object) -> None:
        """Where an object may have any keys, they are what the gateway said."""
        with pytest.raises(GatewayProtocolError, match=r"do not match the type at data \(") as caught:
            decode(data, dict[str, str], endpoint="e", request_id="r")
        assert "canary" not in f"{caught.value!r} {vars(caught.value)}"

    def test_whatever_a_type_raises_is_an_error_of_ours(self) -> None:
        """A host's type may check its values in its own way; what it says may quote them."""

        @attrs.frozen
        class Picky:
            name: str = attrs.field()

            @name.validator
            def _(self, _: object, value: str) -> None:
                raise LookupError(value)

        with pytest.raises(GatewayProtocolError, match=r"do not match the type at data") as caught:
            decode({"name": "canary"}, Picky, endpoint="e", request_id="r")
        assert caught.value.__cause__ is caught.value.__context__ is None
        assert "canary" not in str(caught.value)


class TestLimits:
    """What just fits, and what does not; each error names the call."""

    def test_as_many_values_as_are_read(self) -> None:
        """One more is refused, with the call and the status."""
        most = (
            MAX_VALUES - 3
        )  # the envelope's own two commas, its brace and the bracket count; one comma fewer than ones
        assert read(read_values(most)) == Success(code=0, data=[1] * most)
        with pytest.raises(GatewayAnswerTooLarge, match=f"more than {MAX_VALUES} values") as caught:
            read(read_values(most + 1))
        assert (caught.value.endpoint, caught.value.request_id, caught.value.status) == ("e", "r", 200)

    def test_the_deepest_value(self) -> None:
        """In levels; the tests above build one."""
        assert MAX_DEPTH == 64

    def test_a_number_of_a_hundred_digits(self) -> None:
        """A longer one is not meant."""
        assert parse_json(b"1" * 100) == int("1" * 100)
        with pytest.raises(ValueError, match="a number that is too long"):
            parse_json(b"1" * 101)

    def test_a_mark_at_the_beginning(self) -> None:
        """It is said to be one."""
        with pytest.raises(ValueError, match=r"^the answer starts with a byte order mark$"):
            parse_json("\ufeff{}".encode())

    def test_words_of_exactly_the_limit(self) -> None:
        """They are not cut, and blanks at the end do not count."""
        assert clean("x" * 64, limit=64) == "x" * 64
        assert clean("x" * 65, limit=64) == "x" * 63 + "…"
        assert clean("x" * 64 + " ", limit=64) == "x" * 64

    def test_a_code_of_words_is_cut(self) -> None:
        """At 64 characters."""
        found = read({"result": False, "code": "C" * 65, "message": "no"})
        assert found.code == "C" * 63 + "…"
        assert read({"result": False, "code": "C" * 64, "message": "no"}).code == "C" * 64

    @pytest.mark.parametrize("message", [None, ""])
    def test_no_words(self, message: str | None) -> None:
        """Then there are none."""
        assert read({"result": False, "code": 1, "message": message}).message == ""
        assert read({"result": True, "code": 0, "message": message}).message == ""
        assert read({"result": True, "code": 0, "message": 7}).message == ""

    def test_data_that_does_not_fit_comes_with_its_call(self) -> None:
        """Endpoint, id and status."""
        with pytest.raises(GatewayProtocolError, match="do not match the type at data ") as caught:
            decode("text", list[int], endpoint="e", request_id="r")
        assert (caught.value.endpoint, caught.value.request_id, caught.value.status) == ("e", "r", 200)

    def test_half_a_character_in_a_key(self) -> None:
        """As in a value."""
        for body in (b'{"\\ud800": 1}', b'{"a": "\\ud800"}', b'[["\\udc00"]]'):
            with pytest.raises(ValueError, match="lone surrogate"):
                parse_json(body)

    def test_five_places_are_named(self) -> None:
        """Of any number."""
        fields = {name: attrs.field(type=int) for name in "abcdef"}
        kind = attrs.make_class("Many", fields, frozen=True)
        with pytest.raises(GatewayProtocolError, match=r"at data\.a, data\.b, data\.c, data\.d, data\.e "):
            decode(dict.fromkeys(fields, "x"), kind, endpoint="e", request_id="r")


def read_values(count: int) -> bytes:
    """Return an envelope with so many ones."""
    return b'{"result": true, "code": 0, "data": [' + b",".join([b"1"] * count) + b"]}"
