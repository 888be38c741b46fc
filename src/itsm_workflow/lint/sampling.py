"""Samples and facts of the trials, each made once for all changes in which it is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.lint.domains import CannotSampleError, holds_a_time
from itsm_workflow.lint.samples import own_facts, samples
from itsm_workflow.machine.definition import Facts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from itsm_workflow.change import ChangeRequest, Form


class WatchedFacts(Facts):
    """Facts that note whether their time was read: the result of a guard that did not read it holds at any time."""

    __slots__ = ("time_was_read",)
    time_was_read: bool

    @property
    def now(self) -> dt.datetime:
        """The time at which the trigger fires."""
        object.__setattr__(self, "time_was_read", True)
        time: dt.datetime = _time_of(self)
        return time

    @now.setter
    def now(self, value: dt.datetime) -> None:
        object.__setattr__(self, "time_was_read", False)
        _set_time_of(self, value)


_time_of, _set_time_of = Facts.now.__get__, Facts.now.__set__  # type: ignore[attr-defined]  # slots are descriptors


class Sampler:
    """Samples evidence; changes that differ in nothing that a sample holds share the samples.

    Args:
        given: Evidence that was made by hand, which comes before what is sampled.
    """

    def __init__(self, given: Sequence[object]) -> None:
        self._given = given
        self._made: dict[object, tuple[list[Any], str]] = {}
        self._forms: list[Form] = []

    def evidence(
        self, kind: type, change: ChangeRequest, now: dt.datetime, constants: tuple[object, ...]
    ) -> tuple[list[Any], str]:
        """Return evidence of a type, and the reason if none can be sampled; empty if it can."""
        if change.form not in self._forms:
            self._forms.append(change.form)
        time = now if holds_a_time(kind) else None
        key = (kind, constants, self._forms.index(change.form), repr(own_facts(kind, change)), time)
        if key not in self._made:
            self._made[key] = self._sampled(kind, change, now, constants)
        return self._made[key]

    def _sampled(
        self, kind: type, change: ChangeRequest, now: dt.datetime, constants: tuple[object, ...]
    ) -> tuple[list[Any], str]:
        given = [one for one in self._given if type(one) is kind]
        try:
            return [*given, *samples(kind, change, now, constants=constants)], ""
        except CannotSampleError as reason:
            return given, "" if given else str(reason)
