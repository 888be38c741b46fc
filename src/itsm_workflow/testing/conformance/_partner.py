"""Another process that takes turns with the test."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._processes import Other, Unavailable, serve
from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import Conflict, Write
    from itsm_workflow.testing.conformance._recording import RecordedOpener


class Partner:
    """Another process that commits writes; a new one is started after it has failed."""

    def __init__(self, open_backend: RecordedOpener) -> None:
        self._open_backend = open_backend
        self._other: Other | None = None
        self._sent: list[Write] = []

    def commit(self, writes: list[Write]) -> list[Conflict | None]:
        """Commit writes in the other process, and return the answer."""
        self.begin(writes)
        return self.answer()

    def begin(self, writes: list[Write]) -> None:
        """Send writes, which the other process commits."""
        if self._other is None:
            self._other = Other(serve, self._open_backend)
        self._sent = writes
        self._guarded(partial(self._other.send, writes))

    def answer(self) -> list[Conflict | None]:
        """Return the answer of the commit, which is recorded as that of another process.

        Raises:
            StorageUnavailable: The commit raised it.
        """
        assert self._other is not None
        answer: list[Conflict | None] | Unavailable = self._guarded(self._other.receive)
        if isinstance(answer, Unavailable):
            wrong = f"another process: {answer.message}"
            self._open_backend.recording.add("elsewhere", (f"commit({word(self._sent)}) raised StorageUnavailable",))
            raise StorageUnavailable(wrong, path=answer.path)
        self._open_backend.recording.add("elsewhere", (f"commit({word(self._sent)}) -> {word(answer)}",))
        return answer

    def close(self) -> None:
        """End the process."""
        if self._other is not None:
            with suppress(Shown):
                self._other.send(None)
            self._other.close()

    def _guarded(self, act: Callable[[], Any]) -> Any:  # noqa: ANN401  # whatever the act returns
        try:
            return act()
        except Shown:
            assert self._other is not None
            self._other.close(kill=True)
            self._other = None
            raise
