"""What a call brings back, for callers who want more than the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from itsm_workflow.errors import GatewayError

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Reply(Generic[T]):
    """The gateway did it.

    Attributes:
        data: What it returned, typed.
        request_id: Our id of the call.
    """

    data: T = attrs.field(repr=False)
    request_id: str


@attrs.frozen(kw_only=True)
class DataResponse(Generic[T]):
    """A whole answer, or why there is none.

    Attributes:
        is_success: The gateway did it, and the data are as agreed.
        code: The envelope's code, a number or a word; without an envelope, the error's own code.
        message: What the gateway said, cleaned and cut; without an envelope, the error's own words.
        data: What it returned, typed; None unless it is a success.
        errors: The envelope's ``errors``, as they came.
        request_id: Our id of the call.
        error: What would have been raised; None for a success.
    """

    is_success: bool
    code: int | str | None = None
    message: str = ""
    data: T | None = attrs.field(default=None, repr=False)
    errors: object = attrs.field(default=None, repr=False)
    request_id: str = ""
    error: GatewayError | None = None
