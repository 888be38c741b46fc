"""The comparison of all calls of a promise with the model, which finds what the promise itself does not look at.

Only for calls of one thread and one process; the calls of a race are judged by their times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._model import Model
from itsm_workflow.testing.conformance._rows import pages, whole_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import Write
    from itsm_workflow.testing.conformance._recording import Call, RecordedBackend, Recording

SENTENCES = {
    "commit": "The answer has the length and the order of the writes: None for a write that was stored, else its "
    "conflict.",
    "get": "Return the row of that id as of the last commit, with its form, or None.",
    "find": "One page of rows. ``next`` is the cursor for the following page, or None if this was the last.",
    "history": "Return entries ``after_seq + 1`` and on, at most ``limit``. Empty for an unknown id.",
}
"""By method, the sentence of the port that a wrong answer breaks."""

_MOST_HISTORIES = 250


class DiffersFromTheModel(AssertionError):
    """An answer is not the model's.

    Attributes:
        sentence: The sentence of the port that it breaks.
    """

    def __init__(self, sentence: str, message: str) -> None:
        super().__init__(message)
        self.sentence = sentence


def look_through(backend: RecordedBackend) -> None:
    """Read all rows, and the histories of the changes that were created last, unless several threads have written."""
    recording = backend.recording
    if _is_sequential(recording):
        written = dict.fromkeys(write.row.id for call in recording.calls for write in _writes(call))
        for _ in pages(backend, Query()):
            pass
        for change_id in [*written][-_MOST_HISTORIES:]:
            whole_history(backend, change_id)


def compare(recording: Recording) -> None:
    """Compare each answer with the model's, unless several threads made the calls.

    Args:
        recording: All calls on the store, which was empty before them.

    Raises:
        DiffersFromTheModel: An answer is wrong.
    """
    model = Model()
    for call in recording.calls if _is_sequential(recording) else ():
        if call.name not in SENTENCES or isinstance(call.outcome, BaseException):
            continue  # a call that raised, as the promise expects, stored nothing
        try:
            model = model.after_call(call.name, call.arguments, call.outcome)
        except AssertionError as error:
            raise DiffersFromTheModel(SENTENCES[call.name], f"{call.name}: {error}") from error


def _is_sequential(recording: Recording) -> bool:
    return not recording.in_short and len({call.by for call in recording.calls}) <= 1


def _writes(call: Call) -> Sequence[Write]:
    return call.arguments[0] if call.name == "commit" and isinstance(call.outcome, list) else ()
