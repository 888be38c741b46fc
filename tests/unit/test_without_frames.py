"""A call whose frames are kept out of tracebacks."""

from __future__ import annotations

import traceback

import pytest

from itsm_workflow.secrets import Secret, without_frames
from tests.support.strikes import report

CANARY = "canary-0123456789"


class TimeLimit(BaseException):
    """What a task queue raises into whatever is running."""


def fail(text: str, kind: type[BaseException], *, chained: bool = False) -> None:
    """Raise an error, with the text in the variables of two frames and, if so wanted, in the errors before it."""
    shown = f"{text}!"
    raise kind("failed") from (KeyError(shown) if chained else None)


def test_what_a_call_returns_is_returned() -> None:
    """With the arguments that were given."""
    assert without_frames(divmod, 7, 2) == (3, 1)
    assert without_frames(int, "11", base=2) == 3


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("kind", [ValueError, TimeLimit])
def test_an_error_comes_out_without_the_variables_of_the_call(kind: type[BaseException], chained: bool) -> None:  # noqa: FBT001 - a parameter
    """Neither those of its frames, nor its arguments, nor the errors that it was made from."""
    with pytest.raises(kind, match="failed") as caught:
        without_frames(fail, CANARY, kind, chained=chained)
    assert CANARY not in report(caught.value)
    assert "fail" not in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_the_error_says_where_it_was_raised() -> None:
    """So that a mistake can be found although its frames are gone; one note is enough."""
    with pytest.raises(ValueError, match="failed") as caught:
        without_frames(lambda: without_frames(fail, CANARY, ValueError))
    [note] = caught.value.__notes__
    assert note.startswith(f"raised in {__file__}, line ")
    assert note.endswith(", in fail; the frames in between held secrets and are left out")


def test_a_text_is_sealed_once() -> None:
    """A Secret stays the one that it is."""
    secret = Secret(CANARY)
    assert Secret.of(secret) is secret
    assert Secret.of(CANARY) == secret
