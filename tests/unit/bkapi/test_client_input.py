"""What cannot be sent is refused with a clear error, before anything is sent."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import BkItsmGateway
from itsm_workflow.bkapi import ApiClient
from itsm_workflow.secrets import Secret
from tests.support.calls import client, desk, endpoint

if TYPE_CHECKING:
    from collections.abc import Callable


class TestRefused:
    """Nobody listens where these clients call: an attempt would end in another error."""

    @pytest.mark.parametrize(
        ("params", "options", "words"),
        [
            ({}, {"url": "biz/{id}/", "url_keys": ("id",)}, r"search: the url needs the parameter 'id'"),
            ({"id": ""}, {"url": "biz/{id}/", "url_keys": ("id",)}, "must be a whole number or a non-empty"),
            ({"id": ".."}, {"url": "biz/{id}/", "url_keys": ("id",)}, "must be a whole number or a non-empty"),
            ({"id": True}, {"url": "biz/{id}/", "url_keys": ("id",)}, "must be a whole number or a non-empty"),
            ({"id": Secret("s")}, {"url": "biz/{id}/", "url_keys": ("id",)}, "must be a whole number or a non-empty"),
            ({"a": {"b": [1, {2}]}}, {}, r"search: the parameters cannot be written as JSON: a set at 'a\.b\.1'"),
            ({"a": float("nan")}, {}, r"search: the parameters cannot be written as JSON: a float at 'a'"),
            ({"a": {(1,): 2}}, {}, r"written as JSON: a key that is a tuple at 'a'"),
            ({"a": b"bytes"}, {}, r"written as JSON: a bytes at 'a'"),
            ({"a": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, {}, r"written as JSON: a datetime at 'a'"),
            ({"a": "\ud800"}, {}, r"written as JSON: a lone surrogate at 'a'"),
            ({"\udc00": 1}, {}, r"written as JSON: a lone surrogate"),
            ({"a": "\ud800"}, {"method": "GET"}, "'a' holds a lone surrogate"),
            ({"a": {"b": 1}}, {"method": "GET"}, "'a' cannot be written in a query"),
            ({"a": float("inf")}, {"method": "GET"}, "'a' cannot be written in a query"),
            ({"a": Secret("s")}, {"method": "GET"}, "is a secret and cannot be sent in a query"),
            ({"a": "x" * 9000}, {"method": "GET"}, "request less at a time"),
            ([("a", 1)], {}, "search: the parameters must be a mapping"),
        ],
    )
    def test_parameters(self, params: Any, options: dict[str, Any], words: str) -> None:  # noqa: ANN401 - anything
        """Each is named with its endpoint and place."""
        with pytest.raises(ValueError, match=words):
            client().call(endpoint(**options), params)

    @pytest.mark.parametrize(
        ("option", "wrong"), [("deadline", 0), ("deadline", "3"), ("timeout", -1), ("timeout", ())]
    )
    def test_times_of_a_call_that_is_never_tried_again(self, option: str, wrong: Any) -> None:  # noqa: ANN401 - anything
        """They are looked at all the same."""
        with pytest.raises(ValueError, match=f"search: {option} must be a number of seconds above 0"):
            client().call(endpoint(idempotent=False), **{option: wrong})

    @pytest.mark.parametrize("option", ["raw", "raise_exception"])
    def test_flags(self, option: str) -> None:
        """The text no is true."""
        options: dict[str, Any] = {option: "no"}
        with pytest.raises(ValueError, match=f"search: {option} must be True or False"):
            client().call(endpoint(), **options)

    def test_a_deep_parameter(self) -> None:
        """Deeper than Python can follow."""
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        with pytest.raises(ValueError, match="a value nested too deeply at '0"):
            client().call(endpoint(), {"0": deep})

    @pytest.mark.parametrize("seconds", [0, -1, -0.5, float("nan"), float("inf"), "3", True, (1,), (1, -1), (1, 2, 3)])
    def test_times(self, seconds: Any) -> None:  # noqa: ANN401 - anything
        """No wait without end, none below nothing."""
        with pytest.raises(ValueError, match="search: timeout must be a number of seconds above 0"):
            client().call(endpoint(), timeout=seconds)
        with pytest.raises(ValueError, match="search: deadline must be a number of seconds above 0"):
            client().call(endpoint(), deadline=seconds)

    def test_a_refused_input_raises_also_without_raise_exception(self) -> None:
        """It is the caller's mistake, no answer of a gateway."""
        with pytest.raises(ValueError, match="cannot be written as JSON"):
            client().call(endpoint(), {"a": {1}}, raise_exception=False)

    def test_a_whole_character_outside_the_basic_plane_is_fine(self) -> None:
        """Two escapes are one character."""
        with desk() as here:
            here.client.call(endpoint(), {"a": "😀"})

        assert here.last.json == {"a": "😀"}

    @pytest.mark.parametrize("url", ["http://gateway.example.com/x/", "http://10.0.0.1/x/"])
    def test_plain_http_to_another_machine(self, url: str) -> None:
        """The app secret would travel in clear."""
        with pytest.raises(ValueError, match="is plain http to another machine"):
            client().call(endpoint(url=url))


@pytest.mark.parametrize("wrong", [None, "https://itsm.example.com/", {"BKAPP_ITSM_APP_CODE": "a"}])
@pytest.mark.parametrize("kind", [ApiClient, BkItsmGateway])
def test_settings_of_another_type(kind: Callable[[Any], object], wrong: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """Variables are not settings; the error says how to read them."""
    with pytest.raises(TypeError, match=r"^the settings must be Settings, such as .*, not (a |None)"):
        kind(wrong)
