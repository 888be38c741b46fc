"""The proxy among the settings: named by one variable alone, checked, and never shown with its account."""

from __future__ import annotations

import pytest

from itsm_workflow.secrets import SecretURL
from itsm_workflow.settings import Settings
from itsm_workflow.settings.proxy import proxy_place, proxy_secrets
from tests.unit.settings.test_settings import ENOUGH, make, problems_of

PASSWORD = "canary-pass"
WITH_ACCOUNT = f"http://ops:{PASSWORD}@proxy.example.com:3128"
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def test_no_proxy_by_silence() -> None:
    """What the environment says to every program is not for us."""
    environ = {**ENOUGH, **dict.fromkeys(NAMES, "http://proxy.example.com:3128")}

    assert not Settings.from_env(environ).proxy


def test_the_variable_names_it() -> None:
    """With where it came from."""
    settings = Settings.from_env({**ENOUGH, "BKAPP_ITSM_PROXY": WITH_ACCOUNT})

    assert settings.proxy == SecretURL(WITH_ACCOUNT)
    assert settings.sources["proxy"] == "BKAPP_ITSM_PROXY"
    assert make(proxy=WITH_ACCOUNT).proxy == settings.proxy


@pytest.mark.parametrize(
    ("proxy", "place"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("http://proxy", "http://proxy:80"),
        ("https://proxy/", "https://proxy:443"),
        (WITH_ACCOUNT, "http://proxy.example.com:3128"),
        ("http://ops@[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_what_is_shown_of_it_has_no_account(proxy: str, place: str) -> None:
    """Scheme, host and port."""
    assert proxy_place(make(proxy=proxy).proxy) == place


@pytest.mark.parametrize(
    ("proxy", "rule"),
    [
        ("proxy:3128", "must be an http or https URL with a host"),
        ("socks5://canary:3128", "must be an http or https URL with a host"),
        ("http://", "must be an http or https URL with a host"),
        ("http://canary:port", "must be an http or https URL with a host"),
        ("http://canary:0", "must be an http or https URL with a host"),
        ("http://canary:99999", "must be an http or https URL with a host"),
        ("http://can ary:3128", "must be an http or https URL with a host"),
        ("http://canary\n:3128", "must be an http or https URL with a host"),
        ("http://[canary:3128", "must be an http or https URL with a host"),
        ("http://canary:3128/pac", "must not have a path"),
        ("http://canary:3128?x=1", "must not have a path"),
        ("http://canary:3128#x", "must not have a path"),
        ("http://ops:c%C3%A4nary@proxy:3128", "must have an account of visible ASCII"),
        ("http://ops:canary%0A@proxy:3128", "must have an account of visible ASCII"),
        ("http://:canary@proxy:3128", "must name the user of its password"),
    ],
)
def test_what_no_proxy_can_be_is_refused_and_not_quoted(proxy: str, rule: str) -> None:
    """The message names the variable and the rule; the value may hold a password."""
    found = problems_of({**ENOUGH, "BKAPP_ITSM_PROXY": proxy})

    assert list(found) == ["BKAPP_ITSM_PROXY"]
    assert found["BKAPP_ITSM_PROXY"].startswith(rule)
    assert "canary" not in found["BKAPP_ITSM_PROXY"]


def test_an_argument_of_another_kind_is_refused() -> None:
    """Like each other setting."""
    assert "must be a string or a SecretURL" in "".join(problems_of(ENOUGH, proxy=3128).values())


@pytest.mark.parametrize(
    ("gateway", "proxy", "more", "is_refused"),
    [
        ("http://127.0.0.1:8000/", "http://proxy.example.com:3128", {}, True),
        ("HTTP://localhost/", "https://proxy.example.com", {}, True),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:3128", {}, False),
        ("http://itsm.example.com/", "http://proxy.example.com:3128", {"BKAPP_ITSM_ALLOW_HTTP": "true"}, False),
        ("https://itsm.example.com/", "http://proxy.example.com:3128", {}, False),
    ],
)
def test_a_proxy_elsewhere_gets_nothing_in_plain_text(
    gateway: str, proxy: str, more: dict[str, str], *, is_refused: bool
) -> None:
    """Plain http reaches only this machine, also by way of a proxy."""
    environ = {**ENOUGH, "BKAPP_ITSM_GATEWAY_URL": gateway, "BKAPP_ITSM_PROXY": proxy, **more}

    if is_refused:
        assert "must be on this machine" in problems_of(environ)["BKAPP_ITSM_PROXY"]
    else:
        assert Settings.from_env(environ).proxy


def test_its_password_shows_nowhere() -> None:
    """Neither as it is written nor as it travels."""
    settings = make(proxy=WITH_ACCOUNT)

    assert PASSWORD not in f"{settings!r}{settings}{settings.proxy}{settings.proxy!r}"
    assert {secret.reveal() for secret in proxy_secrets(settings.proxy)} == {
        WITH_ACCOUNT,
        PASSWORD,
        "b3BzOmNhbmFyeS1wYXNz",
    }
    assert list(proxy_secrets(make(proxy="http://proxy:3128").proxy)) == []
    assert list(proxy_secrets(make().proxy)) == []
