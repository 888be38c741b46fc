"""Pictures as PNG and PDF, by the programs of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import COLLECTOR_CHANGE
from itsm_workflow.pictures import Graph, Timeline, image
from tests.support.lives import LIVES

if TYPE_CHECKING:
    from pathlib import Path

GRAPH = Graph(definition=COLLECTOR_CHANGE)
TIMELINE = Timeline(definition=COLLECTOR_CHANGE, path=LIVES["one"])


def program(folder: Path, name: str, script: str) -> None:
    """Write a program that the search path finds."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("kind", "arguments"), [("png", "--format png --zoom 2"), ("pdf", "--format pdf")])
def test_the_svg_is_handed_to_the_program(folder: Path, kind: str, arguments: str) -> None:
    """It comes by standard input, in the language that was asked for."""
    program(folder, "rsvg-convert", 'echo "$@"; while read -r line; do echo "$line"; done')
    program(folder, "dot", "exit 1")
    for picture in (GRAPH, TIMELINE):
        text = f"{picture.svg(language='zh')}\n".encode()
        assert image(picture, kind, language="zh") in {f"{arguments}\n".encode(), f"{arguments}\n".encode() + text}


def test_dot_draws_a_graph_where_the_other_program_is_missing(folder: Path) -> None:
    """A timeline it cannot draw, and says so."""
    program(folder, "dot", 'read -r line; echo "$1 $line"')
    assert image(GRAPH, "pdf") == b"-Tpdf digraph collector_change {\n"
    with pytest.raises(FileNotFoundError, match="install Debian's package librsvg2-bin, or draw SVG"):
        image(TIMELINE, "pdf")


def test_a_missing_program_is_named_with_its_package(folder: Path) -> None:
    """And the format that needs none."""
    with pytest.raises(
        FileNotFoundError, match=r"^a PNG file is drawn by rsvg-convert or by dot, and this machine has"
    ):
        image(GRAPH, "png")
    with pytest.raises(ValueError, match=r"^a picture has no format 'gif'; its formats are png, pdf$"):
        image(GRAPH, "gif")


def test_an_error_of_the_program_is_shown(folder: Path) -> None:
    """In one line."""
    program(folder, "rsvg-convert", "echo no >&2; echo font >&2; exit 3")
    with pytest.raises(RuntimeError, match=r"rsvg-convert failed: no font$"):
        image(GRAPH, "png")
