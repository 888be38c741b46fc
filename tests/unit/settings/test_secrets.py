"""What the settings never show."""

from __future__ import annotations

import pytest

from itsm_workflow.errors import SettingsError
from itsm_workflow.secrets import Secret
from itsm_workflow.settings import Settings
from tests.unit.settings.test_settings import APP_SECRET, ENOUGH, make


class TestNotShowing:
    """Secrets stay inside."""

    def test_no_secret_in_repr_or_sources(self) -> None:
        """Settings may be printed."""
        settings = make(callback_keys=(Secret("k" * 32),), store="postgresql://me:pw@db/itsm")

        shown = f"{settings!r}{settings}{dict(settings.sources)}"

        assert APP_SECRET not in shown
        assert "kkkk" not in shown
        assert "pw@db" not in shown

    def test_no_secret_in_the_error_or_its_traceback(self) -> None:
        """A report of the error may show every frame's variables."""
        with pytest.raises(SettingsError) as caught:
            Settings.from_env({**ENOUGH, "BKAPP_ITSM_TIMEOUT": "x"})

        trace, shown = caught.value.__traceback__, str(caught.value)
        while trace is not None:
            if trace.tb_frame.f_code.co_filename != __file__:
                shown += repr(trace.tb_frame.f_locals)
            trace = trace.tb_next
        assert APP_SECRET not in shown
