"""A failing run as a pytest file that repeats it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.simulation.host import Host
from itsm_workflow.testing.simulation.naming import home_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.testing.simulation.faults import Fault
    from itsm_workflow.testing.simulation.runs import Run

_LENGTH = 118

_FILE = '''\
"""Seed {seed} of a simulation, which broke: {rules}.

{timeline}
"""

from __future__ import annotations

{imports}


def test_seed_{name}() -> None:
    """Seed {seed} with these faults no longer breaks a rule."""
    simulate(
{arguments}
    )
'''


def replay_file(run: Run, host: Host) -> str:
    """Return a pytest file that runs a seed with exactly its faults.

    Raises:
        ValueError: A part of the host has no name at module level, so a file cannot import it.
    """
    imports = {"itsm_workflow.testing.simulation": {"Failure", "Fault", "simulate"} if run.faults else {"simulate"}}
    arguments = [f"seeds=[{run.seed}]", "faults=[" + "".join(f"\n            {_fault(one)}," for one in run.faults)]
    arguments[-1] += "\n        ]" if run.faults else "]"
    for field in attrs.fields(Host):
        value = getattr(host, field.name)
        if value is field.default or value == field.default:
            continue
        arguments.append(f"{field.name}={_written(field.name, value, imports)}")
    return _FILE.format(
        seed=run.seed,
        name=str(run.seed).replace("-", "minus_"),
        rules=", ".join(sorted(run.rules)) or "nothing",
        timeline="\n".join(_harmless(line) for line in _described(run)),
        imports="\n".join(
            f"from {module} import {', '.join(sorted(names, key=str.lower))}"
            for module, names in sorted(imports.items())
        ),
        arguments="\n".join(f"        {argument}," for argument in arguments),
    )


def _described(run: Run) -> Iterator[str]:
    yield from run.findings
    yield ""
    yield from run.timeline.splitlines()


def _harmless(line: str) -> str:
    """Return a line that cannot end the docstring that contains it."""
    return line.replace("\\", "/").replace('"', "'")[:_LENGTH].rstrip()


def _fault(fault: Fault) -> str:
    length = f", seconds={fault.seconds!r}" if fault.seconds else ""
    return f"Fault(kind=Failure.{fault.kind.name}, point={fault.point!r}, number={fault.number}{length})".replace(
        "'", '"'
    )


def _written(part: str, value: object, imports: dict[str, set[str]]) -> str:
    """Return the expression for a value in the file, and record the imports that it needs."""
    plain = value is None or isinstance(value, str | int | float | tuple | list)
    home = None if plain else home_of(value)
    if home is not None:
        module, name = home
        imports.setdefault(module, set()).add(name)
        return name
    if isinstance(value, tuple | list) and value:
        items = "".join(f"{_written(part, item, imports)}, " for item in value)
        return f"[{items[:-2]}]"
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        items = "".join(f"{key!r}: {_written(part, item, imports)}, " for key, item in value.items())
        return f"{{{items[:-2]}}}"
    if plain:
        return repr(value)
    raise ValueError(
        f"a file that replays this run cannot import its {part}: assign {value!r} to a name at the top level of a "
        "module that can be imported"
    )
