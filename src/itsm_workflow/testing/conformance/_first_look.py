"""The look at the first store of a check, before anything is written: it can be opened, and it is empty."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageError
from itsm_workflow.storage.protocol import Query, Rows, StorageBackend
from itsm_workflow.testing.conformance._base import Misused
from itsm_workflow.testing.conformance._reports import place_of
from itsm_workflow.testing.conformance._threads import DidNotReturn, within
from itsm_workflow.testing.conformance._wording import word
from itsm_workflow.text import counted, describe

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = 10.0


def refuse_data(new_store: Callable[[], Callable[[], StorageBackend]]) -> Callable[[], StorageBackend]:
    """Open and read a new store, and return its opener; an error or a wrong answer is left to the promises.

    Raises:
        StorageError: The store cannot be opened.
        Misused: The store contains changes: its backend may take one store for all, and the promises would write into
            it. Or `new_store` returned no callable, or that raised an error of another class or returned no backend.
    """
    opener = new_store()
    if not callable(opener):
        raise Misused(
            "new_store must return a callable that opens the store, such as functools.partial(MyBackend, path), but it "
            f"returned {type(opener).__name__}"
        )
    with suppress(DidNotReturn):
        within(_SECONDS, lambda: _look(opener))
    return opener


def _look(opener: Callable[[], StorageBackend]) -> None:
    try:
        backend: object = opener()
    except StorageError:
        raise
    except BaseException as error:  # SystemExit, too: in this thread, it is the backend's
        problem = describe(error)
        raise Misused(f"a new store cannot be opened: {problem}{place_of(error)}") from error
    if not isinstance(backend, StorageBackend):
        raise Misused(
            f"opening a new store returned {word(backend)}, which has not the methods of a storage backend: commit, "
            "get, find, history, close"
        )
    page: object = None
    with suppress(BaseException):
        page = backend.find(Query(limit=5))
    with suppress(BaseException):
        backend.close()
    if isinstance(page, Rows) and page.rows:
        raise Misused(
            f"a new store is not empty, nothing was written: it has {counted(len(page.rows), 'change')} or more, such "
            f"as {word(page.rows[0])}. Each call of new_store must make another, empty store, and the backend must "
            "open the store that it names, not one store for all"
        )
