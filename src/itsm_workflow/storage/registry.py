"""Find the backend that a storage URL names.

Backends are found by the entry point group ``itsm_workflow.storage_backends``, whose names are URL schemes. The
included backends are found in the same way as those of other packages.
"""

from __future__ import annotations

import difflib
import functools
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast, runtime_checkable

from itsm_workflow.errors import StorageError, StorageSchemaError, StorageUnavailable
from itsm_workflow.secrets import SecretURL, without_frames
from itsm_workflow.storage.abilities import SupportsMigration
from itsm_workflow.storage.protocol import PROTOCOL_VERSION, Schema, StorageBackend
from itsm_workflow.storage.url import scheme_of
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

T = TypeVar("T")

GROUP = "itsm_workflow.storage_backends"
_SCHEMES = {"mariadb": "mysql"}
"""The schemes of SQLAlchemy's dialects with another name."""
_METHODS = ("commit", "get", "find", "history", "close", "from_url")


class OpenableBackend(StorageBackend, Protocol):
    """The members that the class of an entry point must have in addition to the port.

    Attributes:
        protocol_version: The `PROTOCOL_VERSION` that the backend was written for.
        abilities: The properties that `itsm_workflow.testing.StorageConformance` may test. ``"durable"``: committed
            changes are there when the store is opened again. ``"multi_process"``: several processes may share the
            store. ``"fsync"``: the backend makes commits durable by calling ``os.fsync`` or ``os.fdatasync`` from
            Python, so that a power cut can be simulated. ``"checksums"``: the backend reports damage of its files, and
            never returns something that was not committed.
    """

    protocol_version: ClassVar[int]
    abilities: ClassVar[frozenset[str]]

    @classmethod
    def from_url(cls, url: str, /, **options: object) -> StorageBackend:
        """Open the store that the URL names.

        Raises:
            StorageError: The URL does not have the form that this backend needs; the message describes that form.
        """
        ...


@runtime_checkable
class TellsSchema(Protocol):
    """A backend class that can read the schema of a store without opening or changing the store."""

    def schema_of(self, url: str, /) -> Schema:
        """Return the store's schema and the newest schema that this release knows; nothing is written.

        The schema is 0 if a server was reached but has no store there.

        Raises:
            StorageError: The store does not exist, or it cannot be read.
        """
        ...


@runtime_checkable
class MakesScratch(Protocol):
    """A backend class that can make temporary stores for its check, for stores that are not files."""

    def scratch_url(self, url: str, name: str, /) -> str:
        """Return the URL of a new store next to the store of the URL, such as another schema or another key prefix.

        The new store is empty, and is made when it is opened.
        """
        ...


@runtime_checkable
class RemovesScratch(Protocol):
    """A backend class that can remove the temporary stores of its check."""

    def remove_scratch(self, url: str, /) -> None:
        """Remove a store that `MakesScratch.scratch_url` named, with all its data; it may never have been opened.

        Raises:
            StorageError: The store cannot be removed.
        """
        ...


@runtime_checkable
class HostEngine(Protocol):
    """The host's own engine of SQLAlchemy: its pool of connections to one database."""

    @property
    def dialect(self) -> Any:  # noqa: ANN401 - the core does not import SQLAlchemy
        """The kind of the database; its ``name`` is the scheme of a storage URL."""
        ...

    def connect(self) -> Any:  # noqa: ANN401 - as above
        """Return a connection."""
        ...


@runtime_checkable
class OpensEngine(Protocol):
    """A backend class that can use the host's own engine."""

    def from_engine(self, engine: Any, /, **options: Any) -> StorageBackend:  # noqa: ANN401 - as above
        """Open the store in the database of the engine, which stays open when the store is closed.

        Raises:
            StorageError: The engine cannot be used, or an option is invalid.
        """
        ...


def open_storage(url: str | SecretURL | HostEngine, **options: object) -> StorageBackend:
    """Open the store that a URL names, or the one in the database of the host's own engine of SQLAlchemy.

    Args:
        url: ``memory://``, ``sqlite:///relative/path``, ``sqlite:////absolute/path``, ``json:///path``, or the URL of
            any other installed backend; or an engine for PostgreSQL or MariaDB, which stays open when the store is
            closed.
        options: Passed to the backend's ``from_url``; for an engine, ``prefix`` and ``migrate``.

    Raises:
        StorageError: No backend of that scheme is installed, it cannot be imported, it was written for another version
            of the storage port, or it refuses the URL. Neither the message nor the traceback shows a secret that the
            URL may contain, whatever the backend raised.
        TypeError: The URL is not a str.
    """
    if isinstance(url, HostEngine):
        return _of_engine(url, options)
    url = SecretURL.of(url)  # replaces the text, which a traceback with local variables would show
    backend = backend_of(url)
    return handing_over(url, lambda text: backend.from_url(text, **options))


def _of_engine(engine: HostEngine, options: dict[str, object]) -> StorageBackend:
    """Open the store in the database of the host's engine."""
    name = str(engine.dialect.name)
    scheme = _SCHEMES.get(name, name)
    backend: object = backend_of(f"{scheme}://")
    if not isinstance(backend, OpensEngine):
        raise StorageError(
            f"the engine is for {name}, whose backend uses no engine of SQLAlchemy: pass an engine for PostgreSQL or "
            f"MariaDB, or the URL of the store, which begins with {scheme}://",
            scheme=scheme,
        )
    return backend.from_engine(engine, **options)


def handing_over(url: SecretURL, work: Callable[[str], T]) -> T:
    """Call a backend's function with the text of a URL, and return its result.

    Raises:
        StorageError: The function raised an error. If the URL may contain a secret, the secret is removed from the
            error, and an error of another type is raised as a StorageError.
        Exception: If the URL contains no secret, the error of the function, unchanged.
    """
    if url.is_plain:
        return work(url.reveal())
    try:
        return without_frames(work, url.reveal())
    except StorageError as error:
        error.args = tuple(url.scrub(arg) if isinstance(arg, str) else arg for arg in error.args)
        facts = {name: url.scrub(fact) for name, fact in vars(error).items() if isinstance(fact, str)}
        vars(error).update(facts)
        raise
    except Exception as error:  # noqa: BLE001 - a backend may raise anything, and quote the URL in it
        problem = url.scrub(describe(error))
    raise StorageUnavailable(f"cannot open the store {url}: {problem}", scheme=scheme_of(url))


def schema_of(url: str | SecretURL) -> Schema | None:
    """Return the schema that a store was written with, without opening it, since that may migrate it.

    Returns:
        The schema, or None if the backend cannot read it without opening the store.

    Raises:
        StorageError: As `open_storage`; also if the store does not exist.
    """
    url = SecretURL.of(url)
    backend: object = backend_of(url)
    return handing_over(url, backend.schema_of) if isinstance(backend, TellsSchema) else None


def check_schema(url: str | SecretURL) -> None:
    """Refuse a store of an older schema; for commands that only read, because opening it would upgrade it.

    Raises:
        StorageSchemaError: The schema is older; the store was not opened.
        StorageError: As `schema_of`.
    """
    url = SecretURL.of(url)
    schema = schema_of(url)
    if schema is None or schema.found >= schema.known:
        return
    command = "migrate" if isinstance(backend_of(url), SupportsMigration) else "upgrade"
    message = (
        f"the store at {url} has schema {schema.found}, but this release writes schema {schema.known}. It was not "
        "opened, because that would upgrade it, and processes of an older release cannot use it after an upgrade. "
        f"Back it up, stop those processes, then run `itsm-workflow storage {command} {url}`"
    )
    if not schema.found:
        message = f"there is no store at {url}: create its tables with `itsm-workflow storage {command} {url}`"
    raise StorageSchemaError(message, found=schema.found, known=schema.known)


def loadable_backends() -> dict[str, object]:
    """Return the classes of the installed backends by scheme, without those of which a requirement is missing."""
    found: dict[str, object] = {}
    for entry in _installed():
        with suppress(StorageError):
            found[entry.name] = _load(entry)
    return found


def backend_of(url: str | SecretURL) -> type[OpenableBackend]:
    """Return the class of the backend that a URL names.

    Raises:
        StorageError: No backend of that scheme is installed, it cannot be imported, it was written for another
            version of the storage port, or it lacks one of the port's methods.
    """
    url = SecretURL.of(url)
    scheme = scheme_of(url)
    backend = _load(_entry_point(scheme))
    missing = [name for name in _METHODS if not callable(getattr(backend, name, None))]
    version = getattr(backend, "protocol_version", None)
    if version is None:
        raise StorageError(
            f"the {scheme} backend has no protocol_version: set it to itsm_workflow.storage.protocol.PROTOCOL_VERSION",
            scheme=scheme,
        )
    if version != PROTOCOL_VERSION:
        raise StorageError(
            f"the {scheme} backend was written for version {version} of the storage port, but this library has version "
            f"{PROTOCOL_VERSION}: install a release of the backend that supports version {PROTOCOL_VERSION}",
            scheme=scheme,
        )
    if missing:
        raise StorageError(
            f"the {scheme} backend has no {' and no '.join(missing)}: its class must have the methods "
            f"{', '.join(_METHODS)}",
            scheme=scheme,
        )
    return backend


def _entry_point(scheme: str) -> EntryPoint:
    installed = _installed()
    found = {entry.value: entry for entry in installed if entry.name == scheme}
    if not found:
        known = sorted({entry.name for entry in installed})
        near = difflib.get_close_matches(scheme, known)
        hint = f"did you mean {near[0]}://? " if near else ""
        raise StorageError(
            f"no storage backend is installed for {scheme}://; {hint}installed are: {', '.join(known) or 'none'}",
            scheme=scheme,
            known=tuple(known),
        )
    if len(found) > 1:
        raise StorageError(f"several backends claim {scheme}://: {', '.join(sorted(found))}; uninstall all but one")
    return next(iter(found.values()))


def _installed() -> tuple[EntryPoint, ...]:
    return _read(tuple((folder, _changed_at(folder)) for folder in sys.path))


def _changed_at(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache(maxsize=1)
def _read(folders: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001 - the key of the cache
    """Read the entry points of every installed distribution, which takes milliseconds, once per state of the folders.

    A package that is installed or removed while the process runs changes its folder, and is seen.
    """
    # Imported here to save start-up time: only an application that opens a store by URL needs it.
    from importlib.metadata import entry_points  # noqa: PLC0415

    return tuple(entry_points(group=GROUP))


def _load(entry: EntryPoint) -> type[OpenableBackend]:
    try:
        return cast("type[OpenableBackend]", entry.load())
    except Exception as error:  # a module may raise anything when it is imported
        raise StorageError(
            f"the {entry.name} backend, {entry.value}, cannot be imported: {describe(error)}", scheme=entry.name
        ) from error
