"""The console: pages in which people look after the changes of a workflow, as a WSGI application.

It needs the extra ``web``. ::

    application = console(workflow)
"""

from __future__ import annotations

try:
    import flask  # noqa: F401 - only to name the extra if it is missing
except ImportError as error:
    raise ImportError(
        f"{error}: the console needs packages of its own, install them with `pip install 'itsm-workflow[web]'`"
    ) from error

from itsm_workflow.web.application import console

__all__ = ["console"]
