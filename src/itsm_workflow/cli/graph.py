"""The command that draws: the workflow, or the life of one change."""

from __future__ import annotations

import enum
import pathlib
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.language import language_of, remember
from itsm_workflow.cli.output import as_json, data, note
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option, resolved
from itsm_workflow.cli.values import not_written
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.sentences import LANGUAGES
from itsm_workflow.pictures.graph import FORMATS, SUFFIXES, Graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.runtime.records import Records


class Kind(enum.StrEnum):
    """The kind of a drawing."""

    STATES = "states"
    TIMELINE = "timeline"
    SEQUENCE = "sequence"


_FORMATS: Mapping[Kind, Sequence[str]] = {
    Kind.STATES: FORMATS,
    Kind.TIMELINE: ("svg",),
    Kind.SEQUENCE: ("mermaid", "svg"),
}
"""The formats of each kind, the default first."""


@click.command()
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
    type=click.Choice(FORMATS),
    help=f"The format of the drawing; by default that of the file's suffix, or {FORMATS[0]}, or svg for a timeline.",
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    callback=remember,
    help="Of a change's picture, or of any SVG; by default that of the locale.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=pathlib.Path),
    help=f"Write to this file instead of standard output. Its suffix, such as {', '.join(SUFFIXES)}, names the format.",
)
@json_option
@placed
def graph(
    place: Place,
    *,
    name: str | None,
    kind: str,
    spec: str | None,
    language: str | None,
    output: pathlib.Path | None,
    in_json: bool,
) -> None:
    """Draw the workflow, with the path of one change if one is given, or the life of that change.

    Examples: graph -o workflow.svg, or graph --request collector-42 --kind timeline -o timeline.svg.
    """
    spec = _format(Kind(kind), spec, output)
    if kind != Kind.STATES and name is None:
        raise click.UsageError(f"--kind {kind} draws the life of one change: name the change by --request ID")
    if language is not None and (kind, spec == "svg") == (Kind.STATES, False):
        raise click.UsageError(f"--language {language} does not fit the format {spec} of the states: use --format svg")
    try:
        text = _drawn(place, name, Kind(kind), spec, language or language_of(in_json=in_json))
    except ImportError as missing:
        raise click.ClickException(str(missing)) from missing
    if output is not None:
        try:
            output.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        except OSError as error:
            raise not_written("--output", output, error) from error
        note(f"wrote {output}")
    elif in_json:
        as_json({"format": spec, "text": text})
    else:
        data(text.rstrip("\n"))


def _format(kind: Kind, spec: str | None, output: pathlib.Path | None) -> str:
    """Return the format of a drawing.

    Raises:
        click.UsageError: The suffix of the file means another format, or is not that of a text; or the kind does not
            have the format.
    """
    suffix = "" if output is None else output.suffix.lower()
    of_suffix = SUFFIXES.get(suffix)
    if of_suffix is None and suffix not in {"", ".txt"}:
        raise click.UsageError(f"a graph cannot be written as {suffix}: name the file with {', '.join(SUFFIXES)}")
    if spec is not None and of_suffix not in {None, spec}:
        raise click.UsageError(f"--format {spec} does not fit {output}: a file with {suffix} is written as {of_suffix}")
    formats = _FORMATS[kind]
    found = spec or of_suffix or formats[0]
    if found not in formats:
        given = f"--format {spec}" if spec is not None else f"{output}"
        suffixes = ", ".join(suffix for suffix, name in SUFFIXES.items() if name in formats)
        raise click.UsageError(
            f"--kind {kind} does not fit {given}: use --format {' or '.join(formats)}, or a file with {suffixes}"
        )
    return found


def _drawn(place: Place, name: str | None, kind: Kind, spec: str, language: str) -> str:
    if name is None and not place.has_app:
        return _states(Graph(definition=COLLECTOR_CHANGE), spec, language)  # the workflow alone needs no store
    with place.records() as records:
        if name is None:
            return _states(records.graph(), spec, language)
        return _of_change(records, resolved(records, name).id, kind, spec, language)


def _of_change(records: Records, change_id: str, kind: Kind, spec: str, language: str) -> str:
    if kind is Kind.TIMELINE:
        return records.timeline(change_id).svg(language=language) + "\n"
    if kind is Kind.SEQUENCE:
        diagram = records.sequence(change_id)
        return diagram.svg(language=language) + "\n" if spec == "svg" else diagram.mermaid(language=language)
    return _states(records.graph(change_id), spec, language)


def _states(drawing: Graph, spec: str, language: str) -> str:
    return drawing.svg(language=language) + "\n" if spec == "svg" else format(drawing, spec)
