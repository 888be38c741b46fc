"""The commands about stores themselves."""

from __future__ import annotations

import importlib.metadata
import pathlib
from typing import Any

import rich_click as click

from itsm_workflow.cli.checking import check
from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, clean, data, facts
from itsm_workflow.cli.reading import json_option
from itsm_workflow.cli.views import plain
from itsm_workflow.storage.registry import GROUP
from itsm_workflow.storage.url import path_of, scheme_of


@click.group(no_args_is_help=False)
def storage() -> None:
    """Look after stores."""


storage.add_command(check)


@storage.command()
@click.argument("path")
@json_option
def repair(path: str, *, in_json: bool) -> Exit:
    """Make a damaged store usable again; the original is kept beside it.

    PATH is the file of a JSON store, or the URL of a store whose backend can repair.
    """
    scheme, file = (scheme_of(path), path_of(path)) if "://" in path else ("json", pathlib.Path(path))
    done = _repairer(scheme)(file)
    if in_json:
        as_json(plain(done))
    elif not done.problems:
        data("nothing is damaged, and nothing was done")
    else:
        restored = [f"{name} as of version {version}" for name, version in done.restored.items()]
        facts(
            [
                ("damaged", "\n".join(map(clean, done.problems))),
                ("original", done.original),
                ("restored", "\n".join(restored)),
                ("dropped", "\n".join(done.dropped)),
                ("lost commits", done.lost or ""),
            ]
        )
    return Exit.PARTLY if done.problems and (done.restored or done.dropped or done.lost) else Exit.DONE


def _repairer(scheme: str) -> Any:  # noqa: ANN401 - an optional ability of backends, which the library does not import
    """Return the backend's function that repairs a file and tells what it did."""
    able = {
        entry.name: backend.repair
        for entry in importlib.metadata.entry_points(group=GROUP)
        if hasattr(backend := entry.load(), "repair")
    }
    if scheme not in able:
        raise click.UsageError(f"no {scheme} backend that can repair is installed; able are: {', '.join(sorted(able))}")
    return able[scheme]
