"""Pictures of a workflow, and of one change, drawn from its history."""

from __future__ import annotations

from itsm_workflow.pictures.graph import Graph
from itsm_workflow.pictures.image import image
from itsm_workflow.pictures.sequence import SequenceDiagram
from itsm_workflow.pictures.timeline import Timeline

__all__ = ["Graph", "SequenceDiagram", "Timeline", "image"]
