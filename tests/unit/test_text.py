"""Texts from outside: whose name is whose."""

from __future__ import annotations

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.testing import strategies as s
from itsm_workflow.text import is_same_user


@pytest.mark.parametrize(
    "other",
    ["Alice", "ALICE", " alice ", "\uff41\uff4c\uff49\uff43\uff45", "al\u200bice", "alice\u3164", "al\u00adice"],
)
def test_spellings_of_one_user(other: str) -> None:
    """Letter case, compatible letters, invisible characters and outer blanks tell nobody apart."""
    assert is_same_user("alice", other)
    assert is_same_user(other, "alice")


@pytest.mark.parametrize(("one", "other"), [("alice", "alicia"), ("alice", "al ice"), ("bob", "rob"), ("é", "e")])
def test_two_users(one: str, other: str) -> None:
    """Another letter is another user."""
    assert not is_same_user(one, other)


@given(st.one_of(s.people, st.text()), st.text(string.ascii_letters))
def test_everybody_is_the_same_user_as_before(name: str, plain: str) -> None:
    """In any of Unicode's forms, and in other letter case."""
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert is_same_user(name, unicodedata.normalize(form, name))
    assert is_same_user(plain, plain.swapcase())
