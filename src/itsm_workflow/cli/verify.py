"""The command that explores every sequence of events that a change can go through."""

from __future__ import annotations

import contextlib
import sys
from itertools import chain
from typing import TYPE_CHECKING

import attrs
import rich_click as click
from rich.console import Console

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, clean, data, facts
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.values import Whole
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.testing.exploration import Bounds, Exploration

_MOST = 10  # as `Bounds` has it


@click.command()
@click.option("--depth", type=Whole(0), help="The most steps to take; all by default.")
@click.option("--ticks", type=Whole(0, _MOST), default=3, show_default=True, help="Steps of time.")
@click.option("--faults", type=Whole(0, _MOST), default=2, show_default=True, help="Faults to inject.")
@click.option("--acts", type=Whole(0, _MOST), default=1, show_default=True, help="Acts of an operator or a host.")
@json_option
def verify(depth: int | None, ticks: int, faults: int, acts: int, *, in_json: bool) -> Exit:
    """Walk every order of calls, answers, callbacks, looks and crashes within bounds, and check the promises in each.

    Exits with 1 if a promise is broken, and prints the shortest sequence that breaks it.
    """
    from itsm_workflow.testing.exploration import Bounds, explore  # noqa: PLC0415 - to save start-up time

    bounds = Bounds(ticks=ticks, faults=faults, acts=acts)
    with _progress() as progress:
        found = explore(depth=depth, bounds=bounds, progress=progress)
    if in_json:
        as_json(plain_exploration(bounds, found))
    else:
        _print(bounds, found)
    return Exit.DONE if found.holds else Exit.FAILED


def plain_exploration(bounds: Bounds, found: Exploration) -> dict[str, object]:
    """Return the result as a JSON object; its keys are documented and stable."""
    return {
        "bounds": {name: getattr(bounds, name) for name in ("ticks", "faults", "acts", "workers")},
        "states": found.states,
        "depth": found.depth,
        "complete": found.complete,
        "drains": found.drains,
        "violations": len(found.violations),
        "bad_ends": len(found.bad_ends),
        "seconds": round(found.seconds, 3),
        "unreached": attrs.asdict(found.unreached),
        "findings": [attrs.asdict(finding) for finding in (*found.violations, *found.bad_ends)],
    }


def _print(bounds: Bounds, found: Exploration) -> None:
    facts(
        (
            (
                "bounds",
                ", ".join(counted(getattr(bounds, f"{one}s"), one) for one in ("tick", "fault", "act", "worker")),
            ),
            ("states", f"{found.states:,}"),
            ("depth", found.depth),
            ("drains", f"{found.drains:,}"),
            ("seconds", f"{found.seconds:.1f} of one core"),
            ("unreached", "; ".join(chain.from_iterable(attrs.astuple(found.unreached))) or "nothing"),
            ("verdict", _verdict(found)),
        )
    )
    for finding in (*found.violations, *found.bad_ends):
        data("")
        data("\n".join(map(clean, str(finding).splitlines())))


def _verdict(found: Exploration) -> str:
    if not found.holds:
        return f"broken: {len(found.violations)} violations, {len(found.bad_ends)} bad ends"
    walked = "everything within the bounds was walked" if found.complete else "walked up to this depth only"
    return f"holds: 0 violations, 0 bad ends; {walked}"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], object] | None]:
    """Show the progress on standard error while it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with Console(stderr=True).status("walking") as status:
        yield lambda states, depth: status.update(f"walking: {states:,} states, {counted(depth, 'step')} deep")
