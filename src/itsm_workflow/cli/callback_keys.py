"""The command that counts and rotates the keys of the callback credentials."""

from __future__ import annotations

import os
import pathlib
import secrets
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import line
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.values import not_written
from itsm_workflow.secrets import Secret
from itsm_workflow.settings import VARIABLES, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = VARIABLES["callback_keys"][0]
_LIVE = 2


@click.command()
@click.option("--rotate", is_flag=True, help="Make a new key, and put it before the newest of the present keys.")
@click.option(
    "--output",
    type=click.Path(path_type=pathlib.Path, dir_okay=False),
    help="A new file for the variable, which only you can read; keys are never printed.",
)
@placed
def callback_keys(place: Place, output: pathlib.Path | None, *, rotate: bool) -> Exit:
    """Print how many keys authenticate callbacks, or rotate them."""
    if rotate != (output is not None):
        raise click.UsageError("--rotate and --output belong together: keys are written to a file, never printed")
    keys = Settings.from_env().callback_keys
    line(f"{min(len(keys), _LIVE)} of {_LIVE} keys are live")
    if len(keys) > _LIVE:
        line(f"{len(keys) - _LIVE} more are listed in {VARIABLE} and no longer accepted: remove them")
    if output is not None:
        with place.records() as records:  # first, since it may fail
            relying = sum(records.definition.is_open(change) for change in records.find())
        _write(output, keys)
        line(f"{output} has the new value of {VARIABLE}: give it to every process, then remove the file")
        if keys:
            line(f"{relying} open changes rely on the present keys: rotate again when they have ended")
    return Exit.DONE


def _write(path: pathlib.Path, keys: Sequence[Secret]) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise click.UsageError(f"--output: {path} exists already: name a new file") from None
    except OSError as error:
        raise not_written("--output", path, error) from error
    new = [Secret(secrets.token_urlsafe(48)), *keys[:1]]
    with os.fdopen(file, "w", encoding="utf-8") as writing:
        writing.write(f"{VARIABLE}={','.join(map(Secret.reveal, new))}\n")
