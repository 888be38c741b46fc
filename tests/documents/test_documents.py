"""What the documents say, and what no committed file says."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.limits import PATIENCE

ROOT = Path(__file__).parents[2]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))

# Put together here, so that this file does not hold what it forbids.
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "crates" + ".io", "proxy.go" + "lang.org"]
MIRRORS = ["pypi" + ".tuna", "mirrors." + "aliyun", "mirrors." + "tencent", "mirrors." + "cloud.tencent"]
PLACES = ["/" + place + "/" for place in ("work", "root", "home/[a-z]+", "Users/[A-Za-z]+", "opt/tools")]
FORBIDDEN = re.compile("|".join([*map(re.escape, REGISTRIES + MIRRORS), rf"(?<![\w.\-/])(?:{'|'.join(PLACES)})"]))


def committed() -> list[Path]:
    """Return every file of the checkout that is committed, or would be."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=PATIENCE)
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def documents() -> list[Path]:
    """Return every Markdown file that people read."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(path: Path, language: str) -> list[str]:
    """Return the fenced blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def test_there_is_something_to_scan() -> None:
    """The scans below see the sources, the tests and the documents."""
    seen = {path.relative_to(ROOT).as_posix() for path in committed()}
    assert {"README.md", "pyproject.toml", "src/itsm_workflow/errors.py", "tests/conftest.py"} <= seen


def test_no_committed_file_names_a_registry_or_a_machines_path() -> None:
    """Nothing ties the project to one machine or to one source of packages."""
    found = []
    for path in committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in FORBIDDEN.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    "text", ["see " + REGISTRIES[0], "https://files." + REGISTRIES[1], "in /" + "work/main", "'/home/" + "me/x'"]
)
def test_the_scan_finds_what_is_forbidden(text: str) -> None:
    """The pattern matches what it is for."""
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize("text", ["src/itsm_workflow/errors.py", "a work-life", "docs/x", "json:///path"])
def test_the_scan_leaves_ordinary_text_alone(text: str) -> None:
    """The pattern does not match what is fine."""
    assert not FORBIDDEN.search(text)


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_readme_begins_with_the_two_commands(path: Path) -> None:
    """The first block that a reader meets holds the two commands and nothing else."""
    assert blocks(path, "console")[0].splitlines() == ["$ make demo", "$ make test"]


def test_both_readmes_show_the_same_example() -> None:
    """The translation changes the words, not the code."""
    english, chinese = (blocks(path, "python") for path in READMES)
    assert len(english) == 1
    assert english == chinese


def test_both_readmes_have_the_same_sections() -> None:
    """Each section of one has its twin in the other."""
    english, chinese = (re.findall(r"^#+ ", path.read_text(encoding="utf-8"), flags=re.MULTILINE) for path in READMES)
    assert english == chinese


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_every_row_of_the_comparison_links_to_tests_that_exist(path: Path) -> None:
    """A promise in the README is as good as the test that it names."""
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if "](tests/" in line]
    linked = [re.findall(r"\[`(test_\w+)`\]\((tests/[\w/]+\.py)\)", row) for row in rows]
    assert len(rows) >= 6
    assert [row for row, links in zip(rows, linked, strict=True) if len(links) != row.count("](tests/")] == []
    assert [
        name
        for name, file in (link for links in linked for link in links)
        if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ] == []


def test_every_decision_is_linked_in_the_index() -> None:
    """A decision that nobody can find was not written down."""
    index = (ROOT / "docs" / "adr" / "index.md").read_text(encoding="utf-8")
    assert DECISIONS
    assert [path.stem for path in DECISIONS if f"\n{path.stem}\n" not in index] == []


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_every_decision_says_what_was_decided_and_whether_it_holds(path: Path) -> None:
    """A decision record has its number, a status, a context, a decision and consequences."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(path.stem[:4])}. ")
    assert re.search(r"^Status: (accepted|replaced by )", text, flags=re.MULTILINE)
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert [wanted for wanted in ("Context", "Decision", "Consequences") if wanted not in headings] == []


def test_every_link_to_a_file_leads_somewhere() -> None:
    """A relative link names a file of the checkout."""
    links = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    found = [(path, link) for path in documents() for link in links.findall(path.read_text(encoding="utf-8"))]
    assert len(found) > 200
    assert [(path, link) for path, link in found if not (path.parent / link).exists()] == []


def imports(path: Path) -> list[tuple[str, str]]:
    """Return each import of the library in the examples of a page, or in a module: from where, and the name."""
    text = path.read_text(encoding="utf-8")
    programs = [text] if path.suffix == ".py" else [*blocks(path, "python"), *blocks(path, "text")]
    pattern = r"^ *((?:from|import) itsm_workflow\b(?:[^\n(]*\([^)]*\)|[^\n]*))"
    found: list[tuple[str, str]] = []
    for statement in re.findall(pattern, "\n".join(programs), flags=re.MULTILINE):
        (parsed,) = ast.parse(statement).body
        assert isinstance(parsed, ast.Import | ast.ImportFrom)
        module = parsed.module if isinstance(parsed, ast.ImportFrom) else None
        found += [(module, each.name) if module else (each.name, "") for each in parsed.names]
    return found


def is_public(module: str, name: str) -> bool:
    """Return whether an example may import it: from the package, from a module of it, or from the names of a room."""
    if module.count(".") > 1:
        return False
    home = importlib.import_module(module)
    if not name or not hasattr(home, "__path__"):
        return True
    return name in home.__all__ or name in {part.name for part in pkgutil.iter_modules(home.__path__)}


def test_examples_import_from_the_package_or_from_a_room() -> None:
    """No example imports from a module inside a room: such a module may be renamed."""
    paths = [*documents(), *sorted((ROOT / "docs" / "examples").rglob("*.py"))]
    found = [(path, *each) for path in paths for each in imports(path)]
    assert len(found) > 200
    assert [(path, module, name) for path, module, name in found if not is_public(module, name)] == []


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("itsm_workflow", "Workflow", True),
        ("itsm_workflow.errors", "InvalidForm", True),
        ("itsm_workflow.bkapi", "ApiClient", True),
        ("itsm_workflow.storage", "checks", True),
        ("itsm_workflow.bkapi.client", "ApiClient", False),
        ("itsm_workflow.gateway.bk_itsm.wire", "TICKET_APPROVAL_RESULT", False),
        ("itsm_workflow.sandbox", "Ledger", False),
    ],
)
def test_an_import_from_inside_a_room_is_found(module: str, name: str, expected: bool) -> None:  # noqa: FBT001
    """The rule of the test above distinguishes them."""
    assert is_public(module, name) is expected
