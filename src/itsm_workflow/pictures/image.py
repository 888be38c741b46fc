"""A picture as PNG or PDF, drawn from its SVG by a program of the machine, so it looks the same."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from typing import TYPE_CHECKING

from itsm_workflow.pictures.graph import Graph

if TYPE_CHECKING:
    from itsm_workflow.pictures.sequence import SequenceDiagram
    from itsm_workflow.pictures.timeline import Timeline

IMAGES = ("png", "pdf")

_ZOOM = 2  # of a PNG, so that it is also sharp on a fine screen
_TIMEOUT = 60


def image(
    picture: Graph | Timeline | SequenceDiagram, kind: str, *, language: str = "en", zone: dt.tzinfo = dt.UTC
) -> bytes:
    """Return a picture as PNG or PDF.

    The program ``rsvg-convert`` draws its SVG. Without it, ``dot`` of Graphviz draws the graph of a workflow from its
    DOT text, with another look, which needs the extra ``diagrams``. Chinese labels need a font that has the characters.

    Args:
        picture: The picture.
        kind: ``png`` or ``pdf``.
        language: The language of the words, ``en`` or ``zh``.
        zone: The zone of the times.

    Raises:
        ValueError: It is another kind, or there are no words in the language.
        FileNotFoundError: No program can draw it. The message names the packages to install.
        ImportError: Only ``dot`` can draw it, and the extra is missing.
        RuntimeError: The program failed.
    """
    if kind not in IMAGES:
        raise ValueError(f"a picture has no format {kind!r}; its formats are {', '.join(IMAGES)}")
    svg = picture.svg(language=language, zone=zone)
    if (program := shutil.which("rsvg-convert")) is not None:
        zoom = ["--zoom", str(_ZOOM)] if kind == "png" else []
        return _drawn([program, "--format", kind, *zoom], svg)
    if isinstance(picture, Graph):
        if (program := shutil.which("dot")) is not None:
            return _drawn([program, f"-T{kind}"], format(picture, "dot"))
        raise FileNotFoundError(
            f"a {kind.upper()} file is drawn by rsvg-convert or by dot, and this machine has neither: install Debian's "
            f"package librsvg2-bin or graphviz, or draw SVG"
        )
    raise FileNotFoundError(
        f"a {kind.upper()} file of this picture is drawn by rsvg-convert, which this machine does not have: install "
        f"Debian's package librsvg2-bin, or draw SVG"
    )


def _drawn(command: list[str], text: str) -> bytes:
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False, timeout=_TIMEOUT)  # noqa: S603 - the program that was found, without a shell
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {' '.join(done.stderr.decode(errors='replace').split())}")
    return done.stdout
