"""The parts of a server's URL."""

from __future__ import annotations

import difflib
import math
import re
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from itsm_workflow.errors import StorageError
from itsm_workflow.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
"""By scheme: the dialect and the driver of SQLAlchemy."""

PREFIX = "itsm_workflow_"
"""The beginning of the names of all tables and indexes, unless the URL gives another one."""

_TLS = {
    "postgresql": ("sslmode", "sslrootcert", "sslcert", "sslkey", "application_name"),
    "mysql": ("ssl_ca", "ssl_cert", "ssl_key", "unix_socket"),
}
_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,29}")
_LONGEST = 86_400.0


@attrs.frozen(kw_only=True)
class Options:
    """The settings of a store that a URL may contain, each as a parameter of the same name.

    Attributes:
        prefix: The beginning of the names of all tables and indexes: lower-case letters, digits and underscores.
        migrate: Whether opening creates and upgrades the tables.
        pool_size: The number of connections that stay open.
        max_overflow: The number of further connections while all of these are in use.
        pool_timeout: Seconds that a call waits for a connection while all are in use.
        pool_recycle: Seconds after which a connection is replaced; -1 for never.
        pre_ping: Whether each call tests its connection first. Without it, a call whose connection turns out to be
            closed is repeated on a new one, unless it was already committing.
        connect_timeout: Seconds that connecting may take.
        statement_timeout: Seconds that a statement may take, including the time that it waits for locks.
    """

    prefix: str = PREFIX
    migrate: bool = False
    pool_size: int = 5
    max_overflow: int = 10
    pool_timeout: float = 30.0
    pool_recycle: int = -1
    pre_ping: bool = False
    connect_timeout: int = 10
    statement_timeout: float = 30.0


@attrs.frozen(kw_only=True)
class ServerURL:
    """The parts of the URL of a store in a database.

    Attributes:
        scheme: ``postgresql`` or ``mysql``.
        user: The name of the account, or None.
        password: The password, or None.
        host: The host, or None for the driver's default.
        port: The port, or None for the driver's default.
        database: The name of the database.
        options: The settings.
        passed: Parameters that are passed to the driver.
    """

    scheme: str
    user: str | None
    password: Secret | None
    host: str | None
    port: int | None
    database: str
    options: Options
    passed: dict[str, str]


def parse(url: str, **changed: Any) -> ServerURL:
    """Return the parts of a URL.

    Args:
        url: The URL.
        changed: Settings that replace those of the URL.

    Raises:
        StorageError: The URL has no database, a parameter is unknown or its value has another form.
    """
    scheme = url.partition("://")[0]
    written = f"write {scheme}://user:password@host:port/database, with special characters percent-encoded"
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        raise StorageError(f"the {scheme} URL cannot be read: {written}") from None
    if "@" in (parts.host or ""):  # the end of a password, which a message about the host would show
        raise StorageError(f"the {scheme} URL cannot be read: an @ in the user name or the password is written %40")
    if not parts.database:
        raise StorageError(f"a {scheme} URL must name a database: {written}")
    options, passed = _sorted(scheme, dict(parts.query))
    return ServerURL(
        scheme=scheme,
        user=parts.username,
        password=None if parts.password is None else Secret(str(parts.password)),
        host=parts.host or None,
        port=parts.port,
        database=parts.database,
        options=checked(_changed(scheme, options, changed)),
        passed=passed,
    )


def _changed(scheme: str, options: Options, changed: dict[str, Any]) -> Options:
    """Return the settings with those that the caller passed."""
    known = [field.name for field in attrs.fields(Options)]
    for name in changed:
        if name not in known:
            raise StorageError(f"a {scheme} store has no option {name}; {_hint(name, known)}")
    return attrs.evolve(options, **changed)


def _hint(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known)
    return f"{f'did you mean {near[0]}? ' if near else ''}known are {', '.join(known)}"


def checked(options: Options) -> Options:
    """Return the settings unchanged.

    Raises:
        StorageError: One of them has a wrong value.
    """
    if not _PREFIX.fullmatch(options.prefix):
        raise StorageError(
            "the parameter prefix must begin with a letter and consist of at most 30 lower-case letters, digits and "
            "underscores"
        )
    for name in ("migrate", "pre_ping"):
        if not isinstance(getattr(options, name), bool):
            raise StorageError(f"the parameter {name} must be True or False")
    least = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0, "pool_recycle": -1, "connect_timeout": 1}
    for name, low in {**least, "statement_timeout": 0}.items():
        value = getattr(options, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= _LONGEST:
            raise StorageError(f"the parameter {name} must be a number from {low} to {_LONGEST:.0f}")
    return options


def _sorted(scheme: str, query: dict[str, str | tuple[str, ...]]) -> tuple[Options, dict[str, str]]:
    """Return the settings in the parameters, and the parameters for the driver."""
    fields = {field.name: _READERS[str(field.type)] for field in attrs.fields(Options)}
    found: dict[str, Any] = {}
    passed: dict[str, str] = {}
    for name, value in query.items():
        if not isinstance(value, str):
            raise StorageError(f"the parameter {name} occurs several times in the URL")
        if name in fields:
            found[name] = _read(name, value, fields[name])
        elif name in _TLS[scheme]:
            passed[name] = value
        else:
            hint = _hint(name, (*fields, *_TLS[scheme]))
            raise StorageError(f"a {scheme} URL has no parameter of that name; {hint}")
    return Options(**found), passed


def _read(name: str, text: str, reader: Callable[[str], object]) -> object:
    try:
        return reader(text)
    except ValueError as error:
        raise StorageError(f"the parameter {name} of the URL must be {error}") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ValueError("a number of seconds")
    return number


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("true or false")
    return text == "true"


_READERS: dict[str, Callable[[str], object]] = {"str": str, "bool": _flag, "int": _whole, "float": _seconds}
