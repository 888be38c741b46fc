"""The outcome of a create that BK-ITSM itself did not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.gateway.bk_itsm.wire import NOT_PASSED_ON
from itsm_workflow.gateway.protocol import NotSent, Unknown

if TYPE_CHECKING:
    from itsm_workflow.errors import GatewayError


def unanswered(error: GatewayError) -> NotSent | Unknown:
    """Classify a create that BK-ITSM itself did not answer.

    A code of the API gateway proves that the call was not passed on only if the header that the gateway sets contains
    the same code. A proxy between us and the gateway may write any body and HTTP status after it passed the call on.
    """
    is_gateways_own = error.remote_code in NOT_PASSED_ON and error.gateway_code == str(error.remote_code)
    return NotSent(problem=str(error)) if is_gateways_own else Unknown(problem=str(error))
