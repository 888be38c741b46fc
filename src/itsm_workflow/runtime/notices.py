"""Notices of undelivered callbacks whose changes have ended: taken off the gateway's list.

A ticket system keeps the number of a ticket whose callback failed until its result is read. The ticket of a change that
waits is read by the look that its notice makes due. One whose change ended before the notice came, for example by
polling, would stay on the list, which every pass reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.settle import ReadAnswer, Sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.runtime.executor import Executor
    from itsm_workflow.runtime.isolation import Isolation
    from itsm_workflow.runtime.pass_time import PassTime
    from itsm_workflow.storage.codec import Stored


@attrs.frozen(kw_only=True)
class EndedNotices:
    """Looks at tickets whose changes have ended and whose callback failed.

    Attributes:
        loop: Looks, bound to the time for the list.
        isolation: Keeps one change that fails from the others.
        time: The time of the pass.
    """

    loop: Executor
    isolation: Isolation
    time: PassTime

    def clear(self, ended: Sequence[Stored]) -> None:
        """Look at some changes' tickets; what contradicts the end of one is recorded.

        A look reads the ticket first and its result last, which takes its number off the list. So a number whose ticket
        cannot be read stays on it, and is read by the next pass. Only tickets of this gateway are asked about: it may
        list the same number for a ticket of another application.
        """
        for stored in ended:
            ticket = stored.change.ticket
            if self.time.is_over():
                return
            if ticket is not None and self.loop.foreign(ticket) is None:
                self.isolation.outcome(stored, self._look, stored)

    def _look(self, stored: Stored) -> tuple[Stored, bool]:
        question = Sweep(read=True, lookup=False)
        for answer in self.loop.look(stored.change, question):
            if isinstance(answer, ReadAnswer) and answer.snapshot is not None:
                return self.loop.record(stored, answer, keep=False), True
        return stored, False
