"""The results of a call, for callers that need more than the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from itsm_workflow.errors import GatewayError

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Reply(Generic[T]):
    """The result of a successful call.

    Attributes:
        data: The typed data.
        request_id: Our id of the call.
    """

    data: T = attrs.field(repr=False)
    request_id: str


@attrs.frozen(kw_only=True)
class DataResponse(Generic[T]):
    """A whole answer, or the error of a call without a usable answer.

    Attributes:
        is_success: Whether the call succeeded and the data match the endpoint's type.
        code: The envelope's code, a number or a text; without an envelope, the error's own code.
        message: The gateway's message, cleaned and cut; without an envelope, the error's own message.
        data: The typed data; None unless the call succeeded.
        errors: The envelope's ``errors``, unchanged.
        request_id: Our id of the call.
        error: The exception that `ApiClient.call` would raise; None for a success.
    """

    is_success: bool
    code: int | str | None = None
    message: str = ""
    data: T | None = attrs.field(default=None, repr=False)
    errors: object = attrs.field(default=None, repr=False)
    request_id: str = ""
    error: GatewayError | None = None
