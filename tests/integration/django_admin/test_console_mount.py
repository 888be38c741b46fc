"""The console in a Django project, behind its session, by the view that the documentation shows."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.desk import ASKED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.django_host.browsers import As

PAGE = Path(__file__).parents[3] / "docs/how-to/console.md"
MOUNT = "/itsm/console/"


@pytest.fixture
def _mounted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the block of the page the routes of the project."""
    from django.conf import settings  # noqa: PLC0415 - Django is set up by now
    from django.test import override_settings  # noqa: PLC0415 - Django is set up by now
    from django.urls import re_path  # noqa: PLC0415 - as above

    [block] = re.findall(r"```py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    routes = types.ModuleType("console_routes")
    exec(block, vars(routes))  # noqa: S102 - a block of the page
    routes.urlpatterns = [re_path(r"^itsm/console/(?P<path>.*)$", routes.itsm_console)]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, routes.__name__, routes)
    middleware = [one for one in settings.MIDDLEWARE if "django_host" not in one]  # the users are those of the session
    with override_settings(ROOT_URLCONF=routes.__name__, MIDDLEWARE=middleware):
        yield


@pytest.mark.usefixtures("_mounted", "desk")
def test_the_user_of_the_session_acts(browser_of: As) -> None:
    """The pages, their links and their forms are below the path; the actor is the user."""
    from itsm_workflow.integrations.django import get_workflow  # noqa: PLC0415 - Django is set up by now

    workflow = get_workflow()
    change = workflow.draft(subject="collector-1", **ASKED)
    browser = browser_of(name="olga")
    text = browser.get(f"{MOUNT}changes/").content.decode()
    assert "collector-1" in text
    assert all(link.startswith(MOUNT) for link in re.findall(r'(?:href|action)="(/[^"]*)"', text))
    assert browser.get(f"{MOUNT}static/console.css").status_code == 200
    address = f"{MOUNT}changes/{change.id}/abandon/"
    asked = browser.get(address, {"language": "zh"})
    assert asked.cookies["itsm_language"]["path"] == MOUNT.rstrip("/")
    form = dict(re.findall(r'name="(csrf|stand)" value="([^"]*)"', asked.content.decode()))
    assert browser.post(address, {**form, "csrf": "guessed", "reason": "no longer needed"}).status_code == 403
    done = browser.post(address, {**form, "reason": "no longer needed"})
    assert (done.status_code, done["Location"].startswith(f"{MOUNT}changes/{change.id}/")) == (303, True)
    assert (workflow.get(change.id).state, workflow.history(change.id)[-1].actor) == ("rejected", "olga")


@pytest.mark.usefixtures("_mounted", "desk")
def test_without_a_session_django_asks_for_a_login() -> None:
    """The console is not asked."""
    from django.test import Client  # noqa: PLC0415 - Django is set up by now

    answer = Client().get(f"{MOUNT}changes/")
    assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={MOUNT}changes/")
