"""Undelivered callbacks of ended changes: remove their tickets from the gateway's list.

The gateway lists a ticket whose callback failed until its result is read. If the change still waits, the pass makes the
change due, and the look reads the ticket. If the change ended earlier, for example by polling, no look follows, so the
ticket would stay on the list, which every pass reads.
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
    """Looks at tickets of ended changes whose callback failed.

    Attributes:
        executor: The executor, limited to the time for the list.
        isolation: Isolates the pass from a change that fails.
        time: The time of the pass.
    """

    executor: Executor
    isolation: Isolation
    time: PassTime

    def clear(self, ended: Sequence[Stored]) -> None:
        """Look at the tickets of ended changes; a ticket that contradicts the end of its change is recorded.

        A look reads the ticket first and its result last; reading the result removes the ticket from the list. So a
        ticket that cannot be read stays on the list, and the next pass reads it. Tickets that another gateway filed are
        skipped: this gateway may have a ticket of another application with the same number.
        """
        for stored in ended:
            ticket = stored.change.ticket
            if self.time.is_over():
                return
            if ticket is not None and self.executor.calls.wrong_gateway_error(ticket) is None:
                self.isolation.process(stored, self._look, stored)

    def _look(self, stored: Stored) -> tuple[Stored, bool]:
        question = Sweep(read=True, lookup=False)
        for answer in self.executor.calls.look(stored.change, question):
            if isinstance(answer, ReadAnswer) and answer.snapshot is not None:
                return self.executor.record(stored, answer, keep=False), True
        return stored, False
