"""Fixtures for the tests of a host, loaded in every pytest run of an environment that has this library installed.

This module imports nothing but pytest, so a run that uses no fixture pays nothing. A host sets the arguments of its
workflow by overriding the fixture ``itsm_workflow_options``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow import Workflow
    from itsm_workflow.testing.manual_clock import ManualClock
    from itsm_workflow.testing.memory_sandbox import MemorySandbox


@pytest.fixture
def itsm_clock() -> ManualClock:
    """A clock that only moves when the test moves it."""
    from itsm_workflow.testing.manual_clock import ManualClock  # noqa: PLC0415 - see the module's docstring

    return ManualClock()


@pytest.fixture
def itsm_sandbox(itsm_clock: ManualClock) -> MemorySandbox:
    """BK-ITSM in memory: people approve and reject, time passes, callbacks arrive."""
    from itsm_workflow.testing.memory_sandbox import MemorySandbox  # noqa: PLC0415 - see the module's docstring

    return MemorySandbox(clock=itsm_clock)


@pytest.fixture
def itsm_workflow_options() -> Mapping[str, Any]:
    """The arguments of `Workflow`, such as effects and definition; a host overrides this fixture."""
    return {}


@pytest.fixture
def itsm_workflow(
    itsm_sandbox: MemorySandbox, itsm_clock: ManualClock, itsm_workflow_options: Mapping[str, Any]
) -> Iterator[Workflow]:
    """A workflow over that ticket system and a store in memory; it receives the ticket system's callbacks."""
    from itsm_workflow import Workflow  # noqa: PLC0415 - see the module's docstring

    if not hasattr(itsm_workflow_options, "keys"):
        raise TypeError(
            f"the fixture itsm_workflow_options returned {itsm_workflow_options!r}: it must return a mapping of "
            "Workflow's arguments, such as {'effects': ...}"
        )
    values: dict[str, Any] = {
        "gateway": itsm_sandbox.gateway,
        "after_callback": "inline",
        "clock": itsm_clock,
        **itsm_workflow_options,
    }
    if "storage" not in values:
        values["storage"] = "memory://"
    with Workflow(**values) as workflow:
        itsm_sandbox.receive = workflow.receive
        yield workflow
