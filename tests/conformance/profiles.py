"""How thoroughly the kit tries the shipped backends in these tests."""

from __future__ import annotations

import attrs

from itsm_workflow.testing.conformance import QUICK

SHORT = attrs.evolve(QUICK, name="short", points=5, states=20)
"""Few of the calls that can fail, and of the states after a power cut; the long tests try those of `QUICK`."""
