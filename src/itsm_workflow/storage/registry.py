"""Finding the backend that a storage URL names.

Backends are found by the entry point group ``itsm_workflow.storage_backends``, whose names are URL schemes. Those that
ship with this library are found in the same way as everybody else's.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar, cast, runtime_checkable

from itsm_workflow.errors import StorageError, StorageSchemaError, StorageUnavailable, describe
from itsm_workflow.secrets import SecretURL, without_frames
from itsm_workflow.storage.protocol import PROTOCOL_VERSION, Schema, StorageBackend
from itsm_workflow.storage.url import scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

T = TypeVar("T")

GROUP = "itsm_workflow.storage_backends"
_METHODS = ("commit", "get", "find", "history", "close", "from_url")


class OpenableBackend(StorageBackend, Protocol):
    """What a class behind an entry point offers beside the port.

    Attributes:
        protocol_version: The `PROTOCOL_VERSION` that it was written for.
        abilities: What `itsm_workflow.testing.StorageConformance` may expect: ``"durable"`` if what was committed is
            there when the store is opened again; ``"multi_process"`` if processes may share it; ``"fsync"`` if what
            makes it durable is ``os.fsync`` or ``os.fdatasync``, called from Python, so that a power cut can be played;
            ``"checksums"`` if damage of its files is told of and never read as something that was not committed.
    """

    protocol_version: ClassVar[int]
    abilities: ClassVar[frozenset[str]]

    @classmethod
    def from_url(cls, url: str, /, **options: object) -> StorageBackend:
        """Open the store that the URL names.

        Raises:
            StorageError: The URL is not written as this backend wants it; the message says how.
        """
        ...


@runtime_checkable
class TellsSchema(Protocol):
    """An optional ability of a class behind an entry point: to tell a store's schema without touching the store."""

    def schema_of(self, url: str, /) -> Schema:
        """Return the store's schema and the newest that this release knows; only reads.

        Raises:
            StorageError: There is no store, or it cannot be read.
        """
        ...


@runtime_checkable
class MakesScratch(Protocol):
    """An optional ability of a class behind an entry point, for stores that are no files: to be checked by its URL."""

    def scratch_url(self, url: str, name: str, /) -> str:
        """Return the URL of an empty store beside that of the URL, made when it is opened: a schema, a prefix."""
        ...


def open_storage(url: str | SecretURL, **options: object) -> StorageBackend:
    """Open the store that a URL names.

    Args:
        url: ``memory://``, ``sqlite:///relative/path``, ``sqlite:////absolute/path``, ``json:///path``, or the URL of
            any other installed backend.
        options: Passed on to the backend's ``from_url``.

    Raises:
        StorageError: No backend of that scheme is installed, it cannot be imported, it was written for another version
            of the storage port, or it refuses the URL. Neither its message nor its traceback shows what the URL may
            hold as a secret, whatever the backend raised.
        TypeError: The URL is not text.
    """
    url = SecretURL.of(url)  # in place of the text, which a traceback with variables would show
    backend = backend_of(url)
    return handing_over(url, lambda text: backend.from_url(text, **options))


def handing_over(url: SecretURL, work: Callable[[str], T]) -> T:
    """Call a backend's function with the text of a URL, and return what it returns.

    Raises:
        StorageError: What the function raised. Where the URL may hold a secret, it shows none, and what is not a
            StorageError is raised as one.
        Exception: Where the URL is plain, what the function raised.
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
    raise StorageUnavailable(f"the store {url} cannot be opened: {problem}", scheme=scheme_of(url))


def schema_of(url: str | SecretURL) -> Schema | None:
    """Return which schema a store was written with, without opening it: opening may migrate it.

    Returns:
        None if its backend cannot tell.

    Raises:
        StorageError: As `open_storage`; also if there is no such store.
    """
    url = SecretURL.of(url)
    backend: object = backend_of(url)
    return handing_over(url, backend.schema_of) if isinstance(backend, TellsSchema) else None


def check_schema(url: str | SecretURL) -> None:
    """Refuse a store of an older schema, for those who only read: opening it would upgrade it.

    Raises:
        StorageSchemaError: It is older; it was not opened.
        StorageError: As `schema_of`.
    """
    url = SecretURL.of(url)
    schema = schema_of(url)
    if schema is not None and schema.found < schema.known:
        raise StorageSchemaError(
            f"the store at {url} has schema {schema.found}, and this release writes {schema.known}. It was left as it "
            "is: opening it to write upgrades it, and processes of an older release cannot use it after that. Back it "
            f"up, stop those processes, then run `itsm-workflow storage upgrade {url}`",
            found=schema.found,
            known=schema.known,
        )


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
            f"the {scheme} backend was written for version {version} of the storage port, this library has version "
            f"{PROTOCOL_VERSION}: install releases of the two that fit each other",
            scheme=scheme,
        )
    if missing:
        raise StorageError(
            f"the {scheme} backend has no {', no '.join(missing)}: its class needs {', '.join(_METHODS)}",
            scheme=scheme,
        )
    return backend


def _entry_point(scheme: str) -> EntryPoint:
    # Imported here to save start-up time: only an application that opens a store by URL needs it.
    from importlib.metadata import entry_points  # noqa: PLC0415

    installed = entry_points(group=GROUP)
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


def _load(entry: EntryPoint) -> type[OpenableBackend]:
    try:
        return cast("type[OpenableBackend]", entry.load())
    except (ImportError, AttributeError) as error:
        raise StorageError(
            f"the {entry.name} backend, {entry.value}, cannot be imported: {error}", scheme=entry.name
        ) from error
