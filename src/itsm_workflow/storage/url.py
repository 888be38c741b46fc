"""How a storage URL is written and taken apart.

``scheme://`` names a backend; a backend that keeps one file puts its path behind a third slash:
``sqlite:///relative/path`` and ``sqlite:////absolute/path``. Characters may be percent-encoded; ``%``, ``?`` and ``#``
must be.

No error repeats the URL, since that of a server carries a password; for the same reason it travels as a `SecretURL`.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from itsm_workflow.errors import StorageError
from itsm_workflow.secrets import SecretURL, without_frames

FILES = frozenset({"sqlite", "json"})
"""The schemes of our backends that keep one file."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def scheme_of(url: str | SecretURL) -> str:
    """Return what stands before ``://``.

    Raises:
        StorageError: There is no ``://``, or no scheme before it.
        TypeError: It is not text.
    """
    url = SecretURL.of(url)  # in place of the text, which a traceback with variables would show
    kind: type = type(url.reveal())  # the text itself is in no variable
    if not issubclass(kind, str):
        raise TypeError(f"a storage URL is text, for example sqlite:///itsm-workflow.db, not {kind.__name__}")
    scheme, separator = url.reveal().partition("://")[:2]
    if not separator or not _SCHEME.fullmatch(scheme):
        del scheme  # it may be all of it
        raise StorageError(
            "a storage URL begins with the backend's name and ://, for example sqlite:///itsm-workflow.db"
        )
    return scheme


def check_bare(url: str | SecretURL) -> None:
    """Refuse anything behind ``scheme://``, for a backend that takes nothing.

    Raises:
        StorageError: Something follows.
    """
    url = SecretURL.of(url)
    scheme = scheme_of(url)
    if url.reveal() != f"{scheme}://":
        raise StorageError(f"{scheme}:// takes neither a path nor parameters; write it just so")


def path_of(url: str | SecretURL) -> Path:
    """Return the path of the one file that the URL names, made absolute.

    Raises:
        StorageError: There is no path, it stands behind two slashes, or the URL has a query, a fragment, a bad escape
            or NUL.
    """
    url = SecretURL.of(url)
    scheme = scheme_of(url)
    found = without_frames(_path, scheme, url.reveal().removeprefix(f"{scheme}://"))
    if isinstance(found, str):
        raise StorageError(found)
    return found


def _path(scheme: str, rest: str) -> Path | str:
    """Return the path, or what is wrong."""
    written = f"write {scheme}:///relative/path or {scheme}:////absolute/path"
    if not rest.startswith("/"):
        return f"a {scheme} URL has its path behind a third slash: {written}"
    if rest == "/":
        return f"a {scheme} URL names a file: {written}"
    if "?" in rest:
        return f"a {scheme} URL takes no parameters; a ? in the path is written %3F"
    if "#" in rest:
        return f"a {scheme} URL takes no fragment; a # in the path is written %23"
    if _BAD_ESCAPE.search(rest):
        return f"a % in the path of a {scheme} URL is written %25"
    try:
        path = unquote(rest[1:], errors="strict")
    except UnicodeDecodeError:
        return f"the escapes in the path of a {scheme} URL are UTF-8"
    if "\0" in path:
        return f"a {scheme} URL cannot have NUL in its path"
    return Path(path).absolute()
