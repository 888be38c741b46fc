"""The command that draws: the workflow, or the life of one change."""

from __future__ import annotations

import enum
import pathlib
import sys
from typing import TYPE_CHECKING

import attrs
import rich_click as click

from itsm_workflow.cli.definitions import loaded_definition
from itsm_workflow.cli.language import language_of
from itsm_workflow.cli.output import as_json, data, note, width
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option, resolved
from itsm_workflow.cli.values import not_written
from itsm_workflow.machine.sentences import LANGUAGES
from itsm_workflow.pictures.graph import FORMATS, SUFFIXES, Graph
from itsm_workflow.pictures.image import IMAGES, image
from itsm_workflow.pictures.sequence import SequenceDiagram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.pictures.timeline import Timeline


_COLUMNS = 80


class Kind(enum.StrEnum):
    """The kind of a drawing."""

    STATES = "states"
    TIMELINE = "timeline"
    SEQUENCE = "sequence"


_FORMATS: Mapping[Kind, Sequence[str]] = {
    Kind.STATES: (*FORMATS, *IMAGES),
    Kind.TIMELINE: ("svg", "terminal", *IMAGES),
    Kind.SEQUENCE: ("mermaid", "svg", *IMAGES),
}
"""The formats of each kind, the default first."""

_SUFFIXES = {**SUFFIXES, ".png": "png", ".pdf": "pdf"}
_IN_LANGUAGES = ("svg", "terminal", *IMAGES)
"""The formats of the states that have labels in a language."""


@click.command()
@click.argument("definition", required=False)
@click.option("--request", "name", metavar="ID", help="Mark the path of this change, or draw it: by id, subject or sn.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in Kind]),
    default=Kind.STATES.value,
    show_default=True,
    help="The states of the workflow, or the timeline or the sequence diagram of the change.",
)
@click.option(
    "--format",
    "spec",
    type=click.Choice((*FORMATS, *IMAGES)),
    help="The format of the drawing; by default that of the file's suffix. Without a file it is terminal on a "
    f"terminal, otherwise {FORMATS[0]}, or svg for a timeline.",
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    help="Of the words in a picture; by default that of the locale.",
)
@click.option("--hide", multiple=True, metavar="NAME", help="Leave out this state or trigger; may be repeated.")
@click.option(
    "--focus",
    multiple=True,
    metavar="NAME",
    help="Show this state or trigger and the states one move away; may be repeated.",
)
@click.option("--plain", is_flag=True, help="Leave out the evidence and the guards of the moves.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=pathlib.Path),
    help=f"Write to this file instead of standard output. Its suffix, of {', '.join(_SUFFIXES)}, names the format.",
)
@json_option
@placed
def graph(
    place: Place,
    *,
    definition: str | None,
    name: str | None,
    kind: str,
    spec: str | None,
    language: str | None,
    hide: tuple[str, ...],
    focus: tuple[str, ...],
    plain: bool,
    output: pathlib.Path | None,
    in_json: bool,
) -> None:
    """Draw the workflow, with the path of one change if one is given, or the life of that change.

    DEFINITION names a WorkflowDefinition, a Workflow, or a function that returns one, as module:name. It is drawn
    without a store. The default is the workflow of --app, or the one that is shipped.

    Examples: graph -o workflow.svg, or graph --request collector-42 --kind timeline -o timeline.svg.
    """
    spec = _format(Kind(kind), spec, output, in_json=in_json)
    _check(Kind(kind), spec, definition, name, language, is_narrowed=bool(hide or focus or plain))
    try:
        drawing = _drawing(place, definition, name, Kind(kind))
        if isinstance(drawing, Graph):
            drawing = _narrowed(drawing, hide=hide, focus=focus, plain=plain)
        drawn = _drawn(drawing, spec, language or language_of(in_json=in_json))
    except (ImportError, FileNotFoundError) as missing:
        raise click.ClickException(str(missing)) from missing
    if output is not None:
        _write(output, drawn)
    elif in_json:
        as_json({"format": spec, "text": drawn})
    else:
        data(str(drawn).rstrip("\n"))  # an image has a file


def _check(
    kind: Kind, spec: str, definition: str | None, name: str | None, language: str | None, *, is_narrowed: bool
) -> None:
    """Refuse options that do not fit together.

    Raises:
        click.UsageError: The message names the options, and what to do.
    """
    if kind is not Kind.STATES and name is None:
        raise click.UsageError(f"--kind {kind} draws the life of one change: name the change by --request ID")
    if definition is not None and name is not None:
        raise click.UsageError(f"{definition} is drawn without a change: name the workflow of a change by --app")
    if language is not None and kind is Kind.STATES and spec not in _IN_LANGUAGES:
        raise click.UsageError(f"--language {language} does not fit the format {spec} of the states: use --format svg")
    if kind is not Kind.STATES and is_narrowed:
        raise click.UsageError(f"--hide, --focus and --plain choose among the states: they do not fit --kind {kind}")


def _write(output: pathlib.Path, drawn: str | bytes) -> None:
    try:
        output.write_bytes(drawn if isinstance(drawn, bytes) else (drawn.rstrip("\n") + "\n").encode())
    except OSError as error:
        raise not_written("--output", output, error) from error
    note(f"wrote {output}")


def _format(kind: Kind, spec: str | None, output: pathlib.Path | None, *, in_json: bool) -> str:
    """Return the format of a drawing.

    Raises:
        click.UsageError: The suffix of the file means another format, or is unknown; the kind does not have the format;
            or an image has no file.
    """
    suffix = "" if output is None else output.suffix.lower()
    of_suffix = _SUFFIXES.get(suffix)
    if of_suffix is None and suffix:
        raise click.UsageError(f"a graph cannot be written as {suffix}: name the file with {', '.join(_SUFFIXES)}")
    if spec is not None and of_suffix not in {None, spec}:
        raise click.UsageError(f"--format {spec} does not fit {output}: a file with {suffix} is written as {of_suffix}")
    formats = _FORMATS[kind]
    is_shown = output is None and not in_json and sys.stdout.isatty() and "terminal" in formats
    found = spec or of_suffix or ("terminal" if is_shown else formats[0])
    if found not in formats:
        given = f"--format {spec}" if spec is not None else f"{output}"
        suffixes = ", ".join(suffix for suffix, name in _SUFFIXES.items() if name in formats)
        raise click.UsageError(
            f"--kind {kind} does not fit {given}: use --format {' or '.join(formats)}, or a file with {suffixes}"
        )
    if found in IMAGES and output is None:
        raise click.UsageError(f"--format {found} is not text: write it to a file by -o FILE.{found}")
    return found


def _drawing(place: Place, definition: str | None, name: str | None, kind: Kind) -> Graph | Timeline | SequenceDiagram:
    if definition is not None or (name is None and not place.has_app):
        return Graph(definition=loaded_definition(definition))  # the workflow alone needs no store
    with place.records() as records:
        if name is None:
            return records.graph()
        change_id = resolved(records, name).id
        if kind is Kind.TIMELINE:
            return records.timeline(change_id)
        return records.sequence(change_id) if kind is Kind.SEQUENCE else records.graph(change_id)


def _narrowed(drawing: Graph, *, hide: tuple[str, ...], focus: tuple[str, ...], plain: bool) -> Graph:
    """Return the part of a graph that was asked for.

    Raises:
        click.UsageError: The workflow does not have a name.
    """
    try:
        return attrs.evolve(drawing, hide=hide, focus=focus, plain=plain)
    except ValueError as unknown:
        raise click.UsageError(str(unknown)) from unknown


def _drawn(drawing: Graph | Timeline | SequenceDiagram, spec: str, language: str) -> str | bytes:
    if spec in IMAGES:
        return image(drawing, spec, language=language)
    if spec == "svg":
        return drawing.svg(language=language) + "\n"
    if spec == "terminal" and not isinstance(drawing, SequenceDiagram):
        return drawing.terminal(language=language, columns=min(width(), _COLUMNS))
    return drawing.mermaid(language=language) if isinstance(drawing, SequenceDiagram) else format(drawing, spec)
