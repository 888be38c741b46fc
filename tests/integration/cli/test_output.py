"""How results are printed, and which exit code an error has."""

from __future__ import annotations

import json

import pytest

from itsm_workflow.cli.app import group
from itsm_workflow.cli.exits import exit_of
from itsm_workflow.cli.operations import COMMANDS, commands_of
from itsm_workflow.cli.output import as_json, clean, facts, table
from itsm_workflow.errors import (
    GatewayTimeout,
    ItsmWorkflowError,
    ServiceNotFound,
    SettingsError,
    StorageConflict,
    StorageError,
    StorageSchemaError,
    StorageUnavailable,
)
from itsm_workflow.runtime.operations import METHODS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("接入 nginx", "接入 nginx"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("csi\x9b1m", "csi\\x9b1m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_nothing_in_a_text_steers_a_terminal(text: str, expected: str) -> None:
    """Controls, line breaks and changes of direction show as escapes."""
    assert clean(text) == expected


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), "\x7f", "\x9b", *"\u061c\u200e\u2028\u202e\u2069\ud800"])
def test_nothing_that_is_printed_steers_a_terminal(capsys: pytest.CaptureFixture[str], character: str) -> None:
    """Whatever was stored before it was refused: for people as a literal, for programs as JSON that reads the same."""
    as_json({"reason": f"a{character}b"})
    printed = capsys.readouterr().out

    assert json.loads(printed) == {"reason": f"a{character}b"}
    assert printed.replace("\n", "").isprintable()
    assert printed.count("\n") == 3
    assert clean(f"a{character}b").isprintable()


def test_columns_are_as_wide_as_their_widest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    """A wide character counts twice, and no line ends in blanks."""
    table(("a", "b"), [("采集", "x"), ("abcde", "")])
    assert capsys.readouterr().out.splitlines() == ["a      b", "采集   x", "abcde"]


def test_a_text_is_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets and colons of a title, a field's name or a state's name stay as they were written."""
    table(("[b]", "c"), [("[red]x[/red]", ":smile:")])
    facts([("[b]", "[red]x[/red] :smile:")])
    assert capsys.readouterr().out.splitlines() == [
        "[b]           c",
        "[red]x[/red]  :smile:",
        "[b]  [red]x[/red] :smile:",
    ]


def test_a_row_is_one_line_where_no_person_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """However long it is, so that `grep` and `cut` find it whole."""
    table(("id", "title"), [("x", "采集 " * 500)])
    facts([("content", "y " * 500)])
    assert [len(line) for line in capsys.readouterr().out.splitlines()] == [9, 4 + 1499, 9 + 999]


def test_facts_leave_out_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    """Names align, and a value of several lines is indented under its name."""
    facts([("id", 7), ("none", None), ("empty", ""), ("content", "one\ntwo")])
    assert capsys.readouterr().out.splitlines() == ["id       7", "content  one", "         two"]


def test_json_is_safe_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    """It says the same, without a byte that a terminal obeys."""
    as_json({"title": "接入\x9b1m\x7f"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"title": "接入\x9b1m\x7f"}
    assert "接入\\u009b1m\\u007f" in out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ItsmWorkflowError("x"), 1),
        (StorageConflict(change_id="x", kind="version"), 1),
        (SettingsError("x"), 2),
        (StorageError("a URL that is none"), 2),
        (GatewayTimeout("x", endpoint="e"), 3),
        (ServiceNotFound("x"), 3),
        (StorageUnavailable("x"), 4),
        (StorageSchemaError("x"), 4),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: ItsmWorkflowError, code: int) -> None:
    """A script can distinguish them."""
    assert exit_of(error) == code


def test_each_operation_that_has_a_command_is_shown_by_it() -> None:
    """The commands exist, and each one that decides on one change is among them."""
    assert set(COMMANDS) <= {*METHODS.values(), "fire(raise_attention)"}
    assert set(COMMANDS.values()) <= set(group.commands)
    deciding = {name.replace("_", "-") for name in METHODS.values()} & set(group.commands)
    assert deciding | {"apply", "raise-attention"} == set(COMMANDS.values())
    assert commands_of(["revise", "submit", "record_ticket", "fire(raise_attention)", "fire(deploy)"]) == [
        "apply",
        "record-ticket",
        "raise-attention",
    ]
