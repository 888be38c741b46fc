"""A trial: the calls of its processes, each with its outcome, and the report of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._trials.calls import KILLS
from itsm_workflow.testing.conformance._trials.runner import Died, Silent, Stopped
from itsm_workflow.testing.conformance._trials.session import Contents, Outcome, Step

if TYPE_CHECKING:
    from collections.abc import Collection

    from itsm_workflow.testing.conformance._trials.script import Script
    from itsm_workflow.testing.conformance._trials.stage import Actor, Point


class Ended(Exception):
    """A process does not return from a call, so the trial ends."""


@attrs.define
class Trial:
    """The calls of a trial, by their place in the story.

    Attributes:
        script: The writes.
        point: The place at which an error is injected.
        fault: The spoiled call and its fault; empty if the call was not reached.
        cut: Whether the power was cut before the store was opened again.
        interrupted: The place of the call in which the fault has stopped or killed its process; empty if none.
        wrong_at: The place of the call that a judge has found wrong; empty if none. A report ends with it.
        steps: The calls, in their order.
    """

    script: Script
    point: Point
    fault: str = ""
    cut: bool = False
    interrupted: str = ""
    wrong_at: str = ""
    steps: dict[str, Step] = attrs.field(factory=dict)

    def outcome(self, place: str) -> Outcome | None:
        """Return the outcome of the call at a place, or None if it was not made or did not return."""
        step = self.steps.get(place)
        return step.outcome if step else None

    def answer(self, place: str) -> Any:  # noqa: ANN401  # of the call at that place
        """Return the answer at a place, or None if there was no answer."""
        outcome = self.outcome(place)
        return None if outcome is None or outcome.error else outcome.answer

    def contents(self, place: str) -> Contents | None:
        """Return what was read at a place, or None if nothing was."""
        answer = self.answer(place)
        return answer if isinstance(answer, Contents) else None

    @property
    def silent(self) -> Step | None:
        """The call that did not return, although nothing has stopped or killed its process."""
        waiting = (step for place, step in self.steps.items() if place != self.interrupted)
        return next((step for step in waiting if step.outcome is None), None)

    def lines(self, shown: Collection[str] = ()) -> list[str]:
        """Return the trial as text, one call a line: the calls at these places, or all, up to the wrong one."""
        until = [*self.steps].index(self.wrong_at) + 1 if self.wrong_at in self.steps else None
        steps = {
            place: step
            for place, step in [*self.steps.items()][:until]
            if not shown or place in shown or not step.outcome or place == self.wrong_at
        }
        calls = [line for place, step in steps.items() for line in self._around(place, self.script.short(str(step)))]
        return [f"where {self.fault}", *calls] if self.fault else calls

    def _around(self, place: str, line: str) -> list[str]:
        return ["the power is cut", line] if self.cut and place == "reopen" else [line]

    def make(self, place: str, actor: Actor, call: str, *arguments: Any) -> Outcome:
        """Make a call, and put it down at a place.

        Raises:
            Stopped: The process was stopped in the call.
            Died: It was killed in the call, as the point of the trial says.
            Shown: It ended in the call for another reason.
        """
        try:
            outcome = actor.perform(call, *arguments)
        except (Silent, Stopped) as error:
            self.steps[place] = Step(actor.name, call, arguments, None)
            if isinstance(error, Silent):
                raise Ended from None
            self.interrupted = place
            raise
        except Died as how:
            if self.point.fault in KILLS:
                self.steps[place] = Step(actor.name, call, arguments, None)
                self.interrupted = place
                raise
            where = () if self.point.at == 0 else (f"where {self.point.step} {self.point.fault.words}",)
            step = Step(actor.name, call, arguments, None)
            lines = (*where, *self.lines(), self.script.short(str(step)))
            raise Shown(f"{actor.name} ended in a call of {call}, {how}", lines) from None
        self.steps[place] = Step(actor.name, call, arguments, outcome)
        return outcome

    def read(self, place: str, actor: Actor) -> None:
        """Read every change of the script."""
        self.make(place, actor, "contents", self.script.names, self.script.query)
