"""Checks of a definition beyond those made when it is built: its graph, its guards, and a store of changes.

The guards are tried on sampled evidence, so no test tool is needed. The command ``itsm-workflow lint-graph`` prints
the findings.
"""

from __future__ import annotations

from itsm_workflow.lint.exempted import Exempted
from itsm_workflow.lint.findings import CHECKS, LintFinding, Severity
from itsm_workflow.lint.report import LintReport, lint, refused_report
from itsm_workflow.lint.stranded import Stranded, stranded

__all__ = [
    "CHECKS",
    "Exempted",
    "LintFinding",
    "LintReport",
    "Severity",
    "Stranded",
    "lint",
    "refused_report",
    "stranded",
]
