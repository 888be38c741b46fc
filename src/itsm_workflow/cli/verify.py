"""The command that explores every sequence of events that a change can go through."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING

import attrs
import rich_click as click
from rich.console import Console

from itsm_workflow.cli.definitions import loaded_definition
from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, clean, data, facts
from itsm_workflow.cli.places import imported
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.values import Seconds, Whole
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow.testing.exploration import Exploration

_MOST = 10  # as `Bounds` has it
_FOR_TWO = {"ticks": 1, "faults": 1, "acts": 0, "workers": 1}


@click.command()
@click.argument("definition", required=False)
@click.option("--changes", type=Whole(1, 2), default=1, show_default=True, help="Changes of one subject.")
@click.option("--ticks", type=Whole(0, _MOST), help="Steps of time: 3 by default, 1 for two changes, 0 with --grow.")
@click.option("--faults", type=Whole(0, _MOST), help="Faults to inject: 2, 1 or 0 by default.")
@click.option("--acts", type=Whole(0, _MOST), help="Acts of an operator or a host: 1, 0 or 0 by default.")
@click.option("--workers", type=Whole(1, 2), help="Workers of each change: 2, or 1 for two changes, by default.")
@click.option(
    "--grow", is_flag=True, help="Raise the bounds until everything was reached, within --states or --seconds."
)
@click.option(
    "--host-acts",
    "path",
    metavar="MODULE:NAME",
    help="A function that returns the acts on a change, as the argument acts of explore; by default an operator's.",
)
@click.option("--depth", type=Whole(0), help="The most steps to take; all by default.")
@click.option("--states", type=Whole(0), help="The most worlds to visit; all by default.")
@click.option("--seconds", type=Seconds(0), help="The longest run time on one core; no limit by default.")
@json_option
def verify(  # noqa: PLR0917 - click passes them by name
    definition: str | None,
    changes: int,
    ticks: int | None,
    faults: int | None,
    acts: int | None,
    workers: int | None,
    path: str | None,
    depth: int | None,
    states: int | None,
    seconds: float | None,
    *,
    grow: bool,
    in_json: bool,
) -> Exit:
    """Walk every order of calls, answers, callbacks, looks and crashes within bounds, and check the promises in each.

    DEFINITION names a WorkflowDefinition, a Workflow, or a function that returns one, as module:name. The default is
    the workflow that is shipped. Exits with 1 if a promise is broken, and prints the shortest sequence that breaks it.
    """
    from itsm_workflow.testing.exploration import Bounds, explore, operator_acts  # noqa: PLC0415 - to save start-up time

    if grow and states is None and seconds is None:
        raise click.UsageError("--grow raises the bounds until a budget is used up: pass --states or --seconds")
    given = {"ticks": ticks, "faults": faults, "acts": acts, "workers": workers}
    chosen = dict(_FOR_TWO) if changes > 1 else {}
    chosen |= {"ticks": 0, "faults": 0, "acts": 0} if grow else {}
    chosen |= {name: value for name, value in given.items() if value is not None}
    walked = loaded_definition(definition)
    acts_on = operator_acts if path is None else imported(path, Callable, label=f"--host-acts {path}")  # type: ignore[arg-type]  # isinstance takes it
    with _progress() as progress:
        found = explore(
            definition=walked,
            changes=changes,
            bounds=Bounds(**chosen),  # type: ignore[arg-type]  # whole numbers
            grow=grow,
            depth=depth,
            states=states,
            seconds=seconds,
            acts=acts_on,
            progress=progress,
        )
    limits = {"depth": depth, "states": states, "seconds": seconds}
    if in_json:
        as_json({**plain_exploration(found), "limits": limits})
    else:
        _print(found, limits)
    return Exit.DONE if found.holds else Exit.FAILED


def plain_exploration(found: Exploration) -> dict[str, object]:
    """Return the result as a JSON object; its keys are documented and stable."""
    return {
        "changes": found.changes,
        "bounds": {name: getattr(found.bounds, name) for name in ("ticks", "faults", "acts", "workers")},
        "raised": list(found.raised),
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


def _print(found: Exploration, limits: Mapping[str, float | None]) -> None:
    limited = ", ".join(f"{name} {limit:,}" for name, limit in limits.items() if limit is not None)
    facts(
        (
            ("changes", found.changes),
            (
                "bounds",
                ", ".join(counted(getattr(found.bounds, f"{one}s"), one) for one in ("tick", "fault", "act", "worker")),
            ),
            *((("limits", limited),) if limited else ()),
            ("raised", "\n".join(found.raised)),
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
    walked = "everything within the bounds was walked" if found.complete else "walked up to a limit only"
    return f"holds: 0 violations, 0 bad ends; {walked}"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], object] | None]:
    """Show the progress on standard error while it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with Console(stderr=True).status("walking") as status:
        yield lambda states, depth: status.update(f"walking: {states:,} states, {counted(depth, 'step')} deep")
