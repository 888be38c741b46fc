"""Parse storage URLs.

``scheme://`` names a backend. For a backend that keeps one file, the path follows a third slash:
``sqlite:///relative/path`` and ``sqlite:////absolute/path``. Characters may be percent-encoded; ``%``, ``?`` and ``#``
must be.

No error repeats the URL, since the URL of a server contains a password. For the same reason it is passed as a
`SecretURL`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from itsm_workflow.errors import StorageError
from itsm_workflow.secrets import SecretURL, without_frames

FILES = frozenset({"sqlite", "json"})
"""The schemes of the included backends that keep one file."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def scheme_of(url: str | SecretURL) -> str:
    """Return the part of the URL before ``://``.

    Raises:
        StorageError: The URL contains no ``://``, or no valid scheme before it.
        TypeError: The URL is not a str.
    """
    url = SecretURL.of(url)  # replaces the text, which a traceback with local variables would show
    scheme, separator = url.reveal().partition("://")[:2]
    if not separator or not _SCHEME.fullmatch(scheme):
        del scheme  # without a ://, it is the whole URL
        raise StorageError(
            "a storage URL begins with the backend's name in small letters and ://, for example "
            "sqlite:///itsm-workflow.db"
        )
    return scheme


def check_bare(url: str | SecretURL) -> None:
    """Reject a URL with more than ``scheme://``, for a backend that has neither a path nor parameters.

    Raises:
        StorageError: The URL continues after ``scheme://``.
    """
    url = SecretURL.of(url)
    scheme = scheme_of(url)
    if url.reveal() != f"{scheme}://":
        raise StorageError(f"{scheme}:// takes neither a path nor parameters; write only {scheme}://")


def path_of(url: str | SecretURL) -> Path:
    """Return the absolute path of the file that the URL names.

    Raises:
        StorageError: The URL has no path, its path follows two slashes instead of three, or it contains a query, a
            fragment, an invalid percent escape, NUL or a character that no file name has, or it is ``:memory:``.
    """
    url = SecretURL.of(url)
    scheme = scheme_of(url)
    found = without_frames(_path, scheme, url.reveal().removeprefix(f"{scheme}://"))
    if isinstance(found, str):
        raise StorageError(found)
    return found


def _path(scheme: str, rest: str) -> Path | str:
    """Return the path, or a message that says what is wrong with the URL."""
    written = f"write {scheme}:///relative/path or {scheme}:////absolute/path"
    if not rest.startswith("/"):
        return f"the path of a {scheme} URL must follow a third slash: {written}"
    if rest == "/":
        return f"a {scheme} URL must name a file: {written}"
    if "?" in rest:
        return f"a {scheme} URL takes no parameters; write a ? in the path as %3F"
    if "#" in rest:
        return f"a {scheme} URL takes no fragment; write a # in the path as %23"
    if _BAD_ESCAPE.search(rest):
        return f"the path of a {scheme} URL contains a % that begins no valid escape; write it as %25"
    try:
        path = unquote(rest[1:], errors="strict")
    except UnicodeDecodeError:
        return f"the percent escapes in the path of a {scheme} URL must be UTF-8"
    if "\0" in path:
        return f"the path of a {scheme} URL must not contain NUL"
    if path == ":memory:":
        return f"{scheme}:///:memory: would be a file of that name; write memory:// for a store in memory"
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return f"the path of a {scheme} URL contains a character that no file name can contain, a lone surrogate"
    return Path(path).absolute()
