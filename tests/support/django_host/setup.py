"""Set Django up, once in a process."""

from __future__ import annotations

import os
import shutil
import sys


def set_up() -> None:
    """Set Django up with the settings of the test project, unless this process has done so."""
    import django  # noqa: PLC0415 - only the tests that need it load it

    if "tests.support.django_host.settings" in sys.modules:
        return
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.django_host.settings"
    try:
        django.setup()
    finally:
        del os.environ["DJANGO_SETTINGS_MODULE"]  # other processes of the tests set Django up by themselves


def tear_down() -> None:
    """Close the connections, and remove the databases of this process."""
    from django.db import connections  # noqa: PLC0415 - see above

    from tests.support.django_host.settings import FOLDER  # noqa: PLC0415 - see above

    connections.close_all()
    shutil.rmtree(FOLDER, ignore_errors=True)
