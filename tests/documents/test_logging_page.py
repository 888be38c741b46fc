"""The page about logging lists every line that the code writes, and every field of a record."""

from __future__ import annotations

import ast
import datetime as dt
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.call_log import CallLog
from itsm_workflow.bkapi.retry import Pace, RetryPolicy, send_patiently
from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.runtime.observers import Observers
from itsm_workflow.runtime.permissions import Act, Permissions
from tests.support import examples as x
from tests.support.calls import endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reference" / "logging.md").read_text(encoding="utf-8")
METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
LEVELS = {"exception": "ERROR", "log": "INFO, WARNING"}
OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""The attributes of every record."""

Line = tuple[str, str, str]


def listed() -> list[Line]:
    """Return logger, level and line of each row of the page; a value is shown as three dots."""
    rows = re.findall(r"^\| `(itsm_\w[\w.]*)` \| ([A-Z, ]+) \| (`+) ?(.*?) ?\3 \|", TEXT, flags=re.MULTILINE)
    return [(name, level, _dotted(re.sub(r"[A-Z]{2,}", "…", line))) for name, level, _, line in rows]


def _dotted(line: str) -> str:
    return re.sub("…+", "…", line)


def logging_calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield the method and the call of each use of a logger in a module's source."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS):
            continue
        if ast.unparse(node.func.value).rpartition(".")[2] in {"logger", "_logger"}:
            yield node.func.attr, node


def written(source: str) -> Iterator[tuple[str, str]]:
    """Yield level and line of each call of a logger in a module's source."""
    for method, call in logging_calls(source):
        template = call.args[method == "log"]
        assert isinstance(template, ast.Constant), f"line {call.lineno}: the line cannot be compared with the page"
        line = re.sub(r"%(?:\.\d)?[srdgf]", "…", str(template.value))
        yield LEVELS.get(method, method.upper()), _dotted(line)


def names(source: str) -> set[str]:
    """Return the names of the loggers that a module gets, or that the module from which it imports its logger gets."""
    shared = re.search(r"^from (itsm_workflow[\w.]*) import .*\blogger\b", source, flags=re.MULTILINE)
    if shared is not None:
        source = (ROOT / "src" / shared[1].replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    return set(re.findall(r'getLogger\("([\w.]+)"\)', source))


def modules() -> Iterator[tuple[Path, str]]:
    """Yield every module that is shipped and has a logger, with its source."""
    for room in ("src", "storage_backends"):
        for path in sorted((ROOT / room).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if "logger" in source or "getLogger" in source:
                yield path, source


def test_the_page_lists_the_lines_that_the_code_writes() -> None:
    """Each by its logger and its level, and no others."""
    found: set[Line] = set()
    for _, source in modules():
        if lines := list(written(source)):
            [own] = names(source)
            found |= {(own, level, line) for level, line in lines}
    assert sorted(listed()) == sorted(found)


def test_a_line_that_is_not_on_the_page_is_noticed() -> None:
    """The comparison can fail."""
    source = 'logger = logging.getLogger("itsm_workflow")\nlogger.info("%s began in %.3f s", a, b)\n'
    assert [*written(source)] == [("INFO", "… began in … s")]
    assert "… began in … s" not in {line for _, _, line in listed()}


def test_a_logger_has_no_name_of_a_private_module() -> None:
    """Such a module may be renamed, and a host's configuration names the logger."""
    assert [path for path, source in modules() if "getLogger(__name__)" in source] == []


def fields(heading: str) -> set[str]:
    """Return the fields that a section of the page lists."""
    section = TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"`((?:itsm|bk)_\w+)`", section))


def entry() -> None:
    """Log an entry."""
    Observers().on_entry(*x.opened())


def error() -> None:
    """Log an error."""
    Observers().on_trouble(x.ID, StorageUnavailable("the disk is full"))


def refused_act() -> None:
    """Log a refused act."""
    Permissions(lambda *_: False).refusal("alice", Act("withdraw", "collector-42"), None)


def call() -> None:
    """Log a call."""
    CallLog(endpoint=endpoint(), request_id="ours-1").write(0.1, slow=5.0, observers=())


def retry() -> None:
    """Log a retry."""
    answers = iter(
        [
            HttpResponse(status=503, headers={}, body=b"", elapsed=0.1),
            HttpResponse(status=200, headers={}, body=b"", elapsed=0.1),
        ]
    )
    pace = Pace(monotonic=lambda: 0.0, now=lambda: dt.datetime.now(dt.UTC), sleep=lambda _: None, draw=lambda _: 0.0)
    send_patiently(lambda _: next(answers), policy=RetryPolicy(attempts=2), seconds=9, pace=pace, call="get_services")


RECORDS: dict[str, tuple[Callable[[], None], str]] = {
    "An entry": (entry, "itsm_workflow"),
    "An error": (error, "itsm_workflow"),
    "A refused act": (refused_act, "itsm_workflow.permissions"),
    "A call": (call, "itsm_workflow.gateway"),
    "A retry": (retry, "itsm_workflow.gateway.retry"),
}


@pytest.mark.parametrize("heading", RECORDS)
def test_the_page_lists_the_fields_of_a_record(heading: str, caplog: pytest.LogCaptureFixture) -> None:
    """All of them, and no others."""
    act, name = RECORDS[heading]
    caplog.set_level(logging.INFO)
    act()

    [record] = caplog.records
    assert record.name == name
    assert set(vars(record)) - OWN == fields(heading)


@pytest.mark.parametrize("heading", [heading for heading in RECORDS if heading != "An error"])
def test_a_field_is_a_plain_value(heading: str, caplog: pytest.LogCaptureFixture) -> None:
    """So that a formatter can write it as JSON; of an error, the code and the text are plain."""
    caplog.set_level(logging.INFO)
    RECORDS[heading][0]()
    values: list[Any] = [vars(caplog.records[0])[name] for name in fields(heading)]
    assert all(value is None or isinstance(value, str | int | float) for value in values)


def test_only_these_records_have_fields() -> None:
    """A call of a logger with fields that the page does not list is found by its ``extra``."""
    with_fields = [
        path.name
        for path, source in modules()
        for _, call in logging_calls(source)
        if any(keyword.arg == "extra" for keyword in call.keywords)
    ]
    assert sorted(with_fields) == ["call_log.py", *["observers.py"] * 3, "permissions.py", "retry.py"]
