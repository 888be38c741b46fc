"""Texts from outside: whose name is whose."""

from __future__ import annotations

import enum
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.testing import strategies as s
from itsm_workflow.text import escaped, is_invisible, is_same_user, plain, steers


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


UNDRAWN = (
    *("\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u180b", "\u180c", "\u180d", "\u180e", "\u180f", "\u2800"),
    *("\u3164", "\ufe00", "\ufe0f", "\uffa0", "\U000e0100", "\U000e01ef"),
)


@pytest.mark.parametrize("character", [*UNDRAWN, "\u200b", "\u00ad", "\n", "\u3000"], ids=ascii)
def test_what_no_font_draws_is_invisible(character: str) -> None:
    """Two names that differ in it look alike."""
    assert is_invisible(character)


@pytest.mark.parametrize("character", [" ", "a", "\u1810", "\ufe10", "\u2801", "\u17b6", "\u3165", "\uffa1"], ids=ascii)
def test_what_a_font_draws_is_visible(character: str) -> None:
    """So is the plain blank; what stands beside the others in Unicode is a letter or a sign."""
    assert not is_invisible(character)


@pytest.mark.parametrize(
    "character",
    [
        *"\x00\x1b\x7f\n\u2028\u2029\ud800",
        *"\u061c\u200e\u200f",
        *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ],
    ids=ascii,
)
def test_what_steers_the_text_around_it_is_escaped(character: str) -> None:
    """As Python writes it in a literal."""
    assert steers(character)
    assert escaped(f"a{character}b") == f"a{ascii(character)[1:-1]}b"


@pytest.mark.parametrize("character", [*"a é中", "\u200b", "\u200d", "\u2027", "\u202f", "\u2065"], ids=ascii)
def test_what_only_shows_is_left_as_it_is(character: str) -> None:
    """Also what does not show and turns nothing around."""
    assert not steers(character)
    assert escaped(character) == character


def test_a_text_is_its_own_value_and_anything_else_stays() -> None:
    """Whatever its class shows instead."""

    class Who(str, enum.Enum):  # noqa: UP042 - what hosts write
        ALICE = "alice"

    class Shouting(str):
        __slots__ = ()

        def __str__(self) -> str:
            return self.upper()

    assert [type(plain(one)) for one in (Who.ALICE, Shouting("alice"), "alice")] == [str] * 3
    assert {plain(Who.ALICE), plain(Shouting("alice")), plain("alice")} == {"alice"}
    assert (plain(7), plain(None), plain(("alice",))) == (7, None, ("alice",))
