"""The check of a gateway: every promise, each on a ticket system without tickets."""

from __future__ import annotations

import contextlib
import enum
import traceback
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.gateway_conformance import (  # noqa: F401 - they add promises
    _creating,
    _ending,
    _looking,
    _matching,
    _mixing,
    _secrets,
    _several,
    _swapping,
)
from itsm_workflow.testing.gateway_conformance._promises import PROMISES
from itsm_workflow.testing.gateway_conformance._reported import check_system, raised_words, reported
from itsm_workflow.testing.gateway_conformance._trial import trial_of
from itsm_workflow.testing.gateway_conformance._verdicts import BrokenPromise, SkippedPromise, UnusableIdentity
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
        TypeError: The secrets of the ticket system are not a list of texts.
        ValueError: One of them is empty.
    """
    check_system(system)
    try:
        with trial_of(system) as trial:
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
        TypeError: The secrets of a system are not a list of texts.
        ValueError: No promise contains one of the texts, one of the secrets is empty, or a system has tickets.
    """
    names = [name for name in PROMISES if not only or any(text in name for text in only)]
    if not names:
        raise ValueError(f"only: no promise contains {' or '.join(map(repr, only))}")
    results, unusable = [], False
    for name in names:
        problems: list[str] = []
        with _opened(new_system(), problems) as system:
            try:
                _check_is_empty(system)
                try_promise(name, system)
            except UnusableIdentity as broken:
                # Its reason is the same in every promise that files a ticket, so it is reported once.
                outcome, reason = (Outcome.SKIPPED, _NO_TICKET) if unusable else (Outcome.BROKEN, str(broken))
                unusable = True
            except BrokenPromise as broken:
                outcome, reason = Outcome.BROKEN, str(broken)
            except SkippedPromise as skipped:
                outcome, reason = Outcome.SKIPPED, str(skipped)
            else:
                outcome, reason = Outcome.KEPT, ""
        if problems and outcome is Outcome.KEPT:
            outcome, reason = Outcome.BROKEN, problems[0]
        results.append(PromiseResult(promise=name, outcome=outcome, reason=reason))
        ended(results[-1])
    return GatewayReport(results=tuple(results))


@contextlib.contextmanager
def _opened(system: TicketSystem, problems: list[str]) -> Iterator[TicketSystem]:
    """Enter a ticket system, and note the error of its `close` instead of raising it."""
    entered = system.__enter__()
    try:
        yield entered
    finally:
        try:
            system.__exit__(None, None, None)
        except Exception as error:  # noqa: BLE001 - the author's method may raise anything
            problems.append(raised_words(system, "close", error))


def _check_is_empty(system: TicketSystem) -> None:
    if reported(system).tickets():
        raise ValueError(f"{type(system).__name__} has tickets already: each promise needs a system without any")
