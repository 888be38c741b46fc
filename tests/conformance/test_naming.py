"""Openers of one store by other paths: the openers that the kit can make them of."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.secrets import SecretURL
from itsm_workflow.storage import open_storage
from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import PromiseOutcome
from itsm_workflow.testing.conformance._base import NotRun
from itsm_workflow.testing.conformance._naming import by_other_paths
from itsm_workflow.testing.conformance._rows import create
from itsm_workflow_backends.json_file import JSONFileBackend

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import StorageBackend


def url_of(path: Path) -> str:
    """Return the URL of a JSON file, with its special characters escaped."""
    return f"json:///{str(path).replace('%', '%25').replace(' ', '%20')}"


@pytest.mark.parametrize(
    ("function", "argument_of"),
    [
        (JSONFileBackend, Path),
        (JSONFileBackend, str),
        (open_storage, url_of),
        (open_storage, lambda path: SecretURL(url_of(path))),
    ],
)
def test_the_store_is_opened_by_other_paths(
    function: Callable[[Any], StorageBackend],
    argument_of: Callable[[Path], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether the opener has a path or a URL, and whatever characters the path has."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a folder" / "100% store"
    path.parent.mkdir()
    opener = partial(function, argument_of(path))
    first = opener()
    assert first.commit([create("c1")]) == [None]
    with by_other_paths(opener) as others:
        for other in others:
            backend = other()
            assert backend.get("c1") is not None
            backend.close()
    assert Path.cwd() == path.parent
    first.close()
    assert [file.name for file in tmp_path.iterdir()] == ["a folder"]


@pytest.mark.parametrize("arguments", [(), (5,), ("relative",), ("redis://host:1/2",)])
def test_an_opener_without_an_absolute_path_is_left_out(arguments: tuple[object, ...]) -> None:
    """The promise is not run, and the reason says what is missing."""
    opener: Any = partial(print, *arguments)
    with pytest.raises(NotRun, match="names no absolute path"), by_other_paths(opener):
        pass


def test_a_function_is_left_out() -> None:
    """Its path is not known."""
    opener: Any = len
    with pytest.raises(NotRun, match="names no absolute path"), by_other_paths(opener):
        pass


def test_a_system_that_makes_no_symbolic_links_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows, where they need a privilege."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("a privilege is missing")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    report = check_storage(
        lambda: partial(JSONFileBackend, tmp_path / "store"),
        abilities=frozenset({"durable", "multi_process"}),
        only="other paths",
    )
    (result,) = report.results
    assert result.outcome is PromiseOutcome.NOT_RUN
    assert result.reason == "no symbolic link can be made here: a privilege is missing"
