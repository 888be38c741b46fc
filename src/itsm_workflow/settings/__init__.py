"""The settings of a deployment: the gateway, its credentials, the address for callbacks.

Settings are read once and passed on. An argument has precedence over a variable of the library, that over a variable of
the platform, and that over the default. ``sources`` names the origin of each value.
"""

from __future__ import annotations

from itsm_workflow.settings.model import SETTINGS, VARIABLES, Settings

__all__ = ["SETTINGS", "VARIABLES", "Settings"]
