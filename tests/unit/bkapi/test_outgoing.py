"""How parameters are written into addresses, queries, JSON and headers."""

from __future__ import annotations

import json
from collections import OrderedDict
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.bkapi.outgoing import _DEPTH as DEPTH
from itsm_workflow.bkapi.outgoing import _MAX_URL as MAX_URL
from itsm_workflow.bkapi.outgoing import build_query, build_url, encode_json, header_value
from itsm_workflow.secrets import Secret
from tests.support.calls import endpoint, settings

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


class TestUrl:
    """The address."""

    @given(TEXT.filter(lambda text: text not in {"", ".", ".."}))
    def test_a_parameter_is_one_part_of_the_path(self, name: str) -> None:
        """Whatever it holds, it reads back, and adds no part, query or fragment."""
        url = build_url(endpoint(url="of/{name}/page/", url_keys=("name",)), settings(), {"name": name})
        path = url.removeprefix("http://127.0.0.1:9/v2/itsm/")

        assert [unquote(part) for part in path.split("/")] == ["of", name, "page", ""]
        assert path.isascii()
        assert not set(path) & set("?#\\ ")

    @pytest.mark.parametrize("name", ["", ".", "..", True, 1.5, b"a", ["a"]])
    def test_a_parameter_that_names_no_part(self, name: object) -> None:
        """It would lead elsewhere."""
        with pytest.raises(
            ValueError, match=r"^search: the url's parameter 'name' must be a whole number or a non-empty text"
        ):
            build_url(endpoint(url="of/{name}/", url_keys=("name",)), settings(), {"name": name})

    def test_half_a_character_in_a_part(self) -> None:
        """The endpoint and the parameter are named, each in its place."""
        with pytest.raises(ValueError, match=r"^search: 'name' holds a lone surrogate$"):
            build_url(endpoint(url="of/{name}/", url_keys=("name",)), settings(), {"name": "\udc00"})

    def test_plain_http_to_another_host_is_refused(self) -> None:
        """The app secret would travel in clear."""
        with pytest.raises(ValueError, match=r"^search: http://e\.com is plain http to another machine"):
            build_url(endpoint(url="http://e.com/x/"), settings(), {})

    def test_https_to_another_host_is_taken(self) -> None:
        """As is plain http where the settings allow it."""
        assert build_url(endpoint(url="https://e.com/x/"), settings(), {}) == "https://e.com/x/"
        assert build_url(endpoint(url="http://e.com/x/"), settings(allow_http=True), {}) == "http://e.com/x/"
        assert build_url(endpoint(url="http://localhost:1/x/"), settings(), {}) == "http://localhost:1/x/"


class TestQuery:
    """What a GET carries."""

    @given(st.dictionaries(TEXT, TEXT | st.integers() | st.booleans(), max_size=6))
    def test_what_is_written_reads_back(self, params: dict[str, Any]) -> None:
        """Key by key, in order."""
        written = parse_qsl(build_query("e", params), keep_blank_values=True)

        expected = [(key, str(each).lower() if isinstance(each, bool) else str(each)) for key, each in params.items()]
        assert written == expected

    def test_lists_and_nothing(self) -> None:
        """A list repeats its key; None is left out, also within a list."""
        assert build_query("e", {"a": [1, None, "b"], "c": (), "d": None, "e": 1.5}) == "a=1&a=b&e=1.5"

    def test_its_length(self) -> None:
        """As long as an address may be, and no longer."""
        assert MAX_URL == 8192
        assert len(build_query("e", {"a": "x" * (MAX_URL - 2)})) == MAX_URL
        with pytest.raises(ValueError, match=f"^e: the query would be {MAX_URL + 1} characters long"):
            build_query("e", {"a": "x" * (MAX_URL - 1)})

    @pytest.mark.parametrize("value", [{}, b"a", [[1]], float("nan"), object(), {1}])
    def test_what_has_no_form_there(self, value: object) -> None:
        """The parameter is named, the value not quoted."""
        with pytest.raises(ValueError, match="search: 'a' cannot be written in a query"):
            build_query("search", {"a": value})


class TestJson:
    """What the others carry."""

    @given(JSON)
    def test_what_is_written_reads_back(self, value: object) -> None:
        """In ASCII, whatever it holds."""
        assert json.loads(encode_json(value)) == value

    def test_secrets_are_opened_and_other_mappings_taken(self) -> None:
        """Here a secret leaves."""
        value = {"a": Secret("s"), "b": MappingProxyType({"c": OrderedDict(d=(1, 2))})}

        assert json.loads(encode_json(value)) == {"a": "s", "b": {"c": {"d": [1, 2]}}}

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ({"a": [{"b": object()}]}, "the parameters cannot be written as JSON: an object at 'a.0.b'"),
            ({"a": Secret("\ud800")}, "a lone surrogate at 'a'"),
            ([float("-inf")], "a float at '0'"),
            ({"a": {"b\ud800": 1}}, "a lone surrogate at 'a.b\\ud800'"),
            ({"a": {b"b": 1}}, "a key that is a bytes at 'a'"),
        ],
    )
    def test_what_json_has_no_word_for(self, value: object, words: str) -> None:
        """The place is named, what stands there is not quoted."""
        with pytest.raises(ValueError, match="cannot be written as JSON") as caught:
            encode_json(value)
        assert words in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None

    def test_the_place_of_what_is_deep(self) -> None:
        """As deep as is looked."""
        deep: object = object()
        for _ in range(DEPTH):
            deep = {"a": deep}
        with pytest.raises(ValueError, match="an object at 'a\\.a\\."):
            encode_json(deep)
        with pytest.raises(ValueError, match="a value nested too deeply at 'a\\.a\\."):
            encode_json({"a": deep})


class TestHeader:
    """What travels as a header."""

    def test_texts_numbers_and_secrets(self) -> None:
        """A secret stays sealed."""
        assert header_value("e", "X-A", "a b") == "a b"
        assert header_value("e", "X-A", 5) == "5"
        assert header_value("e", "X-A", Secret("s")) == Secret("s")

    @pytest.mark.parametrize("value", [Secret("a\nb"), Secret(""), Secret("名"), "\t", None, 1.0])
    def test_what_cannot_stand_there(self, value: object) -> None:
        """Not quoted, since it may be a secret."""
        with pytest.raises(ValueError, match=r"^e: the parameter 'X-A' is sent as a header: pass printable ASCII"):
            header_value("e", "X-A", value)
