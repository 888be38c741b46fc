"""The check of a gateway: every promise, each on a ticket system without tickets."""

from __future__ import annotations

import enum
import traceback
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.gateway_conformance import (  # noqa: F401 - they add promises
    _creating,
    _ending,
    _looking,
    _secrets,
    _several,
    _swapping,
)
from itsm_workflow.testing.gateway_conformance._promises import PROMISES
from itsm_workflow.testing.gateway_conformance._trial import BrokenPromise, SkippedPromise, UnusableIdentity, trial_of
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.testing.gateway_conformance._system import TicketSystem


_NO_TICKET = "no ticket can be filed with an id that the library stores: see the broken promise above"


class Outcome(enum.StrEnum):
    """The outcome of one promise."""

    KEPT = "kept"
    BROKEN = "broken"
    SKIPPED = "skipped"


@attrs.frozen(kw_only=True)
class PromiseResult:
    """One promise and its outcome.

    Attributes:
        promise: The promise, as a sentence.
        outcome: Whether the gateway kept it, or that it was skipped.
        reason: What the gateway did, or why the promise was skipped, for people; empty if the gateway kept it.
    """

    promise: str
    outcome: Outcome
    reason: str = ""


@attrs.frozen(kw_only=True)
class GatewayReport:
    """The results of a check, in the order of the promises."""

    results: tuple[PromiseResult, ...]

    @property
    def broken(self) -> dict[str, str]:
        """The broken promises, each with the reason."""
        return self._with(Outcome.BROKEN)

    @property
    def skipped(self) -> dict[str, str]:
        """The promises that could not be tested on the ticket system, each with the reason."""
        return self._with(Outcome.SKIPPED)

    def _with(self, outcome: Outcome) -> dict[str, str]:
        return {one.promise: one.reason for one in self.results if one.outcome is outcome}


def try_promise(name: str, system: TicketSystem) -> None:
    """Test one promise.

    Args:
        name: The promise's sentence.
        system: A ticket system without tickets.

    Raises:
        BrokenPromise: The gateway did not keep it. The message says what the gateway did.
        SkippedPromise: It cannot be tested on the ticket system. The message says why.
    """
    with trial_of(system) as trial:
        try:
            PROMISES[name](trial)
        except (BrokenPromise, SkippedPromise):
            raise
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{place.filename}, line {place.lineno}"
            raise BrokenPromise(f"{describe(error)} was raised although nothing failed ({where})") from error


def check_gateway(
    new_system: Callable[[], TicketSystem], *, only: Sequence[str] = (), ended: Callable[[PromiseResult], object] = bool
) -> GatewayReport:
    """Test every promise of the gateway port.

    Args:
        new_system: Returns a ticket system without tickets; it is called once for each promise, and closed after it.
        only: Texts; promises that contain none of them are left out. By default all are tested.
        ended: Called with each result.

    Raises:
        ValueError: No promise contains one of the texts, or a system has tickets.
    """
    names = [name for name in PROMISES if not only or any(text in name for text in only)]
    if not names:
        raise ValueError(f"only: no promise contains {' or '.join(map(repr, only))}")
    results, unusable = [], False
    for name in names:
        with new_system() as system:
            if system.tickets():
                raise ValueError(
                    f"{type(system).__name__} has tickets already: each promise needs a system without any"
                )
            try:
                try_promise(name, system)
            except UnusableIdentity as broken:
                # Its reason is the same in every promise that files a ticket, so it is reported once.
                outcome, reason = (Outcome.SKIPPED, _NO_TICKET) if unusable else (Outcome.BROKEN, str(broken))
                result, unusable = PromiseResult(promise=name, outcome=outcome, reason=reason), True
            except BrokenPromise as broken:
                result = PromiseResult(promise=name, outcome=Outcome.BROKEN, reason=str(broken))
            except SkippedPromise as skipped:
                result = PromiseResult(promise=name, outcome=Outcome.SKIPPED, reason=str(skipped))
            else:
                result = PromiseResult(promise=name, outcome=Outcome.KEPT)
        results.append(result)
        ended(result)
    return GatewayReport(results=tuple(results))
