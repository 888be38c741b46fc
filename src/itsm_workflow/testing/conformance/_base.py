"""The parts that all promises of the kit share: abilities, profile, and the data of a failure."""

from __future__ import annotations

import difflib
import functools
import pickle
import re
import threading
import time
from typing import TYPE_CHECKING, ClassVar

import attrs

from itsm_workflow.testing.conformance._comparing import DiffersFromTheModel, compare, look_through
from itsm_workflow.testing.conformance._pace import Pace
from itsm_workflow.testing.conformance._profiles import QUICK, Profile
from itsm_workflow.testing.conformance._recording import Recording
from itsm_workflow.testing.conformance._reports import Shown

if TYPE_CHECKING:
    from collections.abc import Callable

ABILITIES = {
    "durable": "committed data is there when the store is opened again",
    "multi_process": "several processes can share the store",
    "fsync": "data becomes durable by os.fsync or os.fdatasync, which Python calls before commit returns",
    "checksums": "a damaged file is reported, and never read as data that was not committed",
}
"""The abilities that a backend may declare; the kit tests only the declared ones."""

_QUOTED = re.compile(r'Port: "(.*)"\s*$', re.DOTALL)


class NotRun(Exception):
    """A promise cannot be tested here; the message says what is missing."""


class Misused(TypeError):
    """The kit was called in a way that no backend can pass; the message says what to pass instead."""


@attrs.frozen
class BrokenPromise:
    """The value of ``error.finding`` of a failing promise: the sentence of the port, and the calls that break it."""

    sentence: str
    recording: Recording


def quoted(test: Callable[..., object]) -> str:
    """Return the sentence of the port that the test's docstring quotes, on one line."""
    found = _QUOTED.search(test.__doc__ or "")
    if found is None:
        raise TypeError(f"{test.__qualname__} does not quote a sentence of the port")
    return " ".join(found[1].split())


def check_abilities(abilities: object) -> None:
    """Reject unknown abilities, since a misspelt one would leave its promises untested.

    Raises:
        TypeError: The abilities are not a frozenset.
        ValueError: One of them is unknown.
    """
    known = f"the known abilities are {', '.join(sorted(ABILITIES))}"
    if not isinstance(abilities, frozenset):
        raise TypeError(
            f"abilities must be a frozenset of names, not {type(abilities).__name__} {abilities!r}; {known}"
        )
    for name in sorted(abilities - ABILITIES.keys(), key=repr):
        near = difflib.get_close_matches(str(name), ABILITIES)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"unknown ability {name!r}{hint}; {known}")


def _check_picklable(open_backend: object) -> None:
    try:
        pickle.dumps(open_backend)
    except Exception as error:
        raise Misused(
            f"open_backend must be picklable, since the ability multi_process makes other processes call it: pass a "
            f"functools.partial of a class, not a lambda ({type(error).__name__}: {error})"
        ) from error


def _is_in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def promise(
    *needs: str, in_short: bool = False, waits: bool = False, alone: bool = False, apart: str = ""
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a test quote its sentence and show its calls when it fails; it runs for backends with these abilities.

    Args:
        needs: The abilities.
        in_short: Whether to keep only the text of each call, for calls with large values; they are not shortened.
        waits: Whether the promise mostly waits, so that a check can test others meanwhile.
        alone: Whether one thread of this process makes all calls on the stores that the promise opens, so that they can
            be compared with the model. Those on a store that is opened for the promise are compared anyway.
        apart: The name of the trials that the promise makes in processes of its own if the store has files, so that a
            check can test others meanwhile. Promises with the same name share their trials.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        sentence = quoted(function)

        @functools.wraps(function)
        def test(self: Promises, **store: object) -> None:
            self.pace.slowest = ("", 0.0)
            recording = self.recording = Recording(pace=self.pace, in_short=in_short)
            if "multi_process" in self.abilities:
                _check_picklable(store.get("open_backend"))
            try:
                recorded = {name: recording.of(name, value) for name, value in store.items()}
                function(self, **recorded)
                if "backend" in recorded:
                    look_through(recorded["backend"])
                if "backend" in recorded or alone:
                    compare(recording)
            except NotRun as missing:
                self.leave_out(missing)
            except BaseException as error:  # pytest's failures do not derive from Exception
                if isinstance(error, KeyboardInterrupt | SystemExit) and _is_in_main_thread():
                    raise  # of a signal, not of the backend
                broken = (isinstance(error, DiffersFromTheModel | Shown) and error.sentence) or sentence
                error.finding = BrokenPromise(broken, recording)  # type: ignore[attr-defined]  # as notes are
                error.add_note(f"A promise of the storage port is broken: {broken}")
                lines = error.lines if isinstance(error, Shown) else ()
                error.add_note("\n  ".join(["Calls:", *lines]) if lines else recording.as_text())
                raise

        test.needs = frozenset(needs)  # type: ignore[attr-defined]  # read by __init_subclass__ below
        test.waits, test.apart = waits, apart  # type: ignore[attr-defined]  # read by check_storage
        return test

    return decorate


class Promises:
    """A part of the kit.

    Attributes:
        abilities: The declared abilities, see `ABILITIES`; tests that need others are not in the class.
        profile: The thoroughness of the tests.
    """

    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})
    profile: ClassVar[Profile] = QUICK
    rest: Callable[[float], None] = staticmethod(time.sleep)
    """Waits for that many seconds, or longer."""
    recording: Recording
    """The calls of the promise that is being tested."""

    def leave_out(self, missing: NotRun) -> None:
        """Report a promise that cannot be tested here; the class for pytest skips it.

        Raises:
            NotRun: Always.
        """
        raise missing

    @functools.cached_property
    def pace(self) -> Pace:
        """The time limits, which follow from the first calls."""
        return Pace(self.profile.patience)

    def __init_subclass__(cls) -> None:
        """Remove the tests of abilities that the backend does not declare.

        Raises:
            TypeError: The abilities are not a frozenset.
            ValueError: One of them is unknown.
        """
        super().__init_subclass__()
        check_abilities(cls.abilities)
        for name, test in cls.all_promises().items():
            if name not in vars(cls):  # a subclass's own definition wins
                setattr(cls, name, test if test.needs <= cls.abilities else None)  # type: ignore[attr-defined]  # see promise

    @classmethod
    def all_promises(cls) -> dict[str, Callable[..., None]]:
        """Return every test by name, including the removed ones."""
        promises: dict[str, Callable[..., None]] = {}
        for base in cls.__mro__:
            for name, value in vars(base).items():
                if hasattr(value, "needs"):
                    promises.setdefault(name, value)
        return promises
