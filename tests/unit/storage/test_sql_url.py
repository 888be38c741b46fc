"""The URL of a store in a database server."""

from __future__ import annotations

import traceback

import pytest

from itsm_workflow.errors import StorageError
from itsm_workflow_backends.sql._engine import make_engine
from itsm_workflow_backends.sql._url import Options, parse

SECRET = "geheim-7"


def test_every_part_is_read() -> None:
    """Special characters are percent-encoded, and each parameter is a setting."""
    found = parse(
        "postgresql://al%40ice:p%2Fw%40d@db.example:6432/it%20sm?pool_size=9&statement_timeout=2.5&prefix=it_&migrate=true"
        "&sslmode=verify-full"
    )
    assert (found.user, found.host, found.port, found.database) == ("al@ice", "db.example", 6432, "it sm")
    assert found.password is not None
    assert found.password.reveal() == "p/w@d"
    assert found.options == Options(pool_size=9, statement_timeout=2.5, prefix="it_", migrate=True)
    assert found.passed == {"sslmode": "verify-full"}


@pytest.mark.parametrize("url", ["postgresql://u:geh@eim-7@h/d", "mysql://u:s3c/geh@eim-7@h/d"])
def test_an_unescaped_at_sign_is_refused_and_no_part_of_the_password_is_shown(url: str) -> None:
    """What follows it would be read as the name of the server, and sent to the resolver."""
    with pytest.raises(StorageError, match="an @ in the user name or the password is written %40") as caught:
        parse(url)
    assert "eim-7" not in str(caught.value)


def test_an_argument_replaces_a_parameter() -> None:
    """What the caller passes wins over the URL."""
    assert parse("mysql://h/d?pool_size=9", pool_size=2).options.pool_size == 2


def test_an_argument_that_is_no_setting_is_refused() -> None:
    """Other backends have a `timeout`; here it would have to say of what."""
    with pytest.raises(
        StorageError, match=r"^a mysql store has no option timeout; .*known are prefix, migrate, pool_size"
    ):
        parse("mysql://h/d", timeout=5)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://h", "must name a database"),
        ("postgresql://h/", "must name a database"),
        ("mysql://h:port/d", "cannot be read"),
        ("mysql://h/d?pool_sice=3", "did you mean pool_size?"),
        ("mysql://h/d?sslmode=require", "no parameter of that name"),
        ("mysql://h/d?pool_size=3&pool_size=4", "several times"),
        ("mysql://h/d?pool_size=many", "must be a whole number"),
        ("mysql://h/d?pool_size=0", "pool_size must be a number from 1"),
        ("mysql://h/d?statement_timeout=nan", "must be a number of seconds"),
        ("mysql://h/d?statement_timeout=inf", "statement_timeout must be a number from 0"),
        ("mysql://h/d?statement_timeout=-1", "statement_timeout must be a number from 0"),
        ("mysql://h/d?migrate=yes", "must be true or false"),
        ("mysql://h/d?prefix=It", "prefix must begin with a letter"),
        ("mysql://h/d?prefix=a;drop", "prefix must begin with a letter"),
        (f"mysql://h/d?prefix={'a' * 31}", "prefix must begin with a letter"),
    ],
)
def test_a_wrong_url_is_one_sentence(url: str, words: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(StorageError, match=words.replace("?", r"\?")) as caught:
        parse(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["migrate", "pre_ping"])
def test_a_flag_that_is_not_a_bool_is_refused(name: str) -> None:
    """The text no is true, and would create tables."""
    with pytest.raises(StorageError, match=f"^the parameter {name} must be True or False$"):
        parse("mysql://h/d", **{name: "no"})


@pytest.mark.parametrize(
    "url", [f"mysql://u:{SECRET}@h:port/d", f"mysql://u:{SECRET}@h/d?{SECRET}=1", f"mysql://u:{SECRET}@h"]
)
def test_no_error_shows_the_password(url: str) -> None:
    """Neither the message nor the traceback, in which the parser's own error would quote the URL."""
    with pytest.raises(StorageError) as caught:
        parse(url)
    assert SECRET not in "".join(traceback.format_exception_only(caught.value))
    assert SECRET not in str(caught.value.__cause__)


def test_the_engine_does_not_hold_the_password() -> None:
    """It is passed to the driver when a connection is made."""
    engine = make_engine(parse(f"postgresql://u:{SECRET}@h/d"))
    assert engine.url.password is None
    assert SECRET not in repr(engine)
