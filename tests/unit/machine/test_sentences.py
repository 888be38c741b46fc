"""The sentences in both languages, and the values of their parameters."""

from __future__ import annotations

import datetime as dt
import re
import string

import pytest

from itsm_workflow.machine.sentences import LANGUAGES, SENTENCES, Listing, say, text_of

MOMENT = dt.datetime(2024, 5, 17, 8, 0, 1, tzinfo=dt.UTC)


def parameters(text: str) -> set[str]:
    """Return the names of a text's parameters."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_has_both_languages_and_the_same_parameters(code: str) -> None:
    """Each parameter has a name, and no format of its own."""
    said = SENTENCES[code]
    assert set(said) == set(LANGUAGES) == {"zh", "en"}
    assert parameters(said["zh"]) == parameters(said["en"])
    assert all(name.isidentifier() for name in parameters(said["en"]))
    assert said["en"].isascii()


def test_what_is_written_in_chinese_has_no_space_between_chinese_characters() -> None:
    """And the punctuation of Chinese, but for what only puts values together."""
    texts = [said["zh"] for said in SENTENCES.values()]
    assert not [text for text in texts if re.search("[\u3000-\u9fff\uff00-\uffef] +[\u3000-\u9fff\uff00-\uffef]", text)]
    assert not [text for text in texts if re.search("[\u4e00-\u9fff][,;:()?!]|[,;:()?!][\u4e00-\u9fff]", text)]


def test_values_are_shown_as_they_are() -> None:
    """Also those that look like a parameter, and numbers."""
    assert text_of(say("with_problem", said=say("draft"), problem="{said} {0} {{}} %s"), "en") == (
        "is a draft and waits to be submitted, {said} {0} {{}} %s"
    )
    assert text_of(say("queued", number=3), "zh") == "等待提单，第 3 次"


def test_times_names_and_listings_are_in_the_language() -> None:
    """A time is in UTC in both."""
    status = {"zh": "已撤销", "en": "revoked"}
    said = say("second_look", ticket=say("ticket", sn="REQ7"), status=status, at=MOMENT)
    assert text_of(said, "zh") == "单据（REQ7）自 2024-05-17 08:00:01 UTC 起显示为“已撤销”，等待复查确认"
    assert text_of(said, "en") == "waits for a second look at ticket REQ7, revoked since 2024-05-17 08:00:01 UTC"
    assert text_of(Listing("between_names", ("carol", "dave")), "zh") == "carol、dave"
    assert text_of(Listing("between_names", ("carol", "dave")), "en") == "carol, dave"


def test_an_unknown_code_is_an_error() -> None:
    """Else a page would show a part of a sentence."""
    with pytest.raises(KeyError, match="nothing"):
        text_of(say("nothing"), "en")
