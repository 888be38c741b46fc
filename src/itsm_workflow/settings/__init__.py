"""The settings of a deployment: the gateway, its credentials, the address for callbacks.

Settings are read once and passed on. An argument has precedence over a variable of the library, that over a variable of
the platform, and that over the default. ``sources`` names the origin of each value.
"""

from __future__ import annotations

from itsm_workflow.settings.model import Settings
from itsm_workflow.settings.proxy import proxy_place, proxy_secrets
from itsm_workflow.settings.rules import is_loopback
from itsm_workflow.settings.variables import VARIABLES, unknown_variables

__all__ = ["VARIABLES", "Settings", "is_loopback", "proxy_place", "proxy_secrets", "unknown_variables"]
