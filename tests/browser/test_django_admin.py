"""The pages of Django's admin in a browser: a person's way through them, and how they look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from itsm_workflow import State
from itsm_workflow.integrations.django import get_workflow
from tests.browser.accessibility import refuse_barriers
from tests.support.desk import ASKED

if TYPE_CHECKING:
    Scheme = Literal["light", "dark"]

    from playwright.sync_api import Page

    from itsm_workflow import ChangeRequest
    from itsm_workflow.form import FormArguments
    from tests.browser.conftest import Opened
    from tests.support.desk import Desk

ROOT = Path(__file__).parents[2]
WIDTHS = [400, 1440]
LIST = "/admin/itsm_workflow/change/"


def fits(page: Page) -> bool:
    """Return whether a page can be read without scrolling sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def current(page: Page) -> str:
    """Return the state that the picture shows as the current one, without the smaller letters of its time."""
    return " ".join(page.locator('.itsm-current text[font-size="12"]').all_text_contents())


def named(subject: str) -> ChangeRequest:
    """Return a change."""
    return get_workflow().resolve(subject)


@pytest.mark.parametrize("width", WIDTHS)
def test_an_operator_finds_a_change_and_abandons_it(desk: Desk, opened: Opened, width: int) -> None:
    """From the list, by a filter, with a reason that stays in the history."""
    with opened(width) as page:
        page.select_option("#id_attention", "not_found")
        page.click("text=Search")
        assert page.locator(".itsm-list th[scope=row]").all_inner_texts() == ["collector-9"]
        page.click("text=collector-9")
        assert current(page) == "Filing the ticket"
        page.click("nav >> text=Abandon")
        page.click("button >> text=Abandon")
        assert page.locator(".errorlist").inner_text() == "This field is required."
        page.fill("#id_reason", "alice no longer needs it")
        assert fits(page)
        refuse_barriers(page)
        page.click("button >> text=Abandon")
        assert "was carried out" in page.locator(".messagelist").inner_text()
        assert current(page) == "Not approved"
        assert "alice no longer needs it" in page.locator(".itsm-timeline").inner_text()
        assert fits(page)
        refuse_barriers(page)
    change = named("collector-9")
    assert (change.state, get_workflow().history(change.id)[-1].actor) == (State.REJECTED, "olga")


@pytest.mark.parametrize("width", WIDTHS)
def test_an_operator_retries_what_failed_on_the_whole_page(desk: Desk, opened: Opened, width: int) -> None:
    """What would be done is shown first; the box for the whole page needs no script."""
    with opened(width) as page:
        page.check("input[name=whole]")
        page.click("text=Retry …")
        texts = page.locator(".itsm-list").inner_text()
        assert "effect start_collection would be delivered again" in texts
        assert "the request would be sent again" in texts
        assert "Nothing was stored or sent yet." in page.content()
        assert fits(page)
        refuse_barriers(page)
        page.fill("#id_reason", "the network is back")
        page.click("button >> text=Retry")
        results = page.locator(".itsm-list").inner_text()
        assert "the collector's host is unreachable" in results
        assert "done" in results, results
        assert fits(page)
        refuse_barriers(page)
    assert named("collector-9").expect_attempt().number == 2


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_its_screen_and_is_open_to_everybody(
    desk: Desk, opened: Opened, width: int, language: str, scheme: Scheme
) -> None:
    """Also with texts that have no place to break."""
    asked: FormArguments = {**ASKED, "title": "y" * 90, "fields": {"z" * 60: "z" * 500}}
    long = get_workflow().draft(subject="x" * 60, **asked)
    change, ended, pending = (named(f"collector-{number}") for number in (9, 1, 3))
    paths = [LIST, *(f"{LIST}{one.id}/change/" for one in (change, long, ended))]
    paths += [f"{LIST}{change.id}/do/{name}/" for name in ("record_ticket", "resend", "abandon")]
    paths += [f"{LIST}{pending.id}/do/withdraw/"]
    with opened(width, language) as page:
        page.emulate_media(color_scheme=scheme)
        for path in paths:
            page.goto(path)
            assert page.locator("h1").count() == 1
            assert fits(page), path
            refuse_barriers(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "language"), [(400, "zh-CN"), (1440, "en")])
def test_every_page_of_an_error_fits_its_screen_and_is_open_to_everybody(
    desk: Desk, opened: Opened, width: int, language: str, scheme: Scheme
) -> None:
    """A change that does not exist, and a store that fails."""
    change = named("collector-9")

    with opened(width, language, (404, 503)) as page:
        page.emulate_media(color_scheme=scheme)

        def check(path: str, status: int) -> None:
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == status
            assert (page.locator("h1").count(), page.locator("[role=alert]").count()) == (1, 1)
            assert fits(page), path
            refuse_barriers(page)

        check(f"{LIST}nothing/change/", 404)
        desk.store.inner.close()
        check(LIST, 503)
        check(f"{LIST}{change.id}/change/", 503)


def test_hostile_texts_do_not_run(desk: Desk, opened: Opened) -> None:
    """In the list, on the page of a change, and where an operation is confirmed."""
    bait = '<img src=x onerror="alert(1)"><script>alert(2)</script>"\'>'
    asked: FormArguments = {**ASKED, "title": bait, "content": bait, "fields": {"a": bait}}
    change = get_workflow().draft(subject=bait, **asked)
    with opened() as page:
        for path in (LIST, f"{LIST}{change.id}/change/", f"{LIST}{change.id}/do/abandon/", f"{LIST}?sn={bait}"):
            page.goto(path)
            assert page.locator("img[src=x]").count() == 0
        assert page.locator("#id_sn").input_value() == bait


def test_the_pages_need_nothing_that_a_strict_policy_forbids(desk: Desk, opened: Opened) -> None:
    """No inline script or style, and nothing from elsewhere: `opened` fails at a violation."""
    with opened() as page:

        def strictly(route: object) -> None:
            answer = route.fetch(max_redirects=0)  # type: ignore[attr-defined]
            headers = {**answer.headers, "content-security-policy": "default-src 'self'"}
            route.fulfill(response=answer, headers=headers)  # type: ignore[attr-defined]

        page.route("**/*", strictly)
        for subject in ("collector-1", "collector-9"):
            page.goto(f"{LIST}{named(subject).id}/change/")
            assert page.locator(".itsm-graph .itsm-state").count() == len(State)
        page.click("nav >> text=Abandon")
        page.wait_for_url("**/do/abandon/")  # until it is loaded: a file that is left behind would fail the next test
        page.goto(LIST)
        page.unroute_all(behavior="wait")


@pytest.mark.parametrize(
    ("width", "language", "suffix"), [(1440, "en", ""), (1440, "zh-CN", "-zh"), (400, "zh-CN", "")]
)
def test_the_pictures_of_the_documents_are_taken(  # noqa: PLR0917 - fixtures and parameters
    desk: Desk, opened: Opened, pytestconfig: pytest.Config, width: int, language: str, suffix: str
) -> None:
    """With ``--pictures`` they replace those of the documents; each shows a page that is not empty."""
    folder = ROOT / ("docs/pictures" if pytestconfig.getoption("--pictures") else "build/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"list": LIST, "change": f"{LIST}{named('collector-9').id}/change/"}
    with opened(width, language) as page:
        for name, path in pages.items():
            page.goto(path)
            taken = page.screenshot(path=folder / f"django-admin-{name}-{width}{suffix}.png")
            assert len(taken) > 20_000
