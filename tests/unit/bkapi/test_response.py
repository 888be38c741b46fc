"""The response to one call."""

from __future__ import annotations

import pytest

from itsm_workflow.bkapi.response import DataResponse, Reply
from tests.support.defaults import set_defaults


def test_a_response_is_empty_by_default() -> None:
    """Only its success must be given."""
    assert set_defaults(DataResponse, {"is_success": True}) == {}


@pytest.mark.parametrize(
    "shown",
    [DataResponse(is_success=True, data="canary", errors="canary"), Reply(data="canary", request_id="r")],
    ids=lambda shown: type(shown).__name__,
)
def test_the_repr_shows_no_data(shown: object) -> None:
    """A traceback with the variables of its frames may print it."""
    assert "canary" not in repr(shown)
