"""Property tests of your own workflow: a Hypothesis state machine for any definition.

::

    from hypothesis.stateful import invariant
    from itsm_workflow.testing import WorkflowMachine


    class Deployments(WorkflowMachine.for_definition(DEPLOYMENT)):
        @invariant()
        def nothing_is_live_without_an_outcome(self):
            assert self.change.state != "live" or self.change.outcome is not None


    TestDeployments = Deployments.TestCase
"""

from __future__ import annotations

from itsm_workflow.testing.workflow_machine._machine import WorkflowMachine

__all__ = ["WorkflowMachine"]
