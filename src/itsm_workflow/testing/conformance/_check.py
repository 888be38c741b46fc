"""The kit without a test runner: each promise is tested on a store of its own, and its outcome is reported."""

from __future__ import annotations

import difflib
import enum
import inspect
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._background import Background
from itsm_workflow.testing.conformance._base import BrokenPromise, Misused, NotRun, quoted
from itsm_workflow.testing.conformance._first_look import refuse_data
from itsm_workflow.testing.conformance._kit import GROUPS, Kit, group_of
from itsm_workflow.testing.conformance._lanes import Lanes
from itsm_workflow.testing.conformance._pace import Patience
from itsm_workflow.testing.conformance._processor_time import seconds_of_the_processor
from itsm_workflow.testing.conformance._profiles import QUICK, Profile
from itsm_workflow.testing.conformance._recording import RecordedOpener, Recording
from itsm_workflow.testing.conformance._reports import Shown, message_of
from itsm_workflow.testing.conformance._shortest import Counterexample, shortest
from itsm_workflow.testing.conformance._threads import DidNotReturn, unless, within
from itsm_workflow.testing.conformance._trials.server_stage import server_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.testing.conformance._recording import Call

    NewStore = Callable[[], Callable[[], StorageBackend]]

_SHORTENING = 30.0
_PERHAPS_NOT_FEWEST = "(perhaps not the fewest calls: the time to leave some out was over)"
_LANES = 2
"""The threads in which promises are tested whose trials are made in other processes; each keeps one of these busy."""
_FIRST, _LAST = 4, 15
_LIKENESS, _HINTS, _SHORT_WORD = 0.75, 3, 2


class PromiseOutcome(enum.StrEnum):
    """The outcome of a promise."""

    KEPT = "kept"
    SLOW = "slow"
    """The promise is kept, but a call took longer than the limit for a slow call."""
    BROKEN = "broken"
    NOT_RUN = "not run"
    """A requirement is not installed, or a call of an earlier promise never returned."""
    NOT_DECLARED = "not declared"
    """The promise needs an ability that the backend does not declare."""


@attrs.frozen(kw_only=True)
class Result:
    """The result of one promise.

    Attributes:
        promise: The name of the promise.
        sentence: The sentence of the port.
        outcome: The outcome.
        seconds: The time that the test took.
        reason: The problem if the promise is broken or a call was slow; the missing requirement if it was not run.
        calls: The shortest counterexample, one call a line.
        processor_seconds: The processor time that the test took in all its processes; None if it was not measured.
    """

    promise: str
    sentence: str
    outcome: PromiseOutcome
    seconds: float = 0.0
    reason: str = ""
    calls: tuple[str, ...] = ()
    processor_seconds: float | None = None


@attrs.frozen(kw_only=True)
class StorageReport:
    """The results of all promises of the port.

    Attributes:
        profile: The name of the profile.
        abilities: The declared abilities.
        results: One result for each promise.
        stopped: The promise at which the check ended because a call did not return; otherwise empty.
    """

    profile: str
    abilities: frozenset[str]
    results: tuple[Result, ...]
    stopped: str = ""

    @property
    def broken(self) -> dict[str, Result]:
        """The broken promises by name."""
        return {result.promise: result for result in self.results if result.outcome is PromiseOutcome.BROKEN}

    def count(self, outcome: PromiseOutcome) -> int:
        """Return the number of promises with that outcome."""
        return sum(result.outcome is outcome for result in self.results)


def check_storage(
    new_store: NewStore,
    *,
    abilities: frozenset[str] = frozenset(),
    profile: Profile = QUICK,
    only: str | Collection[str] = "",
    progress: Callable[[str], None] = lambda _: None,
    ended: Callable[[Result], None] = lambda _: None,
    patience: float | None = None,
    waiting: Callable[[str, str], None] = lambda _name, _waiting: None,
    timed: bool = False,
) -> StorageReport:
    """Test every promise of the storage port, each on an empty store.

    Args:
        new_store: Makes an empty store and returns a callable that opens it, as the fixture ``open_backend`` does.
            Called once at first, once for each promise, and again to find the shortest counterexample.
        abilities: The abilities that the backend declares, see `ABILITIES`.
        profile: The thoroughness of the tests.
        only: Test only the promises whose name contains this text, or one of these texts, or whose group has it as its
            name, such as ``errors``.
        progress: Called with the name of each promise before it is tested.
        ended: Called with each result as soon as it is known, so that a check that is interrupted has the results so
            far.
        patience: Seconds after which a call that does not return is blocked, and its promise broken. The promises
            after it are not tested, since a blocked call of this process cannot be ended. A call is slow after a
            quarter of it. Both limits are longer if one of the first calls took more than 1/2000 of it. Defaults to
            the profile's.
        waiting: Called with the name of a promise that is tested for long, and with a text that says what the check
            waits for: after a call took as long as a slow one, after the promise took as long as a blocked call, and
            after twice the time again and again.
        timed: Whether to measure the processor time of each promise, and to test one promise after the other for that.

    Raises:
        TypeError: The abilities are not a frozenset, `new_store` does not return a callable that opens a backend, or
            the first store contains changes; then nothing was written.
        StorageError: The first store cannot be opened.
        ValueError: An ability is unknown, or no promise has `only`, or one of its texts, in its name, and no group has
            it as its name.
    """
    if patience is not None:
        profile = attrs.evolve(profile, patience=patience)
    declared_kit = type("DeclaredKit", (Kit,), {"abilities": abilities, "profile": profile})
    chosen = promises_named(only)
    has_files = server_of(refuse_data(new_store)) is None
    check = _Check(declared_kit, new_store, chosen, progress, ended, waiting, timed=timed)
    check.run(has_files=has_files)
    listed = tuple(check.results[name] for name in chosen)
    return StorageReport(profile=profile.name, abilities=abilities, results=listed, stopped=check.stopped)


@attrs.define
class _Check:
    """A check under way; its arguments are those of `check_storage`.

    Attributes:
        results: The results so far, by the name of the promise.
        stopped: The promise of which a call did not return; otherwise empty.
    """

    _new_kit: Callable[[], Kit]
    _new_store: NewStore
    _chosen: dict[str, tuple[str, Callable[..., None]]]
    _progress: Callable[[str], None]
    _ended: Callable[[Result], None]
    _waiting: Callable[[str, str], None]
    _timed: bool = attrs.field(kw_only=True)
    results: dict[str, Result] = attrs.field(factory=dict)
    stopped: str = ""

    def run(self, *, has_files: bool) -> None:
        """Test the promises: the three kinds of them at the same time, or one after the other to measure them."""
        kit = self._new_kit()
        possible = {name: each for name, each in self._chosen.items() if getattr(kit, each[0]) is not None}
        resting = {
            name: Background(self._new_kit(), partial(_result_of, name, method, self._new_store))
            for name, (method, declared) in possible.items()
            if declared.waits and not self._timed  # type: ignore[attr-defined]  # see promise
        }
        apart = self._apart(possible, kit) if has_files and not self._timed else {}
        waiting_for = {name for works in apart.values() for name in works}
        lanes = Lanes[tuple[Result, bool]]()
        try:
            for name, (method, declared) in self._chosen.items():
                if name not in possible:
                    reason = ", ".join(sorted(declared.needs - kit.abilities))  # type: ignore[attr-defined]  # see promise
                    self._leave_out(name, PromiseOutcome.NOT_DECLARED, reason)
                elif not (self.stopped or name in resting or name in waiting_for):
                    self._progress(name)
                    self._end(name, *self._measured(name, method, kit))
                    self._take(lanes, apart)
            if not self.results and waiting_for:  # the first result is far away
                self._progress(next(iter(waiting_for)))
            while not self.stopped and not waiting_for <= self.results.keys():
                self._take(lanes, apart)
                lanes.wait()
                self._take(lanes, apart)
        finally:
            lanes.end()
        for name in possible:
            if name in self.results:
                continue
            if self.stopped:
                reason = f"not tested: a call of {self.stopped!r} never returned"
                self._leave_out(name, PromiseOutcome.NOT_RUN, reason)
            else:
                self._progress(name)
                self._end(name, resting[name].result()[0])

    def _measured(self, name: str, method: str, kit: Kit) -> tuple[Result, bool]:
        before = seconds_of_the_processor() if self._timed else 0.0
        result, returned = _result_of(name, method, self._new_store, kit, partial(self._waiting, name))
        if self._timed:
            result = attrs.evolve(result, processor_seconds=max(0.0, seconds_of_the_processor() - before))
        return result, returned

    def _apart(
        self, possible: dict[str, tuple[str, Callable[..., None]]], kit: Kit
    ) -> dict[str, dict[str, Callable[[], tuple[Result, bool]]]]:
        """Return the work of the promises that make trials in processes of their own, by the names of the trials."""
        kits: dict[str, Kit] = {}
        apart: dict[str, dict[str, Callable[[], tuple[Result, bool]]]] = {}
        for name, (method, declared) in possible.items():
            if trials := declared.apart:  # type: ignore[attr-defined]  # see promise
                if trials not in kits:
                    kits[trials] = self._new_kit()
                    kits[trials].pace = kit.pace.beside()
                waiting = partial(self._waiting, name)
                work = partial(_result_of, name, method, self._new_store, kits[trials], waiting)
                apart.setdefault(trials, {})[name] = work
        return apart

    def _take(
        self,
        lanes: Lanes[tuple[Result, bool]],
        apart: dict[str, dict[str, Callable[[], tuple[Result, bool]]]],
    ) -> None:
        """Take the results of the promises that are tested apart, of which the first begins now."""
        lanes.begin(apart.values(), _LANES)  # not before the first other promise, whose calls set the time limits
        for name, (result, returned) in lanes.finished():
            self._progress(name)
            self._end(name, result, returned)

    def _end(self, name: str, result: Result, returned: bool = True) -> None:  # noqa: FBT001, FBT002  # of _result_of
        self.results[name] = result
        self.stopped = self.stopped or ("" if returned else name)
        self._ended(result)

    def _leave_out(self, name: str, outcome: PromiseOutcome, reason: str) -> None:
        sentence = quoted(self._chosen[name][1])
        self._end(name, Result(promise=name, sentence=sentence, outcome=outcome, reason=reason))


def promises_named(only: str | Collection[str]) -> dict[str, tuple[str, Callable[..., None]]]:
    """Return the promises that these texts choose: by name, the method and its function.

    A text chooses the promises that have it in their name, and those whose group has it as its name. Without a text,
    these are all promises.

    Raises:
        ValueError: One of the texts chooses no promise.
    """
    texts = (only,) if isinstance(only, str) else tuple(only)
    named = {
        method.removeprefix("test_").replace("_", " "): (method, declared)
        for method, declared in Kit.all_promises().items()
    }
    for text in texts:
        if text not in GROUPS and not any(text in name for name in named):
            near = " or ".join(map(repr, _near(text, (*GROUPS, *named))))
            hint = f" (did you mean {near}?)" if near else ""
            raise ValueError(
                f"no promise has {text!r} in its name{hint}; `itsm-workflow storage check --list` prints the names"
            )
    return {
        name: (method, declared)
        for name, (method, declared) in named.items()
        if not texts or any(text in name or text == group_of(method) for text in texts)
    }


def _near(text: str, names: Collection[str]) -> list[str]:
    """Return the first of the names that have the most words of the text, or words like them."""
    words = [word for word in text.split() if len(word) > _SHORT_WORD]
    alike = {
        name: sum(bool(difflib.get_close_matches(word, name.split(), cutoff=_LIKENESS)) for word in words)
        for name in names
    }
    most = max(alike.values())
    return [name for name, count in alike.items() if count == most][:_HINTS] if most else []


def _result_of(
    name: str, method: str, new_store: NewStore, kit: Kit, waiting: Callable[[str], None] = lambda _: None
) -> tuple[Result, bool]:
    """Return the result of a promise, and whether all calls returned."""
    start = time.perf_counter()
    test = getattr(kit, method)
    outer = kit.recording = Recording(pace=kit.pace)
    result = Result(promise=name, sentence=quoted(test), outcome=PromiseOutcome.KEPT)
    returned = True
    patient = Patience(kit.pace, waiting)

    def is_blocked() -> bool:
        kit.pace.look()
        longest = max(each.longest_pending() for each in (outer, kit.recording))
        patient.look(longest, time.perf_counter() - start)
        return longest > kit.pace.blocked

    kit.pace.look()
    try:
        unless(is_blocked, lambda: _run(test, new_store(), outer))
        if slow := kit.pace.finding():
            result = attrs.evolve(result, outcome=PromiseOutcome.SLOW, reason=slow)
    except NotRun as missing:
        result = attrs.evolve(result, outcome=PromiseOutcome.NOT_RUN, reason=str(missing))
    except DidNotReturn:
        returned = False
        limit = f"{kit.pace.blocked:.4g} s"
        reason = f"blocked: a call did not return within {limit}; the promises after it were not tested"
        shown = _shortened([*map(str, kit.recording.shown())])
        calls = (*shown, *outer.hanging(), *kit.recording.hanging())
        result = attrs.evolve(result, outcome=PromiseOutcome.BROKEN, reason=reason, calls=calls)
    except Misused:
        raise
    except Exception as error:  # noqa: BLE001  # a broken backend may raise anything
        reason, shown = _explained(error, new_store)
        finding: BrokenPromise | None = getattr(error, "finding", None)
        sentence = result.sentence if finding is None else finding.sentence
        result = attrs.evolve(result, outcome=PromiseOutcome.BROKEN, sentence=sentence, reason=reason, calls=shown)
    except BaseException:  # a signal, after which the threads of the promise would go on
        outer.end_all()
        kit.recording.end_all()
        raise
    return attrs.evolve(result, seconds=time.perf_counter() - start), returned


def _run(test: Callable[..., None], open_backend: Callable[[], StorageBackend], outer: Recording) -> None:
    """Test a promise; the calls that open and close its store are recorded in the outer recording."""
    if "backend" not in inspect.signature(test).parameters:
        test(open_backend=open_backend)
        return
    backend = RecordedOpener(outer, open_backend)()
    try:
        test(backend=backend.bare)
    except BaseException:
        with suppress(Exception):  # its error would hide the first one
            backend.close()
        raise
    backend.close()


def _explained(error: Exception, new_store: NewStore) -> tuple[str, tuple[str, ...]]:
    """Return the problem in one sentence, and the calls that show it."""
    finding: BrokenPromise | None = getattr(error, "finding", None)
    if finding is None:
        return message_of(error), ()
    if isinstance(error, Shown) and error.lines:
        return str(error), _shortened([*error.lines])
    found, limit = (None, ()) if finding.recording.in_short else _shortest(finding.recording.calls, new_store)
    if found is not None:
        return found.wrong, (*limit, *_shortened([*map(str, found.calls)]))
    return message_of(error), (*limit, *_shortened([*map(str, finding.recording.shown())]))


def _shortest(calls: list[Call], new_store: NewStore) -> tuple[Counterexample | None, tuple[str, ...]]:
    """Return the shortest counterexample, or None, and a line that says whether the search took too long.

    None also if the broken backend fails during the search.
    """
    try:
        found = within(_SHORTENING, lambda: shortest(calls, new_store))
    except (DidNotReturn, TimeoutError):
        return None, (_PERHAPS_NOT_FEWEST,)
    except Exception:  # noqa: BLE001  # a broken backend may raise anything
        return None, ()
    return found, () if found is None or found.is_shortest else (_PERHAPS_NOT_FEWEST,)


def _shortened(calls: list[str]) -> tuple[str, ...]:
    """Leave out the middle of many calls."""
    left_out = len(calls) - _FIRST - _LAST
    return (*calls[:_FIRST], f"… {left_out:,} calls left out", *calls[-_LAST:]) if left_out > 1 else tuple(calls)
