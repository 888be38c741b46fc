"""The kit without a test runner: each promise is tested on a store of its own, and its outcome is reported."""

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
    """The outcome of a promise."""

    KEPT = "kept"
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
        reason: The problem if the promise is broken; the missing requirement if it was not run.
        calls: The shortest counterexample, one call a line.
    """

    promise: str
    sentence: str
    outcome: PromiseOutcome
    seconds: float = 0.0
    reason: str = ""
    calls: tuple[str, ...] = ()


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
    only: str = "",
    told: Callable[[str], None] = lambda _: None,
    patience: float | None = None,
) -> StorageReport:
    """Test every promise of the storage port, each on an empty store.

    Args:
        new_store: Makes an empty store and returns a callable that opens it, as the fixture ``open_backend`` does.
            Called once for each promise, and again to find the shortest counterexample.
        abilities: The abilities that the backend declares, see `ABILITIES`.
        profile: The thoroughness of the tests.
        only: Test only the promises whose name contains this text.
        told: Called with the name of each promise before it is tested.
        patience: Seconds after which a promise counts as broken because a call does not return. The promises after it
            are not tested, since a blocked call cannot be ended. Defaults to the profile's.

    Raises:
        TypeError: The abilities are not a frozenset, or `new_store` does not return a callable.
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
            reason = f"not tested: a call of {stopped!r} never returned"
            result = Result(promise=name, sentence=quoted(declared), outcome=PromiseOutcome.NOT_RUN, reason=reason)
        else:
            told(name)
            try:
                result = _result_of(name, test, new_store, limit)
            except DidNotReturn:
                stopped = name
                calls = [*map(str, kit.recording.shown()), *kit.recording.hanging()]
                result = Result(
                    promise=name,
                    sentence=quoted(declared),
                    outcome=PromiseOutcome.BROKEN,
                    seconds=limit,
                    reason=f"a call did not return within {limit:g} s; the promises after it were not tested",
                    calls=_shortened(calls),
                )
        results.append(result)
    return StorageReport(profile=profile.name, abilities=abilities, results=tuple(results), stopped=stopped)


def promises_named(only: str) -> dict[str, tuple[str, Callable[..., None]]]:
    """Return the promises whose name contains this text: by name, the method and its function.

    Raises:
        ValueError: No promise has such a name.
    """
    named = {
        method.removeprefix("test_").replace("_", " "): (method, declared)
        for method, declared in Kit.all_promises().items()
    }
    chosen = {name: found for name, found in named.items() if only in name}
    if not chosen:
        raise ValueError(f"no promise has {only!r} in its name")
    return chosen


def _result_of(name: str, test: Callable[..., None], new_store: NewStore, limit: float) -> Result:
    start = time.perf_counter()
    outcome, reason = PromiseOutcome.KEPT, ""
    calls: tuple[str, ...] = ()
    try:
        within(limit, lambda: _run(test, new_store()))
    except NotRun as missing:
        outcome, reason = PromiseOutcome.NOT_RUN, str(missing)
    except (DidNotReturn, Misused):
        raise
    except Exception as error:  # noqa: BLE001  # a broken backend may raise anything
        outcome = PromiseOutcome.BROKEN
        reason, calls = _explained(error, new_store)
    seconds = time.perf_counter() - start
    return Result(promise=name, sentence=quoted(test), outcome=outcome, seconds=seconds, reason=reason, calls=calls)


def _run(test: Callable[..., None], open_backend: Callable[[], StorageBackend]) -> None:
    if not callable(open_backend):
        raise Misused(
            "new_store must return a callable that opens the store, such as functools.partial(MyBackend, path), but it "
            f"returned {type(open_backend).__name__}"
        )
    if "backend" not in inspect.signature(test).parameters:
        test(open_backend=open_backend)
        return
    backend = open_backend()
    try:
        test(backend=backend)
    except BaseException:
        with suppress(Exception):  # its error would hide the first one
            backend.close()
        raise
    backend.close()


def _explained(error: Exception, new_store: NewStore) -> tuple[str, tuple[str, ...]]:
    """Return the problem in one sentence, and the calls that show it."""
    finding: BrokenPromise | None = getattr(error, "finding", None)
    if finding is None:
        return f"{type(error).__name__}: {error}", ()
    found = _shortest(finding.recording.calls, new_store)
    if found is not None:
        return found.wrong, _shortened([*map(str, found.calls)])
    return _message_of(error), _shortened([*map(str, finding.recording.shown())])


def _shortest(calls: list[Call], new_store: NewStore) -> Counterexample | None:
    """Return the shortest counterexample, or None; None also if the broken backend fails during the search."""
    try:
        return within(_SHORTENING, lambda: shortest(calls, new_store))
    except Exception:  # noqa: BLE001  # a broken backend may raise anything
        return None


def _shortened(calls: list[str]) -> tuple[str, ...]:
    """Leave out the middle of many calls."""
    left_out = len(calls) - _FIRST - _LAST
    return (*calls[:_FIRST], f"… {left_out:,} calls left out", *calls[-_LAST:]) if left_out > 1 else tuple(calls)


def _message_of(error: Exception) -> str:
    """Return the error's message or, for an assert without one, the asserted expression."""
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
