"""Texts from outside: whose name is whose."""

from __future__ import annotations

import enum
import string
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.testing import strategies as s
from itsm_workflow.text import (
    code_points,
    counted,
    escaped,
    has_lone_surrogate,
    invisible_in,
    is_invisible,
    is_same_user,
    kind_of,
    plain,
    steering_in,
    steers,
    texts_in,
    unstorable,
    with_article,
)


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


NEVER = "must not contain NUL characters or lone surrogates, which cannot be stored: remove "
EMOJI = "must not contain 4-byte characters such as emoji, which the gateway's database cannot store: remove "


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a\0b\0", f"{NEVER}U+0000"),
        ("\ud800", f"{NEVER}U+D800"),
        ("中\udfff中\0", f"{NEVER}U+0000, U+DFFF"),
        ("\0\U00010000", f"{NEVER}U+0000"),
        ("\U00010000 中", f"{EMOJI}U+10000"),
        ("\x01\ud7ff\ue000\uffff", ""),
        ("", ""),
    ],
    ids=ascii,
)
def test_a_text_that_cannot_be_stored_breaks_one_rule(text: str, rule: str) -> None:
    """Which names what to remove. A database of a gateway may take less than a store."""
    assert unstorable(text, four_bytes=False) == rule
    assert unstorable(text) == (rule if rule.startswith(NEVER) else "")


@given(st.text(st.characters(exclude_categories=())))
def test_a_text_that_can_be_stored_has_utf_8_without_nul(text: str) -> None:
    """Whatever it is; without what the rule names, it can be stored."""
    halves = [each for each in text if unicodedata.category(each) == "Cs"]
    assert has_lone_surrogate(text) is bool(halves)
    assert (unstorable(text) == "") is (not halves and "\0" not in text)
    assert unstorable("".join(each for each in text if not unstorable(each))) == ""


def test_only_a_few_characters_are_listed() -> None:
    """A message stays short."""
    assert code_points("edcbaedcba") == "U+0061, U+0062, U+0063, U+0064, U+0065"
    assert code_points("gfedcba") == "U+0061, U+0062, U+0063, U+0064, U+0065 and 2 more"


def test_every_text_of_a_json_value_is_found() -> None:
    """Keys too, however deep."""
    assert list(texts_in({"a": ["b", {"c": ("d", 1)}], "e": None, "f": "g"})) == [*"abcdefg"]
    assert list(texts_in(7)) == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [(5, "an int"), ([], "a list"), (None, "None"), (object(), "an object"), (KeyError(), "a KeyError")],
)
def test_type_in_a_message_has_its_article(value: object, kind: str) -> None:
    """By the first letter of its name."""
    assert kind_of(value) == kind


@pytest.mark.parametrize(("name", "kind"), [("Unknown", "an Unknown"), ("UUID", "a UUID"), ("user", "a user")])
def test_name_with_a_u_has_the_article_of_its_sound(name: str, kind: str) -> None:
    """Only *un* is a vowel."""
    assert with_article(name) == kind


def test_number_in_a_message_goes_with_its_noun() -> None:
    """Only 1 is singular."""
    assert [counted(number, "step") for number in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]


def test_no_character_that_steers_is_printable() -> None:
    """So `steering_in` need not look at the characters of a text that is printable as a whole."""
    every = map(chr, range(sys.maxunicode + 1))

    assert [f"U+{ord(each):04X}" for each in every if each.isprintable() and steers(each)] == []


@given(text=st.text("ab 内é\u00a0\u115f\u2800\u202e\u2028\ud800\0\n🚒", max_size=4) | st.text(st.characters()))
def test_the_characters_of_a_text_are_found_as_one_by_one(text: str) -> None:
    """The shortcuts for texts without such characters skip none."""
    assert invisible_in(text) == [each for each in text if is_invisible(each)]
    assert steering_in(text) == [each for each in text if steers(each)]
    assert has_lone_surrogate(text) == any("\ud800" <= each <= "\udfff" for each in text)
    assert bool(unstorable(text)) == any(each == "\0" or "\ud800" <= each <= "\udfff" for each in text)
    assert bool(unstorable(text, four_bytes=False)) == (bool(unstorable(text)) or max(text, default="") > "\uffff")
