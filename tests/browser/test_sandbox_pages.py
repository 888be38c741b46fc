"""The sandbox's pages in a browser: a developer of a host clicks through an approval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import BkItsmGateway, State, Workflow
from itsm_workflow.sandbox import Sandbox, use_own_pages
from tests.browser.accessibility import refuse_barriers
from tests.browser.test_django_admin import ROOT, WIDTHS, fits
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from itsm_workflow.form import FormArguments
    from tests.browser.conftest import Watched
    from tests.browser.test_django_admin import Scheme

ASKED: FormArguments = {"title": "接入 nginx 日志", "applicant": "alice", "approvers": ["bob", "carol"]}
BAIT = '<img src=x onerror="alert(1)"><script>alert(2)</script>"\'>'


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox whose tickets have pages."""
    with Sandbox() as started:
        use_own_pages(started, started.root)
        yield started


@pytest.fixture
def workflow(sandbox: Sandbox) -> Iterator[Workflow]:
    """A workflow that files with it."""
    with Workflow(storage="memory://", gateway=BkItsmGateway(sandbox.settings(ticket_hosts=("127.0.0.1",)))) as made:
        yield made


def ended(page: Page, words: str) -> None:
    """Wait until the page, which loads itself again, shows the status."""
    page.locator("p strong", has_text=words).wait_for(timeout=PATIENCE * 1000)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_address_of_a_ticket_opens_its_page_and_bob_approves(
    sandbox: Sandbox, workflow: Workflow, watched: Watched, width: int
) -> None:
    """What he says is what the library reads."""
    change = workflow.apply(subject="collector-42", **ASKED)
    with watched(sandbox.root, width) as page:
        page.goto(change.ticket_url or "")
        page.locator("button", has_text="Approve").wait_for(timeout=PATIENCE * 1000)
        assert fits(page)
        refuse_barriers(page)
        page.locator("select[name=approver]").select_option("carol")
        page.fill("[name=remark]", "go ahead")
        page.click("button >> text=Approve")
        ended(page, "FINISHED, approved")
        assert "go ahead" in page.locator("main").inner_text()
        assert fits(page)
        refuse_barriers(page)
    workflow.settle(change.id)
    assert workflow.get(change.id).state == State.APPROVED
    assert "carol" in str(workflow.status(change.id))


@pytest.mark.parametrize("width", WIDTHS)
def test_an_approver_with_a_chinese_browser_approves_and_changes_the_language(
    sandbox: Sandbox, workflow: Workflow, watched: Watched, width: int
) -> None:
    """The pages are in the language of the browser, until the link to the other one is clicked."""
    change = workflow.apply(subject="collector-42", **ASKED)
    with watched(sandbox.root, width, "zh-CN") as page:
        page.goto(change.ticket_url or "")
        page.locator("button", has_text="通过").wait_for(timeout=PATIENCE * 1000)
        assert fits(page)
        refuse_barriers(page)
        page.fill("[name=remark]", "同意")
        page.click("button >> text=通过")
        ended(page, "已完成，审批通过")
        page.goto("/misbehave/")
        assert fits(page)
        refuse_barriers(page)
        page.click("nav >> text=English")
        assert page.locator("h1").inner_text() == "Misbehave"
        page.click("nav >> text=Tickets")
        assert page.locator("h1").inner_text() == "Tickets"
        assert fits(page)
    workflow.settle(change.id)
    assert workflow.get(change.id).state == State.APPROVED


def test_a_person_rejects_from_the_list_and_the_applicant_sees_why(
    sandbox: Sandbox, workflow: Workflow, watched: Watched
) -> None:
    """From the first page, by its link."""
    change = workflow.apply(subject="collector-42", **ASKED)
    sandbox.wait(lambda ledger: ledger.tickets()[0].step_running)
    with watched(sandbox.root) as page:
        page.goto("/")
        page.click(f"text={change.sn}")
        page.fill("[name=remark]", "not enough disk")
        page.click("button >> text=Reject")
        ended(page, "FINISHED, not approved")
    workflow.settle(change.id)
    assert "not enough disk" in workflow.why(change.id)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_fault_is_armed_by_a_form_and_hits_the_next_create(
    sandbox: Sandbox, workflow: Workflow, watched: Watched, width: int
) -> None:
    """The call is listed with the fault; the library found the ticket by its key."""
    with watched(sandbox.root, width) as page:
        page.goto("/misbehave/")
        page.select_option("[name=kind]", "lose_answer")
        page.click("button >> text=Arm")
        assert "lose_answer" in page.locator("td").first.inner_text()
        assert fits(page)
        refuse_barriers(page)
        change = workflow.apply(subject="collector-42", **ASKED)
        page.goto("/")
        assert "no answer (fault: lose_answer)" in page.locator("main").inner_text()
        assert fits(page)
    assert [one.sn for one in sandbox.tickets()] == [change.sn]


def test_a_page_loads_itself_again_unless_a_person_stops_it(
    sandbox: Sandbox, workflow: Workflow, watched: Watched
) -> None:
    """The box stays off on the next page, and a person who is in a link is not taken away from it."""
    with watched(sandbox.root) as page:
        page.clock.install()
        page.goto("/")
        page.uncheck("#again")
        page.click("nav >> text=Tickets")
        change = workflow.apply(subject="collector-42", **ASKED)
        shown = page.locator("td", has_text=change.sn)
        page.clock.run_for(20_000)
        page.check("#again")
        page.locator("nav a").first.focus()
        page.clock.run_for(20_000)
        assert shown.count() == 0
        page.locator("nav a").first.blur()
        shown.first.wait_for(timeout=PATIENCE * 1000)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_open_to_everybody(
    sandbox: Sandbox, workflow: Workflow, watched: Watched, width: int, scheme: Scheme
) -> None:
    """Tickets that wait, have ended or do not exist, armed faults, and a form that was refused."""
    for name in ("first", "second"):
        workflow.apply(subject=name, **ASKED)
    sandbox.wait(lambda ledger: all(one.step_running for one in ledger.tickets()))
    sandbox.reject(1, approver="bob", remark="y" * 200)
    with watched(sandbox.root, width) as page:
        page.emulate_media(color_scheme=scheme)
        page.goto("/")
        page.uncheck("#again")
        page.goto("/misbehave/")
        page.select_option("[name=kind]", "hold")
        page.click("button >> text=Arm")
        for path in ("/", "/tickets/1/", "/tickets/2/", "/tickets/nowhere/", "/misbehave/"):
            page.goto(path)
            assert fits(page), path
            refuse_barriers(page)
        page.fill("[name=seconds]", "soon")
        page.click("button >> text=Arm")
        assert page.locator("[role=alert]").count() == 1
        refuse_barriers(page)


def test_texts_of_a_ticket_do_not_run(sandbox: Sandbox, workflow: Workflow, watched: Watched) -> None:
    """In the list, and on its page."""
    workflow.apply(subject="c", title=BAIT, applicant="alice", approvers=["bob"], content=BAIT)
    sandbox.wait(lambda ledger: ledger.tickets()[0].step_running)
    with watched(sandbox.root) as page:
        for path in ("/", "/tickets/1/"):
            page.goto(path)
            assert page.locator("img").count() == 0
            assert BAIT in page.locator("main").inner_text()


@pytest.mark.parametrize(
    ("name", "path", "width"),
    [("list", "/", 1440), ("ticket", "/tickets/2/", 1440), ("misbehave", "/misbehave/", 400)],
)
@pytest.mark.parametrize(("language", "suffix"), [("en", ""), ("zh-CN", "-zh")])
def test_pictures_are_taken(  # noqa: PLR0917 - fixtures and parameters
    sandbox: Sandbox,
    workflow: Workflow,
    watched: Watched,
    pytestconfig: pytest.Config,
    name: str,
    path: str,
    width: int,
    language: str,
    suffix: str,
) -> None:
    """With ``--pictures`` they replace those of the documents; each shows a page that is not empty."""
    folder = ROOT / ("docs/pictures" if pytestconfig.getoption("--pictures") else "build/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(3):
        workflow.apply(subject=f"collector-{number}", **ASKED)
    sandbox.wait(lambda ledger: all(one.step_running for one in ledger.tickets()))
    sandbox.reject(1, approver="bob", remark="磁盘空间不足")
    sandbox.wait(lambda ledger: ledger.tickets()[0].callbacks)
    with watched(sandbox.root, width, language) as page:
        page.goto(path)
        assert len(page.screenshot(path=folder / f"sandbox-{name}-{width}{suffix}.png")) > 10_000
