"""The words of a failure: the problem in one sentence, and the lines that show it."""

from __future__ import annotations

import linecache
import signal
import sysconfig
import traceback
from pathlib import Path

import attrs

from itsm_workflow.errors import StorageError
from itsm_workflow.secrets import without_secrets

_HERE = str(Path(__file__).parent)
_STANDARD = (sysconfig.get_path("stdlib"), "<")
"""Where the frames of the standard library begin, and those without a file."""


class Shown(AssertionError):
    """A failure whose calls are not those of one thread.

    Attributes:
        lines: What each process did and what was read afterwards, one line each.
        sentence: The sentence of the port that is broken, if it is not that of the promise; otherwise empty.
    """

    def __init__(self, message: str, lines: tuple[str, ...] = (), sentence: str = "") -> None:
        super().__init__(message, lines)
        self.lines = lines
        self.sentence = sentence

    def __str__(self) -> str:
        """Return the message."""
        return str(self.args[0])


def end_of_process(code: int | None) -> str:
    """Return how a process ended, by its exit code, which is that of `multiprocessing` or of `subprocess`."""
    if code is not None and code < 0:
        try:
            return f"by {signal.Signals(-code).name}"
        except ValueError:  # a real-time signal
            return f"by signal {-code}"
    return f"with exit code {code}"


@attrs.frozen
class Failure:
    """A failure of another process, as it is sent.

    Attributes:
        problem: The problem in one sentence.
        lines: The last calls of the process, one line each.
        frames: The traceback.
        names_the_process: Whether the problem itself names the process that it is about.
    """

    problem: str
    lines: tuple[str, ...]
    frames: str
    names_the_process: bool = False

    @classmethod
    def of(cls, error: BaseException, lines: tuple[str, ...]) -> Failure:
        """Describe an error that was raised here."""
        frames = "".join(traceback.format_exception(error))
        return cls(message_of(error), lines, frames, names_the_process=isinstance(error, Shown))


def message_of(error: BaseException) -> str:
    """Return the error's message or, for an assert without one, the asserted expression."""
    if not isinstance(error, AssertionError):
        return f"{type(error).__name__}: {without_secrets(str(error))}{place_of(error)}"
    message = str(error)
    asserted = _asserted(error)
    if asserted and " " not in message:  # no sentence, but the case that is asserted
        return f"this does not hold{f' for {message}' if message else ''}: {asserted}"
    return message or "an assertion failed"


def place_of(error: BaseException) -> str:
    """Return in brackets where the backend raised an error, or nothing if the port has errors of that class."""
    if isinstance(error, StorageError):
        return ""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if is_of_the_backend(frame.filename)]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def is_of_the_backend(file: str) -> bool:
    """Return whether a file has code of the backend or of a library that it uses: not of the kit, nor of Python."""
    return not file.startswith(_HERE) and (not file.startswith(_STANDARD) or "site-packages" in file)


def _asserted(error: BaseException) -> str:
    """Return the source of the kit's assert statement that failed, or an empty text."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(_HERE) and frame.lineno is not None:
            last = frame.end_lineno or frame.lineno
            lines = [linecache.getline(frame.filename, number).strip() for number in range(frame.lineno, last + 1)]
            source = " ".join(lines)
            return source.removeprefix("assert ") if source.startswith("assert ") else ""
    return ""
