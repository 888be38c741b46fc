"""The page of the API client names every option that there is, and none that there is not."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import attrs
import pytest

from itsm_workflow.bkapi import prepare
from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.endpoint import Endpoint, PaginationStyle
from itsm_workflow.bkapi.response import DataResponse
from itsm_workflow.bkapi.retry import RetryPolicy

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "api-client.md").read_text(encoding="utf-8")
CLASSES: tuple[type, ...] = (Endpoint, RetryPolicy, RequestContext, DataResponse)
KNOWN = {each.__name__: each for each in (*CLASSES, PaginationStyle, ApiClient)}

# What the log platform's framework has, by the names in its source.
OPTIONS = [
    "method",
    "url",
    "url_keys",
    "module",
    "description",
    "default_return_value",
    "before_request",
    "after_request",
    "after_serializer",
    "max_response_record",
    "max_query_params_record",
    "method_override",
    "header_keys",
    "cache_time",
    "default_timeout",
    "data_api_retry_cls",
    "use_superuser",
    "no_query_params",
    "pagination_style",
    "bk_tenant_id",
]
OF_A_CALL = [
    "params",
    "files",
    "raw",
    "timeout",
    "raise_exception",
    "request_cookies",
    "data_api_retry_cls",
    "bk_tenant_id",
]
OF_A_RETRY = [
    "stop_max_attempt_number",
    "wait_random_min",
    "wait_random_max",
    "add_exceptions",
    "add_fail_check_functions",
]
OF_A_RESPONSE = ["is_success()", "message", "code", "data", "errors"]
OF_MANY = ["batch_request", "bulk_request", "chunk_key", "chunk_values", "chunk_size", "get_data", "get_count", "limit"]
HOOKS = ["add_esb_info_before_request", "add_app_info_before_request"]
ON_THE_WIRE = [
    "X-Bkapi-Authorization",
    "X-Bk-App-Code",
    "X-Bk-App-Secret",
    "X-Bk-Tenant-Id",
    "X-Request-Id",
    "X-DATA-REQUEST-ID",
    "blueking-language",
    "X-HTTP-Method-Override",
    "bklog_request_id",
    "bk_username",
    "operator",
    "uin",
    "appenv",
    "blueking_language",
    "auth_info",
    "app_code",
    "bk_app_code",
    "request_cookies",
    "DRFActionAPI",
    "DataDRFAPISet",
]


def rows(heading: str) -> list[tuple[list[str], list[str]]]:
    """Return the names in the first two columns of each row below a heading."""
    section = PAGE.split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if re.match(r"\| [^-]", line)]
    return [(re.findall(r"`([^`]+)`", theirs), re.findall(r"`([^`]+)`", ours)) for theirs, ours, *_ in cells]


def ours() -> list[str]:
    """Return every name in a column "ours" of the page."""
    headings = re.findall(r"^### (.*)$", PAGE, flags=re.MULTILINE)
    return [name for heading in headings for _, names in rows(heading) for name in names]


def exists(name: str) -> bool:
    """Return whether it is a field, a member, a parameter or a hook."""
    found = re.fullmatch(r"(?:(\w+)\.)?(\w+)(?:\((\w+)\))?", name)
    if found is None:
        return False
    owner, attribute, parameter = found.groups()
    if owner is None:
        return hasattr(prepare, attribute)
    kind = KNOWN.get(owner)
    if kind is None:
        return False
    if parameter:
        return parameter in inspect.signature(getattr(kind, attribute)).parameters
    fields = attrs.fields_dict(kind) if attrs.has(kind) else {}
    return attribute in fields or hasattr(kind, attribute)


def test_there_are_rows_to_compare() -> None:
    """The tables are found: each of the framework's options has something beside it, or is dropped."""
    assert len(ours()) >= len([*OPTIONS, *OF_A_CALL, *OF_A_RETRY, *OF_A_RESPONSE, *OF_MANY])
    assert [theirs for theirs, names in rows("What one call may say") if theirs and not names] == [["request_cookies"]]


@pytest.mark.parametrize("name", sorted(set(ours())))
def test_what_the_page_calls_ours_exists(name: str) -> None:
    """A reader finds it in the code by that name."""
    assert exists(name)


@pytest.mark.parametrize("name", ["Endpoint.request_cookies", "ApiClient.call(cookies)", "fill_all", "Nothing.name"])
def test_what_does_not_exist_is_noticed(name: str) -> None:
    """The comparison can fail."""
    assert not exists(name)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_field_is_on_the_page(kind: type) -> None:
    """An option that nobody can read about is none."""
    fields = [f"{kind.__name__}.{field.name}" for field in attrs.fields(kind)]

    assert [name for name in fields if name not in ours()] == []


@pytest.mark.parametrize("method", ["call", "batch_request", "bulk_request"])
def test_every_parameter_is_on_the_page(method: str) -> None:
    """Those that a batch passes on to each call, and those that say what to call, stand with the call."""
    with_the_call = {"self", "client", "endpoint", "params"}
    with_the_call = {"self"} if method == "call" else {*with_the_call, "max_pages", "size_key"}
    names = [name for name in inspect.signature(getattr(ApiClient, method)).parameters if name not in with_the_call]

    assert [name for name in names if f"ApiClient.{method}({name})" not in ours()] == []


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Options of an endpoint", OPTIONS),
        ("Retrying", OF_A_RETRY),
        ("What one call may say", OF_A_CALL),
        ("What comes back", OF_A_RESPONSE),
        ("Many calls", OF_MANY),
    ],
)
def test_each_of_the_framework_s_options_has_one_row(heading: str, names: list[str]) -> None:
    """Whoever comes from there finds each by its old name, once."""
    listed = [name for theirs, _ in rows(heading) for name in theirs]

    assert [name for name in names if listed.count(name) != 1] == []


@pytest.mark.parametrize("name", [*HOOKS, *ON_THE_WIRE])
def test_hooks_headers_fields_and_what_is_dropped_are_named(name: str) -> None:
    """Each by the name that it has on the wire, or had in the framework."""
    assert f"`{name}`" in PAGE
