"""Django: an app with settings, checks, views and a form, over one workflow in each process.

The package itself imports neither models nor settings, so it can be named in ``INSTALLED_APPS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    import django as _django  # noqa: F401 - the packages of the extra are installed
except ImportError as error:
    raise ImportError(
        f"{error}: install the packages that it needs with `pip install 'itsm-workflow[django]'`"
    ) from error

from itsm_workflow.exports import exports

if TYPE_CHECKING:
    from itsm_workflow.integrations.django.process import close_workflow, get_workflow
    from itsm_workflow.integrations.django.workflow import DjangoWorkflow
else:
    __getattr__, __dir__ = exports(__name__, {"process": "close_workflow get_workflow", "workflow": "DjangoWorkflow"})

__all__ = ["DjangoWorkflow", "close_workflow", "get_workflow"]
