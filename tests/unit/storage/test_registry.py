"""Opening a store by URL: the backend is found by its entry point, whoever wrote it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import StorageError, StorageSchemaError
from itsm_workflow.storage import PROTOCOL_VERSION, Query, StorageBackend, open_storage
from itsm_workflow.storage.registry import backend_of, check_schema, schema_of
from itsm_workflow.storage.url import FILES, check_bare, path_of, scheme_of
from itsm_workflow_backends.memory import MemoryBackend
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.support.strikes import report

if TYPE_CHECKING:
    from collections.abc import Callable

    Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return what installs a distribution with one backend, as a user's own package would be."""

    def installed(scheme: str, value: str, *, name: str = "theirs", source: str = "") -> None:
        information = tmp_path / f"{name}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[itsm_workflow.storage_backends]\n{scheme} = {value}\n")
        (tmp_path / f"{name}_backend.py").write_text(dedent(source))
        # Another test may have imported one of that name.
        monkeypatch.delitem(sys.modules, f"{name}_backend", raising=False)

    monkeypatch.syspath_prepend(tmp_path)
    return installed


def test_memory() -> None:
    """Each opening makes a new, empty store."""
    one, other = open_storage("memory://"), open_storage("memory://")
    assert isinstance(one, MemoryBackend)
    assert one is not other
    assert one.find(Query()).rows == ()


def test_a_backend_that_is_installed_or_removed_meanwhile_is_seen(install: Install, tmp_path: Path) -> None:
    """What was installed is remembered only until a folder of packages changes."""
    with pytest.raises(StorageError, match="no storage backend is installed for meanwhile"):
        open_storage("meanwhile://")
    install("meanwhile", "itsm_workflow_backends.memory:MemoryBackend", name="another")
    assert isinstance(open_storage("meanwhile://"), MemoryBackend)
    shutil.rmtree(tmp_path / "another-1.0.dist-info")
    with pytest.raises(StorageError, match="no storage backend is installed for meanwhile"):
        open_storage("meanwhile://")


def test_a_backend_satisfies_the_port() -> None:
    """The protocol can be checked at run time."""
    assert isinstance(open_storage("memory://"), StorageBackend)


def test_an_unknown_scheme_lists_the_known_ones() -> None:
    """With the nearest, since it is mostly a typing error; the rest of the URL may hold a password and is not told."""
    with pytest.raises(StorageError) as refused:
        open_storage("sqllite://user:secret@host/db")
    message = str(refused.value)
    assert "did you mean sqlite://?" in message
    assert "json, memory, mysql, postgresql, sqlite" in message
    assert "secret" not in message
    facts = vars(refused.value)
    assert (facts["scheme"], set(facts["known"]) >= {"json", "memory", "sqlite"}) == ("sqllite", True)


def test_a_scheme_like_no_other_gets_no_guess() -> None:
    """A wild guess would mislead."""
    with pytest.raises(StorageError, match="no storage backend is installed for xyz://; installed are: "):
        open_storage("xyz://")


@pytest.mark.parametrize(
    "url", ["", "store.db", "sqlite:store.db", "://store", "1x://", "SQLite:///store.db", "a b://"]
)
def test_what_is_no_url(url: str) -> None:
    """A plain path is refused with an example."""
    with pytest.raises(StorageError, match="a storage URL begins with the backend's name"):
        open_storage(url)


@pytest.mark.parametrize("url", [None, 5, [], b"memory://", Path("store.db")])
@pytest.mark.parametrize("opened", [open_storage, schema_of])
def test_what_is_no_text(opened: Callable[[Any], object], url: Any) -> None:  # noqa: ANN401 - whatever a host passes
    """It says what is wanted, by an example, and what was given."""
    told = f"^a storage URL must be a str, for example sqlite:///itsm-workflow.db, not {type(url).__name__}$"
    with pytest.raises(TypeError, match=told):
        opened(url)


def test_the_backends_that_keep_a_file(tmp_path: Path) -> None:
    """Each scheme that is listed so makes one, at the path of its URL."""
    assert sorted(FILES) == ["json", "sqlite"]
    for scheme in FILES:
        open_storage(f"{scheme}:///{tmp_path}/{scheme}").close()
        assert (tmp_path / scheme).is_file()


@pytest.mark.parametrize("scheme", sorted(FILES))
@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (":memory:", "write memory:// for a store in memory"),
        ("%3Amemory%3A", "write memory:// for a store in memory"),
        ("a\ud800.db", "a character that no file name can contain"),
    ],
)
def test_a_path_that_no_file_is_meant_by(
    scheme: str, path: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made in the current folder, and the error is one of the library's."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=problem):
        open_storage(f"{scheme}:///{path}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["memory:///", "memory://name", "memory://?a=1", "memory://#a"])
def test_memory_takes_nothing(url: str) -> None:
    """What would be ignored is refused."""
    with pytest.raises(StorageError, match="memory:// takes neither a path nor parameters"):
        open_storage(url)


def test_somebody_elses_backend(install: Install) -> None:
    """It is found as ours are, and gets the URL and the options as they are."""
    install(
        "theirs",
        "theirs_backend:Theirs",
        source=f"""
        class Theirs:
            protocol_version = {PROTOCOL_VERSION}

            @classmethod
            def from_url(cls, url, /, **options):
                theirs = cls()
                theirs.given = url, options
                return theirs

            def commit(self, writes, /): ...
            def get(self, change_id, /): ...
            def find(self, query, /): ...
            def history(self, change_id, /, after_seq=0, limit=1000): ...
            def close(self): ...
        """,
    )
    opened = open_storage("theirs://host/name?x=1", timeout=3)
    assert vars(opened) == {"given": ("theirs://host/name?x=1", {"timeout": 3})}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            "protocol_version = 99",
            f"for version 99 of the storage port, but this library has version {PROTOCOL_VERSION}",
        ),
        ("pass", "the other backend has no protocol_version: set it to"),
        (
            f"protocol_version = {PROTOCOL_VERSION}",
            "has no commit and no get and no find and no history and no close and no from_url: its class must have",
        ),
    ],
)
def test_a_backend_that_is_none_of_this_port_is_refused(install: Install, written: str, told: str) -> None:
    """Before it is asked for anything: a sentence of the port may have changed, or it keeps none of them."""
    install("other", "other_backend:Other", name="other", source=f"class Other:\n    {written}")
    with pytest.raises(StorageError, match=told) as caught:
        open_storage("other://")

    assert vars(caught.value)["scheme"] == "other"


@pytest.mark.parametrize(
    ("value", "reason"), [("nowhere:Missing", "No module named"), ("none_backend:No", "no attribute")]
)
def test_a_backend_that_cannot_be_imported(install: Install, value: str, reason: str) -> None:
    """The message names it, and what is missing."""
    install("none", value, name="none")
    with pytest.raises(StorageError, match=f"the none backend, {value}, cannot be imported: .*{reason}") as caught:
        open_storage("none://")

    assert vars(caught.value)["scheme"] == "none"


def test_two_backends_of_one_scheme(install: Install) -> None:
    """Neither is taken by chance; one that is listed twice is one."""
    install("memory", "mine:Memory", name="mine")
    with pytest.raises(StorageError, match=r"several backends claim memory://: itsm_workflow_backends.* mine:Memory"):
        open_storage("memory://")


def test_a_backend_that_is_listed_twice_is_one(install: Install) -> None:
    """As when a package is installed and lies on the path as well."""
    install("memory", "itsm_workflow_backends.memory:MemoryBackend", name="again")
    assert isinstance(open_storage("memory://"), MemoryBackend)


def test_importing_the_storage_package_is_cheap() -> None:
    """No backend, no entry points, no HTTP."""
    code = """
        import sys

        before = set(sys.modules)
        import itsm_workflow.storage

        heavy = {"requests", "sqlite3", "filelock", "importlib.metadata", "itsm_workflow_backends"} - before
        print(sorted(heavy & set(sys.modules)))
        itsm_workflow.storage.open_storage("memory://")
        print(sorted({"requests", "sqlite3", "filelock"} & (set(sys.modules) - before)))
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


QUOTING = """
    from itsm_workflow.errors import StorageError, StorageUnavailable

    class Quoting:
        protocol_version = {version}

        @classmethod
        def from_url(cls, url, /, *, how="error", **_):
            kept = url
            if how == "facts":
                raise StorageUnavailable("no connection", server=kept)
            if how == "error":
                raise StorageError(f"cannot connect to {{kept}}") from OSError(kept)
            if how == "foreign":
                raise OSError(5, "Input/output error", kept)
            raise KeyboardInterrupt

        commit = get = find = history = close = schema_of = from_url
"""
PASSWORD = "canary-0123456789"
OTHERS = f"quoting://me:{PASSWORD}@db/changes"


@pytest.mark.parametrize("how", ["error", "facts", "foreign", "interrupt"])
def test_a_password_shows_in_nothing_that_a_backend_raises(how: str, install: Install) -> None:
    """Neither in its words, nor its facts, nor the variables of any frame; it is a StorageError, or an interrupt."""
    install("quoting", "theirs_backend:Quoting", source=QUOTING.format(version=PROTOCOL_VERSION))
    with pytest.raises((StorageError, KeyboardInterrupt)) as refused:
        open_storage(OTHERS, how=how)

    assert PASSWORD not in report(refused.value)
    assert PASSWORD not in f"{refused.value!r} {vars(refused.value)}"
    assert isinstance(refused.value, KeyboardInterrupt if how == "interrupt" else StorageError)


def test_nor_in_what_asking_for_a_schema_raises(install: Install) -> None:
    """It is done before opening."""
    install("quoting", "theirs_backend:Quoting", source=QUOTING.format(version=PROTOCOL_VERSION))
    with pytest.raises(StorageError, match=r"cannot connect to quoting://…") as refused:
        schema_of(OTHERS)
    assert PASSWORD not in report(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        f"sqlite://me:{PASSWORD}@db/changes",
        f"sqlite:///changes?key={PASSWORD}",
        f"json://me:{PASSWORD}@db",
        f"memory://me:{PASSWORD}@db",
        f"sqlit://me:{PASSWORD}@db/changes",
        f"postgres:me:{PASSWORD}@db",
        PASSWORD,
    ],
)
@pytest.mark.parametrize("act", [open_storage, schema_of, check_schema, backend_of, scheme_of, path_of, check_bare])
def test_a_password_shows_in_no_refusal(url: str, act: Callable[[str], object]) -> None:
    """Of a URL that is written wrong, or that leads to a backend which takes none."""
    refused: Exception | None = None
    try:
        act(url)
    except StorageError as error:
        refused = error
    del url
    assert refused is None or PASSWORD not in report(refused)


def test_a_plain_url_keeps_its_frames(tmp_path: Path) -> None:
    """Nothing is left out where nothing is secret."""
    with pytest.raises(StorageError) as refused:
        open_storage(f"sqlite:///{tmp_path}")
    assert "from_url" in report(refused.value)


def test_the_schema_of_a_store_is_that_of_its_backend(tmp_path: Path) -> None:
    """And None for a backend that has none."""
    path = tmp_path / "store"
    SQLiteBackend(path).close()
    told = schema_of(f"sqlite:///{path}")
    assert told is not None
    assert told.found == told.known
    assert schema_of("memory://") is None


@pytest.mark.parametrize(("scheme", "name", "newest"), [("sqlite", "store.db", 4), ("json", "store.jsonl", 2)])
def test_a_command_that_only_reads_refuses_an_older_store(scheme: str, name: str, newest: int, tmp_path: Path) -> None:
    """Its error has the number of the store and that of this release, each in its own place."""
    written = Path(__file__).parents[2] / "data" / "schema_1" / name
    shutil.copy(written, tmp_path)
    url = f"{scheme}:///{tmp_path / name}"

    with pytest.raises(StorageSchemaError, match=f"has schema 1, .* writes schema {newest}") as refused:
        check_schema(url)

    assert (refused.value.found, refused.value.known) == (1, newest)
    assert (tmp_path / name).read_bytes() == written.read_bytes()
