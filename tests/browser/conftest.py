"""A Chromium, and a real server with Django's admin. These tests are collected with ``--browser`` only.

They need Chromium on this machine, and fail if it is missing.
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from itsm_workflow import Effect, Policy, State
from itsm_workflow.change import AttentionReason
from itsm_workflow.machine.evidence import Concern
from tests.support.desk import ASKED, Desk
from tests.support.django_host import itsm, setup

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Page

    from itsm_workflow.form import FormArguments

    Opened = Callable[..., AbstractContextManager[Page]]
    Watched = Callable[..., AbstractContextManager[Page]]

_LEFT = "net::ERR_ABORTED"
"""The failure of a request that the browser gives up, since the page is left."""

NAME, PASSWORD = "olga", "not-a-secret"
TITLES = ("接入 nginx 日志", "接入支付网关访问日志", "Collect the audit log of the order service")
FIELDS = {"expect_host_size": 10, "log_keep_days": 7, "apply_reason": "排查问题", "api_token": "of the host"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect nothing here, unless the option is given."""
    return None if config.getoption("--browser") else True


def _is_no_error(said: ConsoleMessage, statuses: Collection[int]) -> bool:
    """Return whether a message is no error, or says that an icon or page is missing, or that a status was expected."""
    url: str = said.location["url"]
    is_expected = any(f"status of {status} " in said.text for status in (400, *statuses))  # 400: a form not filled in
    return bool(said.type != "error") or url.endswith(("/favicon.ico", "/nowhere/")) or is_expected


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as its base has it
        """Log nothing."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser without windows."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - `make test-browser` installs it

    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail("Chromium is missing: install Debian's package chromium, or name one by CHROMIUM=/path/to/it")
    # Playwright runs an event loop in this thread, in which Django would refuse to use the tables of the users.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of a server with the project of the tests, and one user."""
    setup.set_up()
    from django.contrib.auth.models import User  # noqa: PLC0415 - Django is set up by now
    from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: PLC0415 - as above
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415 - as above
    from django.core.management import call_command  # noqa: PLC0415 - as above

    for app in ("contenttypes", "auth", "admin"):
        call_command("migrate", app, verbosity=0, skip_checks=True)
    User.objects.create_superuser(NAME, "", PASSWORD)
    server = make_server("127.0.0.1", 0, StaticFilesHandler(WSGIHandler()), _Server, _Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    setup.tear_down()


@pytest.fixture
def desk(address: str) -> Iterator[Desk]:
    """A desk with changes in different states: one has a parked effect, one's ticket was not found."""
    from itsm_workflow.integrations.django import close_workflow, get_workflow  # noqa: PLC0415 - Django is set up

    desk = Desk()

    def unreachable(_: object) -> None:
        raise RuntimeError("the collector's host is unreachable")

    effects = {State.APPROVED: [Effect("start_collection", unreachable)]}
    itsm.chosen.update(itsm.of_desk(desk), effects=effects, policy=Policy(effect_attempts=2))
    workflow = get_workflow()
    for number in range(8):
        asked: FormArguments = {
            **ASKED,
            "title": TITLES[number % 3],
            "applicant": ("alice", "bob", "erin")[number % 3],
            "fields": FIELDS,
        }
        change = workflow.apply(subject=f"collector-{number}", **asked)
        if number in {1, 4}:
            desk.decide(change, approved=number == 1)
            workflow.settle(change.id)
        if number == 3:
            concern = Concern(reason=AttentionReason.HOST, facts={"quota": "used up"})
            workflow.fire(change.id, "raise_attention", concern, actor="quota-service")
        desk.clock.advance(7200)
    workflow.draft(subject="collector-8", **ASKED)
    workflow.reconcile()
    desk.hide_tickets()
    lost: FormArguments = {**ASKED, "fields": FIELDS}
    workflow.apply(subject="collector-9", **lost)
    for _ in range(8):
        desk.clock.advance(3600)
        workflow.reconcile()
    desk.faults.clear()
    yield desk
    close_workflow()
    itsm.chosen.clear()


@pytest.fixture
def watched(browser: Browser) -> Watched:
    """A function that opens a browser at an address; its page must be free of errors to the end.

    An error is an exception in a script, a message of the console such as a violation of the content security policy,
    a dialog, a failed request, or a request to another host. A form that was not filled in may be refused with 400,
    and a page whose address ends with ``/nowhere/`` need not exist; other pages may have the ``statuses`` given.
    """

    @contextmanager
    def watched(
        address: str, width: int = 1440, language: str = "en", statuses: Collection[int] = ()
    ) -> Iterator[Page]:
        errors: list[str] = []
        context = browser.new_context(viewport={"width": width, "height": 900}, locale=language, base_url=address)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"exception: {error}"))
        page.on(
            "console", lambda said: None if _is_no_error(said, statuses) else errors.append(f"console: {said.text}")
        )
        page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
        page.on("requestfailed", lambda one: None if one.failure == _LEFT else errors.append(f"failed: {one.url}"))
        page.on("request", lambda one: None if one.url.startswith(address) else errors.append(f"asked: {one.url}"))
        yield page
        context.close()
        assert errors == []

    return watched


@pytest.fixture
def opened(watched: Watched, address: str) -> Opened:
    """A function that opens the list as a user who is logged in."""

    @contextmanager
    def opened(width: int = 1440, language: str = "en", statuses: Collection[int] = ()) -> Iterator[Page]:
        with watched(address, width, language, statuses) as page:
            page.goto("/admin/login/?next=/admin/itsm_workflow/change/")
            page.fill("#id_username", NAME)
            page.fill("#id_password", PASSWORD)
            page.click("input[type=submit]")
            yield page

    return opened
