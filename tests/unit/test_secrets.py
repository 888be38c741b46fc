"""Secrets that do not show themselves."""

from __future__ import annotations

import copy
import json
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.secrets import Secret

CANARY = "canary-0123456789"


def test_a_secret_prints_as_stars() -> None:
    """In every way in which Python makes text of a value."""
    secret = Secret(CANARY)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r}", f"{secret!s:>20}", "%s %r" % (secret, secret)]  # noqa: UP031 - one of the ways

    assert [text for text in shown if CANARY in text] == []
    assert (str(secret), repr([secret])) == ("Secret('***')", "[Secret('***')]")


def test_a_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither as an argument nor as an extra."""
    logging.getLogger("test").warning("it is %s", Secret(CANARY), extra={"secret": Secret(CANARY)})

    [record] = caplog.records
    assert CANARY not in f"{record.getMessage()} {vars(record)!r}"


def test_reveal_gives_the_text() -> None:
    """And nothing else does: a secret is no text."""
    assert Secret(CANARY).reveal() == CANARY
    assert not isinstance(Secret(CANARY), str)


@given(one=st.text(), other=st.text())
def test_secrets_compare_by_their_text(one: str, other: str) -> None:
    """Also beyond ASCII, and the hashes of equal ones are equal."""
    assert (Secret(one) == Secret(other)) == (one == other)
    assert (hash(Secret(one)) == hash(Secret(other))) or one != other


def test_a_secret_is_not_equal_to_its_text() -> None:
    """Nor does its hash give the text's away."""
    assert Secret(CANARY) != CANARY
    assert hash(Secret(CANARY)) != hash(CANARY)


def test_an_empty_secret_is_false() -> None:
    """So that a missing one can be told."""
    assert (bool(Secret("")), bool(Secret(CANARY))) == (False, True)


@pytest.mark.parametrize(
    "leak", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, vars], ids=lambda one: one.__name__
)
def test_a_secret_does_not_leave_its_process(leak: object) -> None:
    """It is neither pickled nor copied nor made JSON; the error does not show it."""
    with pytest.raises(TypeError) as caught:
        leak(Secret(CANARY))  # type: ignore[operator] # the parameters are functions

    assert CANARY not in str(caught.value)


def test_a_refused_pickle_says_what_to_do() -> None:
    """The other process has settings of its own."""
    with pytest.raises(TypeError, match="a Secret is not pickled: let the other process read its own settings"):
        pickle.dumps(Secret(CANARY))
