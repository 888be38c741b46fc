"""A definition checked beyond what is refused when it is built: its graph, its guards on sampled evidence, a store.

Needs no test tool. The command ``itsm-workflow lint-graph`` prints what is found.
"""

from __future__ import annotations

from itsm_workflow.lint.findings import CHECKS, LintFinding, Severity
from itsm_workflow.lint.report import LintReport, lint, refused_report
from itsm_workflow.lint.stranded import Stranded, stranded

__all__ = ["CHECKS", "LintFinding", "LintReport", "Severity", "Stranded", "lint", "refused_report", "stranded"]
