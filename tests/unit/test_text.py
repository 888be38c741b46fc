"""Texts from outside: whose name is whose."""

from __future__ import annotations

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


@given(st.one_of(s.people, st.text()))
def test_everybody_is_the_same_user_as_before(name: str) -> None:
    """And in capital letters."""
    assert is_same_user(name, name)
    assert is_same_user(name.casefold(), name)
