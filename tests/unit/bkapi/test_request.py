"""The request of one call, before it is built."""

from __future__ import annotations

from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.request import CallArguments
from itsm_workflow.bkapi.upload import File
from tests.support.defaults import set_defaults


def test_a_call_has_no_options_by_default() -> None:
    """Only the context must be given."""
    assert set_defaults(CallArguments, {"context": RequestContext()}) == {}


def test_the_repr_shows_no_file() -> None:
    """A traceback with the variables of its frames may print it."""
    assert "canary" not in repr(CallArguments(files={"a": File(name="a", content=b"canary")}))
