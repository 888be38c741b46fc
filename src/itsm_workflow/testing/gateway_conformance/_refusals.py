"""The refusals of the author's ticket system, with which the proxy answers instead of the server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from itsm_workflow.testing.gateway_conformance._faults import JSON, answered_instead
from itsm_workflow.testing.gateway_conformance._line import Answer
from itsm_workflow.testing.gateway_conformance._verdicts import BrokenPromise, SkippedPromise, demand

if TYPE_CHECKING:
    from itsm_workflow.testing.gateway_conformance._faults import Fault
    from itsm_workflow.testing.gateway_conformance._system import TicketSystem

_SUCCESS, _HIGHEST = 200, 600

_FORM = (
    "TicketSystem.refusals must return a list of pairs of an HTTP status and a JSON document, such as "
    '[(403, {"code": 4030, "message": "not permitted"})]'
)


def refusals(system: TicketSystem) -> dict[str, Fault]:
    """Return a fault for each refusal of a ticket system, by what happens.

    Raises:
        SkippedPromise: The author does not say how the server refuses.
        BrokenPromise: `TicketSystem.refusals` returned something else.
    """
    try:
        returned = cast("object", system.refusals())
    except NotImplementedError as undefined:
        raise SkippedPromise(str(undefined)) from None
    demand(isinstance(returned, list | tuple), f"{_FORM}, not {returned!r}")
    found = dict(map(_fault, cast("list[object]", returned)))
    if not found:
        raise SkippedPromise("TicketSystem.refusals returned an empty list")
    return found


def known_refusals(system: TicketSystem) -> dict[str, Fault]:
    """Return the same faults, or none if the author does not say how the server refuses."""
    try:
        return refusals(system)
    except SkippedPromise:
        return {}


def _fault(refusal: object) -> tuple[str, Fault]:
    match refusal:
        case (int(status), document) if _SUCCESS <= status < _HIGHEST:
            pass
        case _:
            raise BrokenPromise(f"{_FORM}, not {refusal!r} in it")
    try:
        text = json.dumps(document)
    except (TypeError, ValueError) as error:
        raise BrokenPromise(f"{_FORM}: {document!r} is not JSON ({error})") from None
    answer = Answer(status=status, headers=JSON, body=text.encode())
    return f"the server refuses with HTTP {status} and {text}", answered_instead(answer)
