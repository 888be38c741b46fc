"""Empty stores for a check, next to the store that a URL names, which is never written to."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from itsm_workflow.errors import StorageError, StorageUnavailable
from itsm_workflow.secrets import SecretURL
from itsm_workflow.storage.files import look_at, unavailable
from itsm_workflow.storage.protocol import Query
from itsm_workflow.storage.registry import (
    MakesScratch,
    RemovesScratch,
    backend_of,
    handing_over,
    open_storage,
    schema_of,
)
from itsm_workflow.storage.url import FILES, path_of, scheme_of
from itsm_workflow.testing.conformance._naming import renamed_url
from itsm_workflow.testing.conformance._processes import end_others
from itsm_workflow.testing.conformance._threads import within
from itsm_workflow.testing.conformance._trials.runner import end_runners
from itsm_workflow.testing.conformance._trials.server_stage import address_in, readdressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage.protocol import StorageBackend

    NewStore = Callable[[], Callable[[], StorageBackend]]

_MOST_SECONDS = 10.0
_TRIES = 100


@contextmanager
def scratch_stores(url: str | SecretURL, left: list[str]) -> Iterator[NewStore]:
    """Yield a function that makes empty stores, which are removed at the end.

    Files are in a new folder next to the path. A backend that does not store files names the stores itself, and removes
    them if it can, see `itsm_workflow.storage.registry.MakesScratch` and `RemovesScratch`. A store in memory is empty
    whenever it is opened.

    Args:
        url: The URL of the place for the stores.
        left: The stores that could not be removed are added to it, as texts for a message.

    Raises:
        StorageError: The store contains changes, or its backend cannot name empty stores.
    """
    url = SecretURL.of(url)
    scheme, abilities = scheme_of(url), backend_of(url).abilities
    backend: object = backend_of(url)
    if isinstance(backend, MakesScratch):
        _refuse_data(url)
        with _on_a_server(backend, url, left) as new_store:
            yield new_store
    elif "durable" not in abilities:
        yield lambda: partial(open_storage, url)
    elif url.reveal().startswith(f"{scheme}:///"):
        with _in_a_folder(url, scheme, left) as new_store:
            yield new_store
    else:
        raise StorageError(
            f"the {scheme} backend cannot be checked by its URL: it does not store files, and it has no scratch_url "
            "that names empty stores; add scratch_url, or run its StorageConformance with pytest",
            scheme=scheme,
        )


@contextmanager
def _in_a_folder(url: SecretURL, scheme: str, left: list[str]) -> Iterator[NewStore]:
    numbers, gate = count(1), _Gate()
    base, mark, options = url.reveal().removeprefix(f"{scheme}:///").partition("?")
    path = Path(unquote(base)).absolute()
    if path.exists() if scheme not in FILES else look_at(path_of(url)) is not None:
        _refuse_data(url)
    with unavailable("make stores next to", path):
        folder = Path(tempfile.mkdtemp(prefix=f"{path.name}.check-", dir=path.parent))
    place = f"{scheme}:///{quote(str(folder))}"
    try:
        yield lambda: _FileOpener(SecretURL(f"{place}/{next(numbers)}{mark}{options}"), gate)
    finally:
        left.append(str(folder))  # first, since a second signal may interrupt the removal
        _end_all(gate)
        if _is_removed(folder):
            left.remove(str(folder))


def _is_removed(folder: Path) -> bool:
    """Remove a folder; return whether that was possible."""
    for _ in range(_TRIES):
        # A process that a promise forked may still make files there.
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return True
    return False


@contextmanager
def _on_a_server(backend: MakesScratch, url: SecretURL, left: list[str]) -> Iterator[NewStore]:
    prefix, made, gate = f"check_{secrets.token_hex(4)}", dict[str, SecretURL](), _Gate()

    def make() -> Callable[[], StorageBackend]:
        name = f"{prefix}_{len(made) + 1}"
        made[name] = _scratch_url(backend, url, name)
        return _ServerOpener(made[name], gate)

    try:
        yield make
    finally:
        left += made  # by their names, since their URLs may hold a password; first, as above
        _end_all(gate)
        for name, each in made.items():
            if _removed(backend, each):
                left.remove(name)


def _end_all(gate: _Gate) -> None:
    """End all that still uses the stores, after an interruption or a call that did not return."""
    gate.close()
    end_others()
    end_runners()


class _Gate:
    """Lets stores be opened until the check ends: the thread of a promise that was interrupted goes on."""

    def __init__(self) -> None:
        self._is_open, self._inside = True, 0
        self._changed = threading.Condition()

    def check(self) -> None:
        """Check that the check goes on.

        Raises:
            StorageUnavailable: It has ended.
        """
        if not self._is_open:
            raise StorageUnavailable("the check has ended, and its stores are removed")

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Open a store in the block, for which `close` waits."""
        with self._changed:
            self.check()
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Let no more stores be opened, and wait for those that are being opened."""
        with self._changed:
            self._is_open = False
            self._changed.wait_for(lambda: not self._inside, _MOST_SECONDS)


class _Opener:
    """Opens a store, also in other processes: its pickle contains the URL, but its repr does not."""

    def __init__(self, url: SecretURL, gate: _Gate) -> None:
        self._url, self._gate = url, gate

    def __call__(self) -> StorageBackend:
        with self._gate.passing():
            return open_storage(self._url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    def __reduce__(self) -> tuple[object, ...]:
        self._gate.check()
        return _opener_of, (type(self), self._url.reveal())


class _FileOpener(_Opener):
    """Opens a store in files, also by another path."""

    def renamed(self, change: Callable[[Path], Path], /) -> _FileOpener:
        """Return an opener of the same store, whose path is changed by this function."""
        return _FileOpener(SecretURL(renamed_url(self._url.reveal(), change) or ""), self._gate)


class _ServerOpener(_Opener):
    """Opens a store on a server, also at another address."""

    @property
    def address(self) -> tuple[str, int] | None:
        """The host and the port that the URL names."""
        return address_in(self._url)

    def through(self, host: str, port: int, /) -> _ServerOpener:
        """Return an opener of the same store at another address, where the check has a proxy."""
        return _ServerOpener(readdressed(self._url, host, port), self._gate)


def _opener_of(opener: type[_Opener], url: str) -> _Opener:
    return opener(SecretURL(url), _Gate())


def _removed(backend: object, url: SecretURL) -> bool:
    """Remove a store; return whether that was possible."""
    if not isinstance(backend, RemovesScratch):
        return False
    try:
        # A call that the check gave up may still hold the store.
        within(_MOST_SECONDS, lambda: handing_over(url, backend.remove_scratch))
    except Exception:  # noqa: BLE001  # the store is listed instead
        return False
    return True


def _scratch_url(backend: MakesScratch, url: SecretURL, name: str) -> SecretURL:
    return handing_over(url, lambda text: SecretURL(backend.scratch_url(text, name)))


def _refuse_data(url: SecretURL) -> None:
    # The store is not opened if that would migrate it.
    schema = schema_of(url)
    if schema is not None and not schema.found:
        return
    if schema is None or schema.found == schema.known:
        try:
            opened = open_storage(url)
        except StorageError:
            raise
        except Exception as error:
            # The error's own message is left out, since it may contain the URL's password.
            wrong = f"the store cannot be opened: from_url raised {type(error).__name__}, which is not a StorageError"
            raise StorageError(wrong, scheme=scheme_of(url)) from error
        try:
            with closing(opened) as store:
                page = store.find(Query(limit=1))
                if not page.rows and page.next is None:
                    return
        except StorageError:
            raise
        except Exception as error:
            wrong = (
                f"the store cannot be read: find raised {type(error).__name__}, which is not a StorageError; nothing "
                "was done. Is it a store of this backend? Name an empty store, or a path that does not exist yet"
            )
            raise StorageError(wrong, scheme=scheme_of(url)) from error
    raise StorageError(
        "the store holds changes, and a check needs an empty store: nothing was done; name an empty store, or a path "
        "that does not exist yet",
        scheme=scheme_of(url),
    )
