"""What the library must be told of the place it runs in: the gateway, its credentials, the callback's address.

Settings are read once and passed on. An argument beats a variable of ours, which beats one that the platform sets,
which beats the default. ``sources`` says where each value came from.
"""

from __future__ import annotations

from itsm_workflow.settings.model import Settings
from itsm_workflow.settings.proxy import proxy_place, proxy_secrets
from itsm_workflow.settings.rules import is_loopback
from itsm_workflow.settings.variables import VARIABLES, unknown_variables

__all__ = ["VARIABLES", "Settings", "is_loopback", "proxy_place", "proxy_secrets", "unknown_variables"]
