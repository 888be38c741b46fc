"""Secrets that do not show themselves."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.secrets import Secret, SecretURL, without_secrets
from itsm_workflow.text import describe

CANARY = "canary-0123456789"


def test_a_secret_prints_as_stars() -> None:
    """In every way in which Python makes text of a value."""
    secret = Secret(CANARY)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r}", f"{secret!s:>20}", "%s %r" % (secret, secret)]  # noqa: UP031 - one of the ways

    assert [text for text in shown if CANARY in text] == []
    assert (str(secret), repr([secret])) == ("Secret('***')", "[Secret('***')]")


def test_a_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither as an argument nor as an extra."""
    logging.getLogger("test").warning("it is %s", Secret(CANARY), extra={"secret": Secret(CANARY)})

    [record] = caplog.records
    assert CANARY not in f"{record.getMessage()} {vars(record)!r}"


def test_reveal_gives_the_text() -> None:
    """And nothing else does: a secret is no text."""
    assert Secret(CANARY).reveal() == CANARY
    assert not isinstance(Secret(CANARY), str)


@given(one=st.text(), other=st.text())
def test_secrets_compare_by_their_text(one: str, other: str) -> None:
    """Also beyond ASCII, and the hashes of equal ones are equal."""
    assert (Secret(one) == Secret(other)) == (one == other)
    assert (hash(Secret(one)) == hash(Secret(other))) or one != other


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (Secret, r"Secret\(text\) takes a str"),
        (SecretURL, "a storage URL must be a str, for example sqlite:///itsm-workflow.db"),
    ],
)
@pytest.mark.parametrize("text", [None, 5, CANARY.encode(), [CANARY]])
def test_only_a_text_can_be_a_secret(kind: type[Secret], wanted: str, text: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """The error does not show what was passed."""
    with pytest.raises(TypeError, match=f"^{wanted}, not {type(text).__name__}$"):
        kind(text)


def test_a_secret_is_not_equal_to_its_text() -> None:
    """Nor does its hash give the text's away."""
    assert Secret(CANARY) != CANARY
    assert hash(Secret(CANARY)) != hash(CANARY)


def test_an_empty_secret_is_false() -> None:
    """So that a missing one can be told."""
    assert (bool(Secret("")), bool(Secret(CANARY))) == (False, True)


@pytest.mark.parametrize(
    "leak", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, vars], ids=lambda one: one.__name__
)
def test_a_secret_does_not_leave_its_process(leak: object) -> None:
    """It is neither pickled nor copied nor made JSON; the error does not show it."""
    with pytest.raises(TypeError) as caught:
        leak(Secret(CANARY))  # type: ignore[operator] # the parameters are functions

    assert CANARY not in str(caught.value)


def test_a_refused_pickle_says_what_to_do() -> None:
    """The other process has settings of its own."""
    with pytest.raises(TypeError, match="a Secret cannot be pickled: let the other process read its own settings"):
        pickle.dumps(Secret(CANARY))


URLS = [
    (f"postgresql://me:{CANARY}@db.example.com/changes", "postgresql://…"),
    (f"postgresql://{CANARY}@db.example.com/changes", "postgresql://…"),
    (f"postgresql://me:{CANARY}/1@x@db/changes", "postgresql://…"),
    (f"mysql://db/changes?user=me&password={CANARY}", "mysql://…"),
    (f"sqlserver://db;password={CANARY};user=me", "sqlserver://…"),
    (f"redis://{CANARY}", "redis://…"),
    (f"sqlite:///me:{CANARY}@db/changes", "sqlite://…"),
    (f"sqlite:///changes?key={CANARY}", "sqlite://…"),
    (f"postgres:me:{CANARY}@db", "***"),
    (f"p0stgres {CANARY}://db/", "***"),
    (CANARY, "***"),
]


@pytest.mark.parametrize(("url", "shown"), URLS)
def test_a_url_that_may_hold_a_password_shows_its_scheme(url: str, shown: str) -> None:
    """And a text that quotes it has its scheme alone in its place."""
    sealed = SecretURL(url)

    assert (str(sealed), repr(sealed), f"{sealed}") == (shown, f"SecretURL({shown!r})", shown)
    assert not sealed.is_plain
    assert sealed.scrub(f"cannot connect to {url}.") == f"cannot connect to {shown}."
    assert sealed.reveal() == url


@pytest.mark.parametrize("url", [url for url, _ in URLS[:2]] + [url for url, _ in URLS[3:8]])
def test_a_password_is_starred_wherever_it_is_quoted(url: str) -> None:
    """A driver takes the URL apart before it complains."""
    assert SecretURL(url).scrub(f"the password {CANARY} is wrong") == "the password *** is wrong"


def test_a_password_that_was_unquoted_is_starred_as_well() -> None:
    """As the server got it."""
    assert SecretURL("postgresql://me:canary%2F1@db/x").scrub("me/canary/1 was refused") == "me/*** was refused"


@pytest.mark.parametrize(
    "url",
    [
        "memory://",
        "sqlite:///changes.db",
        "json:////srv/a%20b.jsonl",
        "sqlite:////srv/a@b.db",
        "sqlite:///a:b",
        "django://de-fault.1",
    ],
)
def test_a_path_alone_shows_itself(url: str) -> None:
    """It is what one looks for; nothing in it is a secret, so that nothing is starred."""
    sealed = SecretURL.of(url)

    assert (str(sealed), sealed.is_plain, sealed.scrub(f"{url} is gone")) == (url, True, f"{url} is gone")


def test_a_url_is_sealed_from_a_text_or_a_secret() -> None:
    """One that is sealed stays the one that it is."""
    sealed = SecretURL(CANARY)
    assert SecretURL.of(sealed) is sealed
    assert SecretURL.of(Secret(CANARY)).reveal() == SecretURL.of(CANARY).reveal() == CANARY


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST failed: password=hunter2, port=5", "POST failed: password=***, port=5"),
        ("Authorization: Bearer abc.def for x", "Authorization: *** for x"),
        ("Authorization: Custom a=1, b=2 was sent", "Authorization: *** was sent"),
        ('{"api_token": "a\\"b", "x": 1}', '{"api_token": ***, "x": 1}'),
        (r'"{\"api_token\": \"abc\"}"', r'"{\"api_token\": ***}"'),
        ("{'X-Token': 'abc'} (pwd=ab)cd)", "{'X-Token': ***} (pwd=***)"),
        ("https://u:p@h/x?access_token=abc&y=1", "https://u:***@h/x?access_token=***&y=1"),
        ("run --api-key abc --url x", "run --api-key *** --url x"),
        ("Cookie: a=b; c=d and more", "Cookie: *** and more"),
        ("tokens: ['a', 'b'], headers={'A': 'b'}", "tokens: ***, headers=***"),
        ("数据库密码：abc，端口：5", "数据库密码：***，端口：5"),
        ("with Bearer abc12345678", "with Bearer ***"),
        ("sent eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "sent ***"),
        ("password: Secret('***')", "password: ***"),
    ],
)
def test_a_value_after_the_name_of_a_secret_is_masked(text: str, shown: str) -> None:
    """As it may be in the message of a host's error, or in what a person types. It masks nothing twice."""
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "the token is wrong",
        "token=None",
        "bypass=1; at http://host:80/x?y=a@b",
        "Basic authentication failed",
        "磁盘：80%，标题：接入 nginx 日志",
        "CookieError",
    ],
)
def test_a_text_without_secrets_is_unchanged(text: str) -> None:
    """Also if it speaks of them."""
    assert without_secrets(text) == text


@given(st.text(), st.sampled_from(["password=", "token: ", "'api_key': '", "--secret "]), st.text("abc123", min_size=6))
def test_a_secret_is_masked_behind_any_text(before: str, name: str, secret: str) -> None:
    """Whatever stands before its name."""
    assert secret not in without_secrets(f"{before.replace(secret, '')} {name}{secret}")


def test_the_description_of_an_error_keeps_its_class() -> None:
    """Although the name of the class may contain that of a secret; the message is masked before it is cut."""

    class TokenExpired(Exception):
        """An error of a host."""

    assert describe(TokenExpired("it had token=abc")) == "TokenExpired: it had token=***"
    assert "s3cr3t" not in describe(ValueError(f"{'x' * 185} token=s3cr3t"))
