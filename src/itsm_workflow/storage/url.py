"""How a storage URL is written and taken apart.

``scheme://`` names a backend; a backend that keeps one file puts its path behind a third slash:
``sqlite:///relative/path`` and ``sqlite:////absolute/path``. Characters may be percent-encoded; ``%``, ``?`` and ``#``
must be.

No error repeats the URL, since that of a server carries a password.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from itsm_workflow.errors import StorageError

FILES = frozenset({"sqlite", "json"})
"""The schemes of our backends that keep one file."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def scheme_of(url: str) -> str:
    """Return what stands before ``://``.

    Raises:
        StorageError: There is no ``://``, or no scheme before it.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        raise StorageError(
            "a storage URL begins with the backend's name and ://, for example sqlite:///itsm-workflow.db"
        )
    return scheme


def check_bare(url: str) -> None:
    """Refuse anything behind ``scheme://``, for a backend that takes nothing.

    Raises:
        StorageError: Something follows.
    """
    scheme = scheme_of(url)
    if url != f"{scheme}://":
        raise StorageError(f"{scheme}:// takes neither a path nor parameters; write it just so")


def path_of(url: str) -> Path:
    """Return the path of the one file that the URL names, made absolute.

    Raises:
        StorageError: There is no path, it stands behind two slashes, or the URL has a query, a fragment, a bad escape
            or NUL.
    """
    scheme = scheme_of(url)
    rest = url.removeprefix(f"{scheme}://")
    written = f"write {scheme}:///relative/path or {scheme}:////absolute/path"
    if not rest.startswith("/"):
        raise StorageError(f"a {scheme} URL has its path behind a third slash: {written}")
    if rest == "/":
        raise StorageError(f"a {scheme} URL names a file: {written}")
    if "?" in rest:
        raise StorageError(f"a {scheme} URL takes no parameters; a ? in the path is written %3F")
    if "#" in rest:
        raise StorageError(f"a {scheme} URL takes no fragment; a # in the path is written %23")
    if _BAD_ESCAPE.search(rest):
        raise StorageError(f"a % in the path of a {scheme} URL is written %25")
    try:
        path = unquote(rest[1:], errors="strict")
    except UnicodeDecodeError:
        raise StorageError(f"the escapes in the path of a {scheme} URL are UTF-8") from None
    if "\0" in path:
        raise StorageError(f"a {scheme} URL cannot have NUL in its path")
    return Path(path).absolute()
