"""What the settings read, refuse and never show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from itsm_workflow.errors import SettingsError
from itsm_workflow.secrets import Secret
from itsm_workflow.settings import VARIABLES, Settings
from itsm_workflow.settings.model import unknown_variables
from itsm_workflow.settings.rules import is_loopback

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"
APP_SECRET = "canary-app-secret-0123456789"
ENOUGH = {
    "BKAPP_ITSM_APP_CODE": "bk_flow",
    "BKAPP_ITSM_APP_SECRET": APP_SECRET,
    "BKAPP_ITSM_GATEWAY_URL": "https://bkapi.example.com/api/c/compapi/v2/itsm",
}


def make(**given: object) -> Settings:
    """Return settings that are complete, with some fields given."""
    return Settings.from_env(ENOUGH, **given)


def problems_of(environ: dict[str, str], **given: object) -> dict[str, str]:
    """Return what the settings refuse, by variable."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(environ, **given)
    return dict(problems_in(caught.value))


def problems_in(error: SettingsError) -> list[tuple[str, str]]:
    """Return what an error lists."""
    return list(error.problems)  # type: ignore[attr-defined] # a fact of this error


def shown(field: str) -> str:
    """Return how an error names a field that no variable set."""
    first, *others = VARIABLES[field]
    return first + (f" (or {', '.join(others)})" if others else "")


class TestReading:
    """Where each value comes from."""

    def test_three_variables_are_enough(self) -> None:
        """Code, secret and gateway have no default; everything else has one."""
        settings = make()

        assert ("bk_flow", Secret(APP_SECRET)) == (settings.app_code, settings.app_secret)
        assert settings.timeout == (3.05, 10.0)
        assert settings.deadline == 20.0
        assert str(settings.store) == "sqlite:///itsm-workflow.db"
        assert settings.key_in_title

    def test_the_root_ends_with_a_slash(self) -> None:
        """Endpoints' paths are appended as they are."""
        assert make().gateway_url == "https://bkapi.example.com/api/c/compapi/v2/itsm/"

    @pytest.mark.parametrize("field", [name for name, names in VARIABLES.items() if len(names) > 1])
    def test_the_first_variable_of_a_chain_wins(self, field: str) -> None:
        """Ours beats the platform's, for every field that has both."""
        values = {"app_code": "a", "service_id": "7", "timeout": "5", "gateway_url": "https://a.example.com"}
        names = VARIABLES[field]

        settings = Settings.from_env({**ENOUGH, **{name: values.get(field, "x" * 40) for name in names}})

        assert settings.sources[field] == names[0]

    @pytest.mark.parametrize("name", ["BK_APP_CODE", "BKPAAS_APP_ID", "APP_CODE"])
    def test_the_platform_may_name_the_application(self, name: str) -> None:
        """Each alias is read when ours is not set."""
        environ = {key: value for key, value in ENOUGH.items() if key != "BKAPP_ITSM_APP_CODE"}

        settings = Settings.from_env({**environ, name: "platform"})

        assert ("platform", name) == (settings.app_code, settings.sources["app_code"])

    def test_the_framework_key_is_no_app_secret(self) -> None:
        """SECRET_KEY is never sent to a gateway."""
        environ = {key: value for key, value in ENOUGH.items() if key != "BKAPP_ITSM_APP_SECRET"}

        assert any("APP_SECRET" in name for name in problems_of({**environ, "SECRET_KEY": "django"}))

    @pytest.mark.parametrize(
        ("name", "value", "root"),
        [
            ("ITSM_APIGATEWAY_ROOT_V2", "https://a.example.com/v2/itsm/", "https://a.example.com/v2/itsm/"),
            ("BK_COMPONENT_API_URL", "https://a.example.com", "https://a.example.com/api/c/compapi/v2/itsm/"),
            ("BK_API_URL_TMPL", "https://{api_name}.example.com", "https://bk-itsm.example.com/prod/v2/itsm/"),
            ("BK_API_URL_TMPL", "https://e.com/api/{gateway_name}/", "https://e.com/api/bk-itsm/prod/v2/itsm/"),
        ],
    )
    def test_the_gateway_root_from_what_the_platform_says(self, name: str, value: str, root: str) -> None:
        """Each way the platform names its gateways becomes the root of ITSM's endpoints."""
        environ = {key: text for key, text in ENOUGH.items() if key != "BKAPP_ITSM_GATEWAY_URL"}

        assert Settings.from_env({**environ, name: value}).gateway_url == root

    @pytest.mark.parametrize(("text", "pair"), [("7", (7.0, 7.0)), ("1.5, 30", (1.5, 30.0))])
    def test_one_number_or_two_for_the_timeout(self, text: str, pair: tuple[float, float]) -> None:
        """One number is both connect and read."""
        assert Settings.from_env({**ENOUGH, "BKAPP_ITSM_TIMEOUT": text}).timeout == pair

    def test_an_argument_beats_a_variable(self) -> None:
        """And the sources say so."""
        settings = make(app_code="argued")

        assert (settings.app_code, settings.sources["app_code"]) == ("argued", "argument")
        assert settings.sources["store"] == "default"

    def test_an_empty_variable_is_not_set(self) -> None:
        """Deployment templates leave variables empty; the next of the chain is read."""
        settings = Settings.from_env({**ENOUGH, "BKAPP_ITSM_APP_CODE": " ", "APP_CODE": "next"})

        assert settings.app_code == "next"

    @pytest.mark.parametrize(
        ("present", "read"),
        [
            (("BK_COMPONENT_API_URL", "BK_API_URL_TMPL"), "BK_API_URL_TMPL"),
            (("BK_COMPONENT_API_URL", "BK_API_URL_TMPL", "ITSM_APIGATEWAY_ROOT_V2"), "ITSM_APIGATEWAY_ROOT_V2"),
        ],
    )
    def test_the_api_gateway_comes_before_the_esb(self, present: tuple[str, ...], read: str) -> None:
        """A platform that names both has the newer one; what the host itself names beats either."""
        environ = {key: text for key, text in ENOUGH.items() if key != "BKAPP_ITSM_GATEWAY_URL"}

        settings = Settings.from_env({**environ, **dict.fromkeys(present, "https://e.com")})

        assert settings.sources["gateway_url"] == read

    @pytest.mark.parametrize("name", VARIABLES["service_id"])
    @pytest.mark.parametrize(("text", "number"), [("7", "7"), ("0", ""), ("00", ""), ("070", "070")])
    def test_a_service_of_0_is_none(self, name: str, text: str, number: str) -> None:
        """The log platform's default is 0; it must not be filed with, and excludes nothing."""
        settings = Settings.from_env({**ENOUGH, name: text})

        assert number == settings.service_id
        assert make(service_id=text).service_id == number
        assert make(service_id=int(text)).service_id == number.lstrip("0")
        assert make(service_id="0", fast_approval=True).fast_approval

    @pytest.mark.parametrize("field", ["fast_approval", "allow_http", "key_in_title", "four_byte_text", "collect_itsm"])
    @pytest.mark.parametrize(
        ("text", "value"),
        [("on", True), ("TRUE", True), ("yes", True), ("1", True), ("off", False), ("no", False), ("0", False)],
    )
    def test_a_switch_has_several_words(self, field: str, text: str, value: bool) -> None:  # noqa: FBT001 - a case
        """The log platform says on and off, other hosts true and false or 1 and 0."""
        assert value is getattr(Settings.from_env({**ENOUGH, VARIABLES[field][0]: text}), field)

    @pytest.mark.parametrize(
        ("field", "text", "value"),
        [
            ("routes", "esb", "esb"),
            ("routes", "component", "component"),
            ("component_version", "v3", "v3"),
            ("component_version", "none", ""),
            ("service_role", "LOG_SEARCH", "LOG_SEARCH"),
            ("callback_credential", "path", "path"),
            ("callback_host", "https://me.example.com/", "https://me.example.com"),
            ("ticket_hosts", "itsm.example.com, ::1", ("itsm.example.com", "::1")),
            ("deadline", "7.5", 7.5),
            ("breaker_failures", "0", 0),
            ("breaker_rest", "2.5", 2.5),
        ],
    )
    def test_a_text_becomes_a_value(self, field: str, text: str, value: object) -> None:
        """Each field by its own variable, and the sources say so."""
        settings = Settings.from_env({**ENOUGH, VARIABLES[field][0]: text})

        assert (value, VARIABLES[field][0]) == (getattr(settings, field), settings.sources[field])

    def test_every_value_has_a_source(self) -> None:
        """One for each field: a variable, the default or an argument."""
        sources = make(store="memory://").sources

        assert set(sources) == {field.name for field in attrs.fields(Settings)} - {"sources"} == set(VARIABLES)
        assert {"default", "argument", *ENOUGH} == set(sources.values())

    @pytest.mark.parametrize("name", ["BK_ITSM4_SYSTEM_TOKEN", "BK_ITSM4_API_TIMEOUT"])
    def test_a_variable_of_the_next_generation_is_refused(self, name: str) -> None:
        """At once, in one sentence with what to do; who says the version means this generation all the same."""
        with pytest.raises(SettingsError, match=f"{name} is for BK-ITSM 4, .* or set BKAPP_ITSM_VERSION=v2"):
            Settings.from_env({**ENOUGH, name: "t"})

        assert Settings.from_env({**ENOUGH, name: "t", "BKAPP_ITSM_VERSION": "v2"}).version == "v2"
        assert Settings.from_env({**ENOUGH, name: " "}).version == "v2"

    @pytest.mark.parametrize("version", ["v4", "v3", "2", ""])
    def test_another_generation_is_refused(self, version: str) -> None:
        """Also as an argument."""
        with pytest.raises(SettingsError, match="BKAPP_ITSM_VERSION must be v2"):
            make(version=version)

    def test_callback_keys_come_newest_first(self) -> None:
        """In the order written, each a secret."""
        new, old = "n" * 32, "o" * 32

        keys = Settings.from_env({**ENOUGH, "BKAPP_ITSM_CALLBACK_KEYS": f"{new}, {old}"}).callback_keys

        assert (Secret(new), Secret(old)) == keys


class TestRefusing:
    """What cannot be right is told by the name that sets it."""

    def test_everything_that_is_wrong_is_told_at_once(self) -> None:
        """One run of a deployment finds all of it."""
        found = problems_of(
            {
                "BKAPP_ITSM_TIMEOUT": "soon",
                "BKAPP_ITSM_GATEWAY_URL": "http://itsm.example.com/",
                "BKAPP_ITSM_CALLBACK_KEYS": "short",
                "BKAPP_ITSM_KEY_PREFIX": "too-long",
                "BKAPP_ITSM_VERSION": "v3",
                "BKAPP_ITSM_ALLOW_HTTP": "perhaps",
                "BKAPP_ITSM_SERVICE_ID": "five",
                "BKAPP_ITSM_CA_BUNDLE": "/nowhere/ca.pem",
            }
        )

        assert {
            "BKAPP_ITSM_TIMEOUT",
            "BKAPP_ITSM_GATEWAY_URL",
            "BKAPP_ITSM_CALLBACK_KEYS",
            "BKAPP_ITSM_KEY_PREFIX",
            "BKAPP_ITSM_VERSION",
            "BKAPP_ITSM_ALLOW_HTTP",
            "BKAPP_ITSM_SERVICE_ID",
            "BKAPP_ITSM_CA_BUNDLE",
            "BKAPP_ITSM_APP_CODE (or BK_APP_CODE, BKPAAS_APP_ID, APP_CODE)",
            "BKAPP_ITSM_APP_SECRET (or BK_APP_SECRET, BKPAAS_APP_SECRET)",
        } == set(found)

    def test_the_variable_that_was_read_is_named(self) -> None:
        """Not the first of the chain: the one to mend."""
        environ = {key: text for key, text in ENOUGH.items() if key != "BKAPP_ITSM_GATEWAY_URL"}

        assert list(problems_of({**environ, "ITSM_APIGATEWAY_ROOT_V2": "ftp://x"})) == ["ITSM_APIGATEWAY_ROOT_V2"]

    @pytest.mark.parametrize(
        "url",
        [
            "http://itsm.example.com/",
            "https://user:pw@itsm.example.com/",
            "https://itsm.example.com/?a=1",
            "https://itsm.example.com/#a",
            "https:///v2/itsm/",
            "file:///etc/passwd",
            "https://itsm.example.com:port/",
            "https://itsm.example.com/{api_name}/",
            "https://itsm example.com/",
        ],
    )
    @pytest.mark.parametrize("name", ["BKAPP_ITSM_GATEWAY_URL", "BKAPP_ITSM_CALLBACK_HOST"])
    def test_an_address_that_cannot_be_right(self, name: str, url: str) -> None:
        """Plain text, credentials, queries and other schemes are refused for the gateway and the callback alike."""
        assert list(problems_of({**ENOUGH, name: url})) == [name]

    @pytest.mark.parametrize("host", ["127.0.0.1:8901", "localhost", "[::1]:80", "127.9.9.9"])
    def test_plain_http_reaches_this_machine(self, host: str) -> None:
        """A stand-in on loopback needs no certificate."""
        assert make(gateway_url=f"http://{host}/v2/itsm/").gateway_url == f"http://{host}/v2/itsm/"

    def test_plain_http_elsewhere_by_a_setting_alone(self) -> None:
        """It has to be asked for."""
        url = "http://itsm.example.com/"

        assert make(gateway_url=url, allow_http=True).gateway_url == url

    def test_a_callback_key_is_not_derived_from_the_app_secret(self) -> None:
        """Whoever holds the one must not hold the other."""
        found = problems_of({**ENOUGH, "BKAPP_ITSM_CALLBACK_KEYS": f"{APP_SECRET}-and-something-behind"})

        assert list(found) == ["BKAPP_ITSM_CALLBACK_KEYS"]

    def test_a_secret_given_as_text_is_refused(self) -> None:
        """It would show itself in the settings' repr."""
        with pytest.raises(SettingsError, match="must be a Secret"):
            Settings(app_code="a", app_secret=APP_SECRET, gateway_url="https://e.com")  # type: ignore[arg-type] # the case

    def test_a_service_and_fast_approval_exclude_each_other(self) -> None:
        """Which one would be used would be a guess."""
        assert list(problems_of({**ENOUGH, "BKAPP_ITSM_FAST_APPROVAL": "on", "BKAPP_ITSM_SERVICE_ID": "5"})) == [
            "BKAPP_ITSM_FAST_APPROVAL"
        ]

    @pytest.mark.parametrize(
        "seconds", ["0", "-1", "nan", "inf", "1,2,3", "0,5", "5,", ",", "soon", "1_0", "5,1_0", "\uff15"]
    )
    def test_times_are_above_zero_and_end(self, seconds: str) -> None:
        """The rule says the whole form, whichever part of it is broken."""
        assert problems_of({**ENOUGH, "BKAPP_ITSM_TIMEOUT": seconds}) == {
            "BKAPP_ITSM_TIMEOUT": "must be a number of seconds above 0 and at most 86400, or two of them: connect,read"
        }

    @pytest.mark.parametrize(
        ("name", "rule"),
        [
            ("DEADLINE", "must be a number of seconds above 0 and at most 86400"),
            ("BREAKER_REST", "must be a number of seconds above 0 and at most 86400"),
            ("BREAKER_FAILURES", "must be a whole number of calls from 1 to 1000000, or 0 for never"),
            ("SERVICE_ID", "must be a whole number of at most 18 digits"),
        ],
    )
    @pytest.mark.parametrize("text", ["many", "-1", "nan", "9" * 20, "1_0", "\uff15"])
    def test_the_rule_of_a_number_is_the_same_for_each_text(self, name: str, rule: str, text: str) -> None:
        """It says all that a valid number has."""
        assert problems_of({**ENOUGH, f"BKAPP_ITSM_{name}": text}) == {f"BKAPP_ITSM_{name}": rule}

    @pytest.mark.parametrize("name", ["BKAPP_ITSM_DEADLINE", "BKAPP_ITSM_APP_SECRET", "BKAPP_ITSM_VERSION"])
    @pytest.mark.parametrize(("value", "kind"), [(5, "an int"), (None, "None"), (b"canary", "a bytes")])
    def test_a_variable_that_is_not_text(self, name: str, value: Any, kind: str) -> None:  # noqa: ANN401 - wrong on purpose
        """A mapping of a host's own may hold anything; the value is not shown, since it may be a secret."""
        assert problems_of({**ENOUGH, name: value}) == {name: f"must be text, as environment variables are, not {kind}"}

    @pytest.mark.parametrize("environ", ["abc", 5, [("BKAPP_ITSM_DEADLINE", "5")]])
    def test_variables_that_are_not_a_mapping(self, environ: Any) -> None:  # noqa: ANN401 - wrong on purpose
        """The error says what to pass."""
        with pytest.raises(TypeError, match=r"must be a mapping of names to text, as os\.environ is, not an? "):
            Settings.from_env(environ)

    def test_a_name_that_is_not_text_is_not_one_of_the_librarys_variables(self) -> None:
        """As any other name."""
        names: Any = {5: "x", b"BK_ITSM4_URL": b"x"}
        assert Settings.from_env({**ENOUGH, **names}) == Settings.from_env(ENOUGH)

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("BKAPP_ITSM_TIMEOUT", "86400.5"),
            ("BKAPP_ITSM_TIMEOUT", "1e300,1"),
            ("BKAPP_ITSM_DEADLINE", "1e300"),
            ("BKAPP_ITSM_BREAKER_REST", "1e300"),
            ("BKAPP_ITSM_BREAKER_FAILURES", "1000001"),
            ("BKAPP_ITSM_BREAKER_FAILURES", "9" * 30),
            ("BKAPP_ITSM_SERVICE_ID", "9" * 19),
        ],
    )
    def test_every_number_has_an_upper_bound(self, variable: str, value: str) -> None:
        """One without an end overflows later, far from the variable that it came from."""
        found = problems_of({**ENOUGH, "BKAPP_ITSM_FAST_APPROVAL": "off", variable: value})
        assert list(found) == [variable]
        assert any(str(bound) in found[variable] for bound in (86_400, 1_000_000, 18))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("timeout", (1e300, 1.0)),
            ("deadline", 1e300),
            pytest.param("deadline", 10**400, id="more than a float"),
            ("breaker_rest", 1e300),
            ("breaker_failures", 10**30),
            pytest.param("service_id", 10**5000, id="more digits than Python writes"),
            ("service_id", -5),
        ],
    )
    def test_every_number_that_is_an_argument_has_an_upper_bound(self, field: str, value: object) -> None:
        """The constructor names the variable too."""
        with pytest.raises(SettingsError, match=f"^the settings were refused: BKAPP_ITSM_{field.upper()} "):
            Settings(app_code="a", app_secret=Secret("s"), gateway_url="https://e.com", **{field: value})  # type: ignore[arg-type] # the case

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("routes", "v4"),
            ("component_version", "2"),
            ("component_version", "v2/../v3"),
            ("service_role", "日志"),
            ("callback_credential", "query"),
            ("collect_itsm", "maybe"),
            ("ticket_hosts", "https://itsm.example.com"),
            ("ticket_hosts", "itsm.example.com:8080"),
            ("ticket_hosts", "itsm.example.com/path"),
            ("ticket_hosts", "12:34"),
            ("ticket_hosts", "*.example.com"),
            ("ticket_hosts", "itsm.example.com,*x"),
            ("gateway_url", "https://e.com/\udcff"),
            ("service_name", "a\udcff"),
            ("deadline", "never"),
            ("breaker_failures", "-1"),
            ("breaker_failures", "1.5"),
            ("breaker_failures", "1" * 10),
            ("breaker_rest", "0"),
            ("approver_field", "a b"),
            ("content_field", "内容"),
            ("app_code", "a\nb"),
        ],
    )
    def test_a_text_that_cannot_be_right(self, field: str, value: str) -> None:
        """It is told by the variable that holds it."""
        name = VARIABLES[field][0]

        assert list(problems_of({**ENOUGH, name: value})) == [name]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("gateway_url", 5),
            ("callback_host", 5),
            ("service_id", 1.5),
            ("service_id", True),
            ("service_id", -1),
            ("version", 2),
            ("routes", ["v2"]),
            ("fast_approval", "yes"),
            ("key_in_title", 1),
            ("callback_keys", Secret("k" * 40)),
            ("callback_keys", ("k" * 40,)),
            ("ticket_hosts", "itsm.example.com"),
            ("ticket_hosts", (5,)),
            ("timeout", 0),
            ("timeout", [1.0, 2.0]),
            ("service_name", 5),
            ("environment", None),
            ("timeout", ("1", "2")),
            ("timeout", (True, True)),
            ("deadline", "20"),
            ("breaker_failures", True),
            ("breaker_failures", -1),
            ("breaker_failures", 2.0),
            ("breaker_rest", "30"),
            pytest.param("deadline", 10**400, id="more than a float"),
            ("ca_bundle", 1.5),
            ("key_prefix", None),
        ],
    )
    @pytest.mark.parametrize("reading", [True, False])
    def test_an_argument_of_the_wrong_kind(self, field: str, value: Any, reading: bool) -> None:  # noqa: ANN401, FBT001 - cases
        """Untyped callers get the same error, not one from within."""
        given: dict[str, Any] = {
            "app_code": "a",
            "app_secret": Secret("s"),
            "gateway_url": "https://e.com",
            field: value,
        }

        with pytest.raises(SettingsError) as caught:
            Settings.from_env({}, **given) if reading else Settings(**given)
        assert {name for name, _ in problems_in(caught.value)} == {shown(field)}

    def test_what_only_callbacks_need_is_asked_for_then(self) -> None:
        """A host that only polls sets no callback address."""
        settings = make()

        with pytest.raises(SettingsError, match=r"BKAPP_ITSM_CALLBACK_HOST.*BKAPP_ITSM_CALLBACK_KEYS"):
            settings.require("callback_host", "callback_keys")
        make(callback_host="https://a.example.com", callback_keys=(Secret("k" * 32),)).require(
            "callback_host", "callback_keys"
        )

    def test_what_is_asked_for_is_a_field(self) -> None:
        """A name that is misspelt is not a setting that is missing."""
        with pytest.raises(ValueError, match=r"^Settings\.require takes names of fields .*, not 'callback_hosts'$"):
            make().require("callback_hosts")


class TestPages:
    """Ticket pages live on another host than the gateway, mostly in the same domain."""

    @pytest.mark.parametrize(
        ("gateway", "host", "shown"),
        [
            ("bkapi.example.com", "itsm.example.com", True),
            ("bkapi.example.com", "ITSM.Example.COM", True),
            ("bkapi.example.com", "bkapi.example.com", True),
            ("bkapi.example.com", "example.com", True),
            ("bkapi.apigw.example.com", "paas.example.com", True),
            ("example.com", "itsm.example.com", True),
            ("bkapi.example.com.cn", "itsm.example.com.cn", True),
            ("bkapi.example.com.cn", "itsm.evil.com.cn", False),
            ("bkapi.example.co.uk", "evil.co.uk", False),
            ("example.com.cn", "evil.com.cn", False),
            ("com.cn", "evil.com.cn", False),
            ("bkapi.example.com", "itsm.example.org", False),
            ("bkapi.example.com", "example.com.evil.org", False),
            ("bkapi.example.com", "evilexample.com", False),
            ("bkapi.example.com", "itsm.example.com.", False),
            ("bkapi.example.com", "工单.example.com", False),
            ("10.0.0.1", "10.0.0.1", True),
            ("10.0.0.1", "10.0.0.2", False),
            ("10.0.0.1", "evil.0.1", False),
            ("[2001:db8::1]", "2001:db8::1", True),
            ("[2001:db8::1]", "2001:db8::2", False),
            ("bk-itsm", "bk-itsm", True),
            ("bk-itsm", "itsm.bk-itsm", False),
        ],
    )
    def test_by_default_pages_are_those_of_our_own_domains(self, gateway: str, host: str, shown: bool) -> None:  # noqa: FBT001 - a case
        """Of the registered domain, by its usual shapes; of an address or a bare name, itself alone."""
        assert make(gateway_url=f"https://{gateway}/prod/").shows_pages_of(host) is shown

    def test_the_callbacks_domain_counts_as_well(self) -> None:
        """The gateway may be reached by a name inside of a cluster."""
        settings = make(gateway_url="https://bk-itsm/", callback_host="https://logs.example.com")

        assert settings.shows_pages_of("itsm.example.com")
        assert not settings.shows_pages_of("itsm.example.org")

    def test_hosts_that_are_named_are_the_only_ones(self) -> None:
        """Unless any is allowed."""
        named = make(gateway_url="https://bkapi.example.com/", ticket_hosts=("Pages.example.org",))
        every = make(gateway_url="https://bkapi.example.com/", ticket_hosts=("*",))

        assert [named.shows_pages_of(one) for one in ("pages.example.org", "itsm.example.com")] == [True, False]
        assert [every.shows_pages_of(one) for one in ("pages.example.org", "evil.example")] == [True, True]


def test_a_misspelt_variable_is_told_with_the_nearest_one() -> None:
    """A typing error sets nothing, and says nothing by itself."""
    environ = {"BKAPP_ITSM_TIMEOUTS": "5", "BKAPP_ITSM_STORE": "x", "OTHER": "y"}

    assert unknown_variables(environ) == [("BKAPP_ITSM_TIMEOUTS", "BKAPP_ITSM_TIMEOUT")]


@pytest.mark.parametrize(
    ("host", "expected"), [("localhost", True), ("::1", True), ("localhost.evil.com", False), ("10.0.0.1", False)]
)
def test_loopback_is_told_by_name_alone(host: str, expected: bool) -> None:  # noqa: FBT001 - a case
    """Nothing is looked up, so nobody can answer for another machine."""
    assert expected == is_loopback(host)


def test_reading_settings_loads_no_http_library() -> None:
    """Start-up stays cheap, and so does the port."""
    code = "import sys, itsm_workflow.settings, itsm_workflow.gateway.protocol; print('requests' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
