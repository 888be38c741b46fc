"""Openers of one store by other paths: through a symbolic link, and relative to another directory."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import quote, unquote

import attrs

from itsm_workflow.secrets import SecretURL
from itsm_workflow.testing.conformance._base import NotRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage.protocol import StorageBackend

    Opener = Callable[[], StorageBackend]
    Change = Callable[[Path], Path]

_ROOT = ":///"


@runtime_checkable
class NamesPath(Protocol):
    """An opener that can name its store by another path."""

    def renamed(self, change: Change, /) -> Opener:
        """Return an opener of the same store, whose path is changed by this function."""
        ...


@attrs.frozen
class From:
    """An opener that is called in another directory, in a process of its own."""

    directory: Path
    opener: Opener

    def __call__(self) -> StorageBackend:
        """Open the store."""
        os.chdir(self.directory)
        return self.opener()


@contextmanager
def by_other_paths(opener: Opener) -> Iterator[tuple[Opener, Opener]]:
    """Yield openers of the same store through a symbolic link, and by a relative path for a process of its own.

    Raises:
        NotRun: The opener names no path, or the system has no symbolic links.
    """
    with TemporaryDirectory() as folder:
        link, parents = Path(folder, "link"), list[Path]()

        def through_link(path: Path) -> Path:
            link.symlink_to(path.parent, target_is_directory=True)
            return link / path.name

        def relative(path: Path) -> Path:
            parents.append(path.parent)
            return Path(path.name)

        try:
            linked, moved = (_renamed(opener, change) for change in (through_link, relative))
        except OSError as error:  # Windows asks for a privilege
            raise NotRun(f"no symbolic link can be made here: {error}") from error
        if linked is None or moved is None:
            raise NotRun("the opener names no absolute path: this is about stores in files")
        yield linked, From(parents[0], moved)


def renamed_url(url: str, change: Change) -> str | None:
    """Return a URL of the same store by another path, or None if it has no absolute path."""
    scheme, root, rest = url.partition(_ROOT)
    path, mark, options = rest.partition("?")
    decoded = Path(unquote(path))
    if not (root and decoded.is_absolute()):
        return None
    return f"{scheme}{_ROOT}{quote(str(change(decoded)))}{mark}{options}"


def _renamed(opener: object, change: Change) -> Opener | None:
    if isinstance(opener, NamesPath):
        return opener.renamed(change)
    if isinstance(opener, partial):
        for place, value in enumerate(opener.args):
            if (other := _value(value, change)) is not None:
                args = (*opener.args[:place], other, *opener.args[place + 1 :])
                return partial(opener.func, *args, **opener.keywords)
    return None


def _value(value: object, change: Change) -> object:
    """Return a path or a URL by another path, in the same type; None if the value is neither."""
    if isinstance(value, SecretURL):
        url = renamed_url(value.reveal(), change)
        return url and SecretURL(url)
    if isinstance(value, str) and "://" in value:
        return renamed_url(value, change)
    if isinstance(value, str | Path) and Path(value).is_absolute():
        return type(value)(change(Path(value)))
    return None
