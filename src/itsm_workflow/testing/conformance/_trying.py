"""The part of the kit that makes the trials of a plan, where the calls of the backend are seen."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._base import NotRun, Promises, quoted
from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._trials import verdicts
from itsm_workflow.testing.conformance._trials.plans import (
    Measure,
    Plan,
    findings_at_a_server,
    findings_at_lines,
    findings_in_files,
)
from itsm_workflow.testing.conformance._trials.proxy import Interference
from itsm_workflow.testing.conformance._trials.runner import run_where_calls_are_seen
from itsm_workflow.testing.conformance._trials.server_stage import BreaksConnection, server_of

if TYPE_CHECKING:
    from itsm_workflow.testing.conformance._recording import RecordedOpener
    from itsm_workflow.testing.conformance._trials.plans import Findings, Judge

HELD_BACK = (Interference.STALLED,)
"""Needs a connection whose messages can be held back: breaking it is not enough."""

_OTHER_WAYS = "for a store on a server, its opener must name the host and the port, or it needs break_connection()"


class TrialPromises(Promises):
    """A part of the kit whose promises make trials."""

    @functools.cached_property
    def _known(self) -> dict[Plan, Findings]:
        """The findings so far."""
        return {}

    def try_plan(self, open_backend: RecordedOpener, plan: Plan, judge: Judge | None = None) -> None:
        """Make the trials of a plan, unless an earlier promise has made them all."""
        judge = next(iter(plan.judges)) if judge is None else judge
        known = self._known.setdefault(plan, {})
        if judge not in known:
            known |= self._findings(open_backend, plan, judge)
        found = known[judge]
        if found is not None:
            every_error = quoted(type(self).all_promises()["test_each_error_is_one_of_the_port"])
            sentence = every_error if judge is verdicts.other_error else ""
            raise Shown(found.wrong, found.lines, sentence)

    def _findings(self, open_backend: RecordedOpener, plan: Plan, judge: Judge) -> Findings:
        opener, server = open_backend.bare, server_of(open_backend.bare)
        measure = Measure(self.profile.points, every_fault=self.profile.every_fault, limit=self.pace.blocked)
        if server is not None:
            if not plan.interferences:
                raise NotRun("this is about files, but the store is on a server")
            return findings_at_a_server(opener, server, plan, judge, measure)
        try:
            strict = "fsync" in self.abilities
            return run_where_calls_are_seen(findings_in_files, opener, plan, judge, measure=measure, strict=strict)
        except NotRun as missing:
            if not plan.interferences:
                raise
            if plan.interferences == HELD_BACK or not self._breaks(open_backend):
                raise NotRun(f"{missing}; {_OTHER_WAYS}") from None
            return findings_at_lines(opener, plan, judge, measure)

    def _breaks(self, open_backend: RecordedOpener) -> bool:
        backend = open_backend.bare()
        backend.close()
        return isinstance(backend, BreaksConnection)
