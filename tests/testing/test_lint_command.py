"""`itsm-workflow lint-graph` finds what a user names, tells what is wrong with it, and exits accordingly."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.cli import main
from itsm_workflow.lint import CHECKS, Severity
from itsm_workflow.storage.registry import open_storage
from tests.support import workflows as zoo
from tests.support.limits import PATIENCE
from tests.support.linted import linted
from tests.unit.lint.test_stranded import GRANTED, keep

if TYPE_CHECKING:
    from pathlib import Path

HERE = "tests.support.workflows"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit code of the command, and what it printed."""
    code = main(["lint-graph", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code, and the JSON that was printed."""
    code, out, err = run(capsys, "--json", *arguments)
    assert err == ""
    return code, json.loads(out)


@pytest.fixture(autouse=True)
def _lint_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command use the report on the same definition that an earlier test needed."""
    monkeypatch.setattr("itsm_workflow.lint.lint", linted)


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store with a change of the deployment that was granted."""
    url = f"sqlite:///{tmp_path / 'changes.db'}"
    backend = open_storage(url)
    keep(backend, *GRANTED)
    backend.close()
    return url


@pytest.mark.long
def test_without_a_name_the_shipped_workflow_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is wrong with it, and the table is printed."""
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert out.startswith("collector_change, version 1")
    assert out.endswith("no problem was found\n")


@pytest.mark.parametrize(
    ("name", "options", "code", "severities"),
    [
        ("DEPLOYMENT", [], 0, set()),
        ("deployment", [], 0, set()),
        ("with_a_dead_end", [], 1, {Severity.ERROR}),
        ("with_guards_that_overlap", [], 1, {Severity.ERROR}),
        ("with_a_guard_that_never_holds", [], 0, {Severity.DOUBT}),
        ("with_a_guard_that_never_holds", ["--strict"], 1, {Severity.DOUBT}),
    ],
)
@pytest.mark.long
def test_the_exit_code_says_whether_something_was_found(
    capsys: pytest.CaptureFixture[str], name: str, options: list[str], code: int, severities: set[str]
) -> None:
    """1 for errors; for doubts only when that is asked for. A value is taken as well as what makes one."""
    given, printed = as_json(capsys, f"{HERE}:{name}", *options)
    assert code == given
    assert severities == {one["severity"] for one in printed["findings"]}


@pytest.mark.long
def test_the_json_has_the_keys_that_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """They stay."""
    _, printed = as_json(capsys, f"{HERE}:with_guards_that_overlap")
    assert list(printed) == ["workflow", "version", "states", "table", "findings", "exempted", "tried", "stranded"]
    assert list(printed["findings"][0]) == ["check", "severity", "state", "trigger", "message"]
    assert printed["table"]["deploy"]["granted"] == ["live", "refused"]
    assert printed["table"]["deploy"]["live"] == []
    assert printed["stranded"] is None
    assert {one["check"] for one in printed["findings"]} <= set(CHECKS)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tests.support.workflows", "is not written as module:name"),
        (f"{HERE}:nothing_of_that_name", "cannot be loaded"),
        ("no_such_module:x", "cannot be loaded"),
        (
            f"{HERE}:Stage",
            f"{HERE}:Stage is the enum Stage; expected a WorkflowDefinition, a Workflow, or a function without",
        ),
        (f"{HERE}:is_healthy", "is a function that takes arguments; expected a WorkflowDefinition, a Workflow, or a"),
        (f"{HERE}:Deployed", "is a class that takes arguments; expected a WorkflowDefinition"),
        (f"{HERE}:DUE", "is a value of type dict; expected a WorkflowDefinition"),
        ("tests.testing.test_lint_command:slips", "cannot be loaded: TypeError: its own mistake"),
        ("tests.support.exits:definition", "cannot be loaded: SystemExit: 0"),
        (f"{HERE}:roles", "returns a Roles; expected a WorkflowDefinition, a Workflow, or a function without"),
    ],
)
def test_what_names_no_definition_is_wrong_usage(capsys: pytest.CaptureFixture[str], name: str, told: str) -> None:
    """Exit code 2, and a line that says why."""
    code, out, err = run(capsys, name)
    assert (code, out) == (2, "")
    assert told in " ".join(err.split())


@pytest.mark.parametrize("name", ["Stage", "roles", "DEPLOYMNT"])
def test_what_the_module_has_is_named(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """For a value of another kind, a function that returns one, and a slip."""
    code, out, err = run(capsys, f"{HERE}:{name}")
    assert (code, out) == (2, "")
    assert "; tests.support.workflows has DEPLOYMENT" in " ".join(err.replace("│", " ").split())


def test_samples_that_exit_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """The command does not end with the exit code of the function."""
    code, out, err = run(capsys, f"{HERE}:DEPLOYMENT", "--samples", "tests.support.exits:samples")
    assert (code, out) == (2, "")
    assert "--samples tests.support.exits:samples cannot be loaded: SystemExit" in " ".join(err.split())


def test_a_workflow_whose_end_exits_does_not_end_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever calls sys.exit: the exit code says that the command has not finished."""
    monkeypatch.setattr("itsm_workflow.cli.lint_graph.loaded_definition", lambda _path: sys.exit(0))
    code, out, err = run(capsys, f"{HERE}:DEPLOYMENT")
    assert (code, out) == (1, "")
    assert "a function outside the library raised SystemExit(0), so the command did not finish" in err


def slips() -> object:
    """Fail by itself."""
    raise TypeError("its own mistake")


@pytest.mark.long
def test_stored_changes_that_fit_are_no_trouble(capsys: pytest.CaptureFixture[str], store: str) -> None:
    """Exit code 0, with an empty list."""
    code, printed = as_json(capsys, f"{HERE}:DEPLOYMENT", "--against", store)
    assert (code, printed["stranded"]) == (0, [])
    assert "no stored change would be stranded" in run(capsys, f"{HERE}:DEPLOYMENT", "--against", store)[1]


@pytest.mark.long
def test_stored_changes_that_would_be_stranded_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit code 1, with their ids and the reason, also where nothing is wrong with the table itself."""
    name, store = f"{HERE}:DEPLOYMENT", f"sqlite:///{tmp_path / 'newer.db'}"
    backend = open_storage(store)
    keep(backend, *GRANTED, definition=zoo.deployment(version=2))
    backend.close()
    code, printed = as_json(capsys, name, "--against", store)
    assert (code, printed["findings"]) == (1, [])
    assert list(printed["stranded"][0]) == ["id", "subject", "state", "reason"]
    assert [one["id"] for one in printed["stranded"]] == ["D1"]
    _, out, _ = run(capsys, name, "--against", store)
    assert "version 2 of the table wrote the change, but the definition is version 1" in out


@pytest.mark.long
def test_no_store_is_made_where_none_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit code 4: a typing error would look like an empty store."""
    path = tmp_path / "none.db"
    code, out, err = run(capsys, f"{HERE}:DEPLOYMENT", "--against", f"sqlite:///{path}")
    assert (code, out) == (4, "")
    assert f"there is no store at {path}" in err
    assert not path.exists()


@pytest.mark.long
def test_checking_needs_no_test_tool_and_no_http_client() -> None:
    """It works from an installation with the extra ``cli`` alone."""
    program = (
        "import sys\n"
        "for name in ('pytest', 'hypothesis', 'requests'): sys.modules[name] = None\n"  # importing them fails
        "from itsm_workflow.cli import main\n"
        "sys.exit(main(['lint-graph']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
