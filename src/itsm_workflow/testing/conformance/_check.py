"""The kit without a test runner: every promise is tried on a store of its own, and the outcome is told."""

from __future__ import annotations

import enum
import inspect
import linecache
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._base import BrokenPromise, Misused, NotRun, quoted
from itsm_workflow.testing.conformance._kit import Kit
from itsm_workflow.testing.conformance._profiles import QUICK, Profile
from itsm_workflow.testing.conformance._shortest import Counterexample, shortest
from itsm_workflow.testing.conformance._threads import DidNotReturn, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.testing.conformance._recording import Call

    NewStore = Callable[[], Callable[[], StorageBackend]]

_HERE = __file__.rpartition("_check")[0]
_SHORTENING = 30.0
_FIRST, _LAST = 4, 15


class PromiseOutcome(enum.StrEnum):
    """What became of a promise."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_RUN = "not run"
    """Something that it needs is not installed, or a call of a promise before it never returned."""
    NOT_DECLARED = "not declared"
    """It needs an ability that the backend does not declare."""


@attrs.frozen(kw_only=True)
class Result:
    """One promise.

    Attributes:
        promise: Its name.
        sentence: The sentence of the port.
        outcome: What became of it.
        seconds: How long that took.
        reason: What is wrong if it is broken; what is missing if it was not run.
        calls: The shortest counterexample, a call on each line.
    """

    promise: str
    sentence: str
    outcome: PromiseOutcome
    seconds: float = 0.0
    reason: str = ""
    calls: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class StorageReport:
    """Every promise of the port and what became of it.

    Attributes:
        profile: The name of the profile.
        abilities: What was declared.
        results: One for each promise.
        stopped: The promise at which the check ended because a call did not return; most often empty.
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
        """Return how many promises ended so."""
        return sum(result.outcome is outcome for result in self.results)


def check_storage(
    new_store: NewStore,
    *,
    abilities: frozenset[str] = frozenset(),
    profile: Profile = QUICK,
    only: str = "",
    told: Callable[[str], None] = lambda _: None,
    patience: float | None = None,
) -> StorageReport:
    """Try every promise of the storage port, each on an empty store.

    Args:
        new_store: Makes an empty store and returns the callable that opens it anew each time, as the fixture
            ``open_backend`` does. Called once for each promise, and more often to find the shortest counterexample.
        abilities: What the backend declares, see `ABILITIES`.
        profile: How thoroughly to look.
        only: Try the promises whose name contains this.
        told: Called with the name of each promise before it is tried.
        patience: After so many seconds a promise is broken because a call does not return, and the promises behind it
            are not tried: what blocks cannot be ended. By default the profile's.

    Raises:
        TypeError: The abilities are no frozenset, or the store is not made as written above.
        ValueError: An ability is unknown, or no promise has `only` in its name.
    """
    kit = type("DeclaredKit", (Kit,), {"abilities": abilities, "profile": profile})()
    limit = profile.patience if patience is None else patience
    results, stopped = [], ""
    for name, (method, declared) in promises_named(only).items():
        test = getattr(kit, method)
        if test is None:
            reason = ", ".join(sorted(declared.needs - abilities))  # type: ignore[attr-defined]  # see promise
            result = Result(promise=name, sentence=quoted(declared), outcome=PromiseOutcome.NOT_DECLARED, reason=reason)
        elif stopped:
            reason = f"not tried: a call of {stopped!r} never returned"
            result = Result(promise=name, sentence=quoted(declared), outcome=PromiseOutcome.NOT_RUN, reason=reason)
        else:
            told(name)
            try:
                result = _tried(name, test, new_store, limit)
            except DidNotReturn:
                stopped = name
                calls = [*map(str, kit.recording.shown()), *kit.recording.hanging()]
                result = Result(
                    promise=name,
                    sentence=quoted(declared),
                    outcome=PromiseOutcome.BROKEN,
                    seconds=limit,
                    reason=f"a call did not return within {limit:g} s; what comes behind it was not tried",
                    calls=_few(calls),
                )
        results.append(result)
    return StorageReport(profile=profile.name, abilities=abilities, results=tuple(results), stopped=stopped)


def promises_named(only: str) -> dict[str, tuple[str, Callable[..., None]]]:
    """Return the promises whose name contains this: by name, the method and its function.

    Raises:
        ValueError: There is none.
    """
    named = {
        method.removeprefix("test_").replace("_", " "): (method, declared)
        for method, declared in Kit.all_promises().items()
    }
    chosen = {name: found for name, found in named.items() if only in name}
    if not chosen:
        raise ValueError(f"no promise has {only!r} in its name")
    return chosen


def _tried(name: str, test: Callable[..., None], new_store: NewStore, limit: float) -> Result:
    start = time.perf_counter()
    outcome, reason = PromiseOutcome.KEPT, ""
    calls: tuple[str, ...] = ()
    try:
        within(limit, lambda: _run(test, new_store()))
    except NotRun as missing:
        outcome, reason = PromiseOutcome.NOT_RUN, str(missing)
    except (DidNotReturn, Misused):
        raise
    except Exception as error:  # noqa: BLE001  # whatever a broken backend does
        outcome = PromiseOutcome.BROKEN
        reason, calls = _explained(error, new_store)
    seconds = time.perf_counter() - start
    return Result(promise=name, sentence=quoted(test), outcome=outcome, seconds=seconds, reason=reason, calls=calls)


def _run(test: Callable[..., None], open_backend: Callable[[], StorageBackend]) -> None:
    if not callable(open_backend):
        raise Misused(
            "new_store must return what opens the store, a callable such as functools.partial(MyBackend, path); it "
            f"returned {type(open_backend).__name__}"
        )
    if "backend" not in inspect.signature(test).parameters:
        test(open_backend=open_backend)
        return
    backend = open_backend()
    try:
        test(backend=backend)
    except BaseException:
        with suppress(Exception):  # or it would hide what came first
            backend.close()
        raise
    backend.close()


def _explained(error: Exception, new_store: NewStore) -> tuple[str, tuple[str, ...]]:
    """Return what is wrong in one sentence, and the calls that show it."""
    finding: BrokenPromise | None = getattr(error, "finding", None)
    if finding is None:
        return f"{type(error).__name__}: {error}", ()
    found = _shortest(finding.recording.calls, new_store)
    if found is not None:
        return found.wrong, _few([*map(str, found.calls)])
    return _said_by(error), _few([*map(str, finding.recording.shown())])


def _shortest(calls: list[Call], new_store: NewStore) -> Counterexample | None:
    """Return the shortest counterexample, or None also if the broken backend does not even let it be looked for."""
    try:
        return within(_SHORTENING, lambda: shortest(calls, new_store))
    except Exception:  # noqa: BLE001  # whatever a broken backend does
        return None


def _few(calls: list[str]) -> tuple[str, ...]:
    """Leave out the middle of many calls."""
    left_out = len(calls) - _FIRST - _LAST
    return (*calls[:_FIRST], f"… {left_out:,} calls left out", *calls[-_LAST:]) if left_out > 1 else tuple(calls)


def _said_by(error: Exception) -> str:
    """Return the error's words; of a bare assert that has none, what it asserts."""
    if not isinstance(error, AssertionError):
        return f"{type(error).__name__}: {error}"
    if str(error):
        return str(error)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(_HERE) and frame.lineno is not None:
            last = frame.end_lineno or frame.lineno
            lines = [linecache.getline(frame.filename, number).strip() for number in range(frame.lineno, last + 1)]
            return f"this does not hold: {' '.join(lines).removeprefix('assert ')}"
    return "an assertion failed"
