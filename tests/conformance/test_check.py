"""`itsm-workflow storage check`: the kit by a backend's URL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import chain
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.cli import main
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import open_storage, registry
from itsm_workflow.storage.protocol import Cursor, Query, Rows, Schema
from itsm_workflow.testing.conformance._check import promises_named
from itsm_workflow.testing.conformance._errors import ErrorPromises
from itsm_workflow.testing.conformance._interrupted_code import InterruptedCodePromises
from itsm_workflow.testing.conformance._interrupts import InterruptPromises
from itsm_workflow.testing.conformance._kit import GROUPS, Kit
from itsm_workflow.testing.conformance._processor_time import seconds_of_the_processor
from itsm_workflow.testing.conformance._rows import create, stored
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.conformance import zoo
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from itsm_workflow.storage import StorageBackend

    Install = Callable[[str, type], None]

WITHOUT_TEST_TOOLS = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"pytest", "hypothesis", "_pytest"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from itsm_workflow.cli import main
from itsm_workflow.errors import StorageUnavailable
sys.exit(main(sys.argv[1:]))
"""


@attrs.frozen
class Entry:
    """An entry point of a package that is not installed."""

    name: str
    found: type
    value: str = "elsewhere:Backend"

    def load(self) -> type:
        """Return the class."""
        return self.found


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return what makes a backend known by a scheme, in this process."""

    def known(scheme: str, backend: type) -> None:
        found = registry._entry_point
        monkeypatch.setattr(
            registry, "_entry_point", lambda asked: Entry(scheme, backend) if asked == scheme else found(asked)
        )

    return known


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command; return its exit code and what it printed."""
    code = main(["storage", "check", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize(
    ("scheme", "only", "summary"),
    [
        ("sqlite", ("--only", "dictionary"), "1 not run"),
        pytest.param("json", (), "1 not run", marks=pytest.mark.long),
    ],
)
def test_a_good_backend_is_proven_without_pytest_and_hypothesis(
    scheme: str, only: tuple[str, ...], summary: str, tmp_path: Path
) -> None:
    """All is kept but the walk, which is said not to have run, with what to install; no file is left behind."""
    command = [sys.executable, "-W", "error", "-c", WITHOUT_TEST_TOOLS, "storage", "check"]
    done = subprocess.run(
        [*command, f"{scheme}:///{tmp_path}/store", *only],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    (walk,) = (line.split(maxsplit=5)[5] for line in lines if line.startswith("it behaves like a dictionary"))
    outcome, (_, *reason) = walk.split()[:2], walk.split()[2:]
    assert [*outcome, *reason] == [
        *("not", "run", "the", "walk", "needs", "Hypothesis:"),
        *("pip", "install", "'itsm-workflow[testing]'"),
    ]
    assert "BROKEN" not in done.stdout
    assert lines[-1].endswith(summary)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_backend_is_shown(capsys: pytest.CaptureFixture[str], install: Install) -> None:
    """Exit 1; the sentence, the calls and what is wrong stand below the line of the promise."""
    install("broken", zoo.MovesUpdatedAtOnAClaim)
    code, out, _ = checked(capsys, "broken://", "--only", "only the due time")
    assert code == 1
    assert "a write without entries moves only the due time  BROKEN" in out
    sentence = (
        "May be empty: then only ``due_at`` and ``version`` move, and ``updated_at`` stays, whatever else the row says."
    )
    _, *shown = out[out.index("a write without entries") :].splitlines()
    assert shown == [
        "",
        "BROKEN    a write without entries moves only the due time",
        f'the port  "{sentence}"',
        "calls     commit([create 'c1' (open_subject='s', due_at=1790000000123457)]) -> [None]",
        "          commit([claim 'c1' v1 (open_subject='s', due_at=1790000060123458)]) -> [None]",
        "          get('c1') -> 'c1' v2 seq 1 (open_subject='s', due_at=1790000060123458)",
        "wrong     updated_at is 1790000000123459, must be 1790000000123458",
        "",
        "1 broken",
    ]


def test_what_is_wrong_is_printed_before_the_next_promise_is_tested(
    capsys: pytest.CaptureFixture[str], install: Install
) -> None:
    """In the end, the names of the broken promises stand above the numbers."""
    install("broken", zoo.MovesUpdatedAtOnAClaim)
    _, out, _ = checked(capsys, "broken://", "--only", "only the due time", "--only", "keeps the form")
    lines = out.splitlines()
    wrong = next(place for place, line in enumerate(lines) if line.startswith("wrong  "))
    assert (lines[wrong + 1], lines[wrong + 2].split()[-2]) == ("", "kept")
    assert lines[wrong + 2].startswith("a write without a form keeps the form")
    assert lines[wrong + 3 :] == [
        "",
        "BROKEN  a write without entries moves only the due time",
        "",
        "1 kept, 1 broken",
    ]


def test_a_terminal_shows_the_promise_under_test(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error, from its beginning to its result."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _, out, err = checked(capsys, "memory://", "--only", "stale version")
    assert "a stale version loses …" in err
    assert "…" not in out


def test_the_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Each promise with its outcome, and what the backend declares."""
    code, out, _ = checked(capsys, "memory://", "--only", "killed process", "--json")
    report: dict[str, Any] = json.loads(out)
    (result,) = report.pop("results")
    assert (code, report) == (
        0,
        {
            "backend": "memory",
            "runs": 1,
            "left": [],
            "profile": "quick",
            "abilities": {"durable": False, "multi_process": False, "fsync": False, "checksums": False},
            "broken": 0,
        },
    )
    assert (result["promise"], result["outcome"], result["reason"]) == (
        "a killed process loses no acknowledged commit",
        "not declared",
        "durable, multi_process",
    )


def test_the_times_of_the_promises_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The slowest first, with the processor time of all processes of a promise; the numbers stay the last line."""
    code, out, _ = checked(capsys, "memory://", "--only", "stale", "--only", "spelling", "--times")
    lines = out.splitlines()
    head = max(place for place, line in enumerate(lines) if line.startswith("promise"))
    assert (code, lines[head].split(), lines[-2:]) == (0, ["promise", "seconds", "processor"], ["", "2 kept"])
    times = [line.rsplit(maxsplit=2) for line in lines[head + 1 : -2]]
    assert {name for name, _, _ in times} == {"a stale version loses", "another spelling is another value"}
    assert float(times[0][1]) >= float(times[1][1])


def test_the_times_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The processor time is null unless it is asked for, since promises are tested at the same time then."""
    code, out, _ = checked(capsys, "memory://", "--only", "stale", "--times", "--json")
    (result,) = json.loads(out)["results"]
    assert code == 0
    assert 0 <= result["processor_seconds"] <= PATIENCE
    _, out, _ = checked(capsys, "memory://", "--only", "stale", "--json")
    assert json.loads(out)["results"][0]["processor_seconds"] is None


def test_the_processor_time_has_that_of_all_processes() -> None:
    """Of a process that is still there, and of its own child, and of both after they have ended."""
    burn = "import time; {}\nwhile time.process_time() < {}: pass\nprint(flush=True); input()"
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn.format('', 0.4)!r}])"
    before = seconds_of_the_processor()
    with subprocess.Popen([sys.executable, "-c", inner], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        lived = seconds_of_the_processor() - before
        process.communicate(b"\n")
    assert lived >= 0.35
    assert seconds_of_the_processor() - before >= 0.35


def test_several_runs_end_with_the_first_that_breaks_a_promise(
    capsys: pytest.CaptureFixture[str], install: Install
) -> None:
    """What is rare can be waited for, and a good backend is tried as often as asked."""
    code, out, _ = checked(capsys, "memory://", "--runs", "3", "--only", "stale", "--json")
    assert (code, json.loads(out)["runs"]) == (0, 3)
    install("broken", zoo.IgnoresTheVersion)
    code, out, _ = checked(capsys, "broken://", "--runs", "3", "--only", "stale", "--json")
    assert (code, json.loads(out)["runs"]) == (1, 1)


@pytest.mark.parametrize("scheme", ["sqlite", "json"])
def test_a_store_with_data_is_refused(scheme: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, one line, and not a byte is changed."""
    url = f"{scheme}:///{tmp_path}/store"
    backend = open_storage(url)
    stored(backend, create("mine"))
    backend.close()
    before = (tmp_path / "store").read_bytes()
    code, out, err = checked(capsys, url)
    assert (code, out) == (2, "")
    assert "the store holds changes" in err
    assert (tmp_path / "store").read_bytes() == before


def test_an_empty_store_is_not_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The promises have stores of their own."""
    backend = open_storage(f"sqlite:///{tmp_path}/store")
    code, _, _ = checked(capsys, f"sqlite:///{tmp_path}/store", "--only", "stale")
    assert code == 0
    stored(backend, create("mine"))
    backend.close()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == []


def test_several_texts_choose_promises(capsys: pytest.CaptureFixture[str]) -> None:
    """Each promise that one of them names is tested, once."""
    code, out, _ = checked(capsys, "memory://", "--only", "stale", "--only", "due_before", "--only", "due", "--json")
    assert code == 0
    tested = [result["promise"] for result in json.loads(out)["results"]]
    assert {"a stale version loses", "due before", "a write without entries moves only the due time"} <= {*tested}
    assert all("stale" in name or "due" in name for name in tested)
    assert len(tested) == len({*tested})


def test_the_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, or those that are chosen, with their groups; no store is needed."""
    code, out, _ = checked(capsys, "--list")
    assert code == 0
    assert [line.rsplit(maxsplit=1)[0] for line in out.splitlines()[1:]] == [*promises_named("")]
    code, out, _ = checked(capsys, "--list", "--only", "stale", "--json")
    assert (code, json.loads(out)) == (0, [{"promise": "a stale version loses", "group": "commits"}])


def test_each_promise_is_in_one_group() -> None:
    """And each group has one."""
    methods = Kit.all_promises()
    members = {
        name: [method for method in methods for part in parts if method in vars(part)] for name, parts in GROUPS.items()
    }
    assert sorted(chain.from_iterable(members.values())) == sorted(methods)
    assert all(members.values())


def test_a_group_can_be_chosen() -> None:
    """By its name, also where no name of a promise has that text."""
    chosen = promises_named("errors")
    parts = set(chain.from_iterable(map(vars, (ErrorPromises, InterruptPromises, InterruptedCodePromises))))
    assert {method for method, _ in chosen.values()} == {name for name in parts if name[:5] == "test_"}
    assert "a failed read does not find nothing" in chosen


POWER_CUTS = (
    *("loses no acknowledged commit", "at any moment leaves whole commits"),
    "leaves what was built on a dead process",
)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("eror", "'errors' or 'each error is one of the port' or 'an error leaves no lock'"),
        (
            "power cuts",
            " or ".join(f"'a power cut {rest}'" for rest in POWER_CUTS),
        ),
        ("zzz", ""),
    ],
)
def test_a_text_that_chooses_nothing_is_refused_with_the_nearest_names(text: str, near: str) -> None:
    """And with the option that prints all names."""
    hint = f" (did you mean {near}?)" if near else ""
    with pytest.raises(ValueError, match=r"--list") as refusal:
        promises_named(text)
    assert str(refusal.value) == (
        f"no promise has {text!r} in its name{hint}; `itsm-workflow storage check --list` prints the names"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nothing://",), 2, "no storage backend is installed for nothing://"),
        (("sqlite:////nowhere/at/all/store",), 4, "its directory does not exist"),
        ((), 2, "name the URL of the store to test, or give --list"),
        (("memory://", "--only", "no such promise"), 2, "no promise has 'no such promise' in its name"),
        (("memory://", "--only", "stale", "--only", "other words"), 2, "no promise has 'other words' in its name"),
    ],
)
def test_what_cannot_be_checked_is_told(
    arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, and nothing is done."""
    found, out, err = checked(capsys, *arguments)
    assert (found, out) == (code, "")
    assert words in err


class Served(SQLiteBackend):
    """Stands for a backend whose stores are no files of the caller: its URL names a server."""

    folder: Path

    @classmethod
    def from_url(cls, url: str, /, **_: object) -> StorageBackend:  # type: ignore[override]  # narrower options
        """Open the store of that name."""
        return cls(cls.folder / url.removeprefix("served://host/"))

    @classmethod
    def schema_of(cls, _url: str, /) -> Schema:
        """Return what it always is."""
        return Schema(found=1, known=1)


class ServedWithScratch(Served):
    """Names empty stores, too."""

    @classmethod
    def scratch_url(cls, url: str, name: str, /) -> str:
        """Return a URL beside it."""
        return f"{url}-{name}"


def test_a_server_names_its_own_empty_stores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], install: Install
) -> None:
    """By scratch_url; without it, the check says what is missing; a store with data is refused all the same."""
    Served.folder = tmp_path
    install("served", Served)
    code, _, err = checked(capsys, "served://host/a", "--only", "stale")
    assert (code, "it has no scratch_url" in err) == (2, True)
    install("served", ServedWithScratch)
    code, _, _ = checked(capsys, "served://host/a", "--only", "stale")
    assert code == 0
    backend = ServedWithScratch.from_url("served://host/a")
    stored(backend, create("mine"))
    backend.close()
    code, _, err = checked(capsys, "served://host/a", "--only", "stale")
    assert (code, "the store holds changes" in err) == (2, True)


class ServedAndRemoved(ServedWithScratch):
    """Removes the stores that it named."""

    @classmethod
    def remove_scratch(cls, url: str, /) -> None:
        """Remove the file and those beside it."""
        path = cls.folder / url.removeprefix("served://host/")
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()


class ServedAndLocked(ServedWithScratch):
    """Cannot remove its stores."""

    @classmethod
    def remove_scratch(cls, _url: str, /) -> None:
        """Fail."""
        raise StorageUnavailable("the store is in use")


def test_stores_on_a_server_are_removed_or_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], install: Install
) -> None:
    """Those that the backend cannot remove are named on standard error and in the report."""
    Served.folder = tmp_path
    for backend in (ServedAndRemoved, ServedWithScratch, ServedAndLocked):
        install("served", backend)
        code, out, err = checked(capsys, "served://host/a", "--only", "stale", "--json")
        names = sorted(path.name.removeprefix("a-") for path in tmp_path.glob("a-check_????????_?"))
        assert code == 0
        assert json.loads(out)["left"] == names
        assert err == "".join(f"{name}: made for this check and not removed; remove it\n" for name in names)
        assert len(names) == (0 if backend is ServedAndRemoved else 2)  # the first one is only looked at
        for path in tmp_path.glob("a-check_*"):
            path.unlink()


def test_a_folder_that_cannot_be_removed_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its path."""
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    code, _, err = checked(capsys, f"sqlite:///{tmp_path}/store", "--only", "stale")
    (folder,) = tmp_path.iterdir()
    assert (code, err) == (0, f"{folder}: made for this check and not removed; remove it\n")


class ServedSparsely(ServedWithScratch):
    """Filters after it has read a page: the first one is empty, and says where to go on."""

    def find(self, query: Query, /) -> Rows:
        """Return one page."""
        return super().find(query) if query.after else Rows(rows=(), next=Cursor(value=None, id=""))


def test_a_store_whose_first_page_is_empty_may_hold_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], install: Install
) -> None:
    """It is refused as well: only `next` tells that there is nothing."""
    ServedSparsely.folder = tmp_path
    install("served", ServedSparsely)
    backend = ServedSparsely.from_url("served://host/a")
    stored(backend, create("mine"))
    backend.close()
    code, _, err = checked(capsys, "served://host/a", "--only", "stale")
    assert (code, "the store holds changes" in err) == (2, True)


@pytest.mark.long
def test_a_backend_of_another_package_is_checked(tmp_path: Path) -> None:
    """Its entry point is all that it takes; other processes find it as well."""
    (tmp_path / "elsewhere.py").write_text(
        "from itsm_workflow_backends.sqlite import SQLiteBackend\n\n\nclass Elsewhere(SQLiteBackend):\n    pass\n",
        encoding="utf-8",
    )
    metadata = tmp_path / "elsewhere-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(
        "[itsm_workflow.storage_backends]\nelsewhere = elsewhere:Elsewhere\n", encoding="utf-8"
    )
    (tmp_path / "stores").mkdir()
    url = f"elsewhere:///{tmp_path}/stores/store"
    done = subprocess.run(
        [sys.executable, "-m", "itsm_workflow", "storage", "check", url, "--only", "process", "--json"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    outcomes = [result["outcome"] for result in json.loads(done.stdout)["results"]]
    assert (outcomes.count("kept") > 3, {*outcomes} - {"not declared"}) == (True, {"kept"})
