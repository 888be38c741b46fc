"""How thoroughly the kit tries the shipped backends in these tests."""

from __future__ import annotations

import attrs

from itsm_workflow.testing.conformance import QUICK

SHORT = attrs.evolve(QUICK, name="short", walks=6, rounds=10, points=3, states=10)
"""Few walks, races, calls that can fail, and states after a power cut; the long tests try as many as `QUICK`."""
