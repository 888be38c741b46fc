"""The kit without a test runner: every promise is tried on a store of its own, and the outcome is told."""

from __future__ import annotations

import enum
import inspect
import linecache
import time
import traceback
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._base import Finding, NotRun, quoted
from itsm_workflow.testing.conformance._kit import Kit
from itsm_workflow.testing.conformance._profiles import QUICK, Profile
from itsm_workflow.testing.conformance._shortest import shortest

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import StorageBackend

    NewStore = Callable[[], Callable[[], StorageBackend]]

_HERE = __file__.rpartition("_check")[0]


class Outcome(enum.StrEnum):
    """What became of a promise."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_RUN = "not run"
    """Something that it needs is not installed."""
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
    outcome: Outcome
    seconds: float = 0.0
    reason: str = ""
    calls: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Report:
    """Every promise of the port and what became of it."""

    profile: str
    abilities: frozenset[str]
    results: tuple[Result, ...]

    @property
    def broken(self) -> dict[str, Result]:
        """The broken promises by name."""
        return {result.promise: result for result in self.results if result.outcome is Outcome.BROKEN}

    def count(self, outcome: Outcome) -> int:
        """Return how many promises ended so."""
        return sum(result.outcome is outcome for result in self.results)


def check_storage(
    new_store: NewStore,
    *,
    abilities: frozenset[str] = frozenset(),
    profile: Profile = QUICK,
    only: str = "",
    told: Callable[[str], None] = lambda _: None,
) -> Report:
    """Try every promise of the storage port, each on an empty store.

    Args:
        new_store: Makes an empty store and returns the callable that opens it anew each time, as the fixture
            ``open_backend`` does. Called once for each promise, and more often to find the shortest counterexample.
        abilities: What the backend declares, see `ABILITIES`.
        profile: How thoroughly to look.
        only: Try the promises whose name contains this.
        told: Called with the name of each promise before it is tried.
    """
    kit = type("DeclaredKit", (Kit,), {"abilities": abilities, "profile": profile})()
    results = []
    for method, declared in Kit.all_promises().items():
        name = method.removeprefix("test_").replace("_", " ")
        if only not in name:
            continue
        test = getattr(kit, method)
        if test is None:
            reason = ", ".join(sorted(declared.needs - abilities))  # type: ignore[attr-defined]  # see promise
            result = Result(promise=name, sentence=quoted(declared), outcome=Outcome.NOT_DECLARED, reason=reason)
        else:
            told(name)
            result = _tried(name, test, new_store)
        results.append(result)
    return Report(profile=profile.name, abilities=abilities, results=tuple(results))


def _tried(name: str, test: Callable[..., None], new_store: NewStore) -> Result:
    start = time.perf_counter()
    outcome, reason = Outcome.KEPT, ""
    calls: tuple[str, ...] = ()
    try:
        _run(test, new_store())
    except NotRun as missing:
        outcome, reason = Outcome.NOT_RUN, str(missing)
    except Exception as error:  # noqa: BLE001  # whatever a broken backend does
        outcome = Outcome.BROKEN
        reason, calls = _explained(error, new_store)
    seconds = time.perf_counter() - start
    return Result(promise=name, sentence=quoted(test), outcome=outcome, seconds=seconds, reason=reason, calls=calls)


def _run(test: Callable[..., None], open_backend: Callable[[], StorageBackend]) -> None:
    if "backend" not in inspect.signature(test).parameters:
        test(open_backend=open_backend)
        return
    backend = open_backend()
    try:
        test(backend=backend)
    finally:
        backend.close()


def _explained(error: Exception, new_store: NewStore) -> tuple[str, tuple[str, ...]]:
    """Return what is wrong in one sentence, and the calls that show it."""
    finding: Finding | None = getattr(error, "finding", None)
    if finding is None:
        return f"{type(error).__name__}: {error}", ()
    found = shortest(finding.recording.calls, new_store)
    if found is not None:
        return found.wrong, tuple(map(str, found.calls))
    return _said_by(error), tuple(map(str, finding.recording.shown()))


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
