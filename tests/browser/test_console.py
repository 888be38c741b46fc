"""The console in a browser: a person's way through it, how it looks, and that nothing on it runs."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Literal
from wsgiref.simple_server import make_server

import pytest
from werkzeug.security import generate_password_hash

from itsm_workflow import Effect, Policy, State
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.machine.evidence import Concern
from itsm_workflow.web import console
from tests.browser.accessibility import barriers, refuse_barriers
from tests.browser.conftest import FIELDS, NAME, PASSWORD, TITLES, _Server, _Silent
from tests.browser.test_django_admin import ROOT, WIDTHS, fits
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    Scheme = Literal["light", "dark"]

    from playwright.sync_api import Page

    from itsm_workflow import Workflow
    from itsm_workflow.form import FormArguments
    from tests.browser.conftest import Watched

BAIT = '<img src=x onerror="alert(1)"><script>alert(2)</script>"\'>'
CONTRAST = 4.5

READ_CONTRASTS = """
() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const linear = x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(x => linear(x / 255))
    .reduce((sum, x, i) => sum + x * [.2126, .7152, .0722][i], 0);
  const paper = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility() || element.closest("svg, option")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(paper(element))].sort((x, y) => y - x);
    found.push([(a + .05) / (b + .05), node.textContent.trim().slice(0, 40)]);
  }
  return found;
}
"""


@pytest.fixture
def workflow() -> Iterator[Workflow]:
    """Changes in different states: 1 has a parked effect, 3 was flagged by a host, 9's ticket was not found."""
    desk = Desk()

    def unreachable(_: object) -> None:
        raise RuntimeError("the collector's host is unreachable")

    made = desk.workflow(
        effects={State.APPROVED: [Effect("start_collection", unreachable)]}, policy=Policy(effect_attempts=2)
    )
    for number in range(8):
        asked: FormArguments = {
            **ASKED,
            "title": TITLES[number % 3],
            "applicant": ("alice", "bob", "erin")[number % 3],
            "fields": FIELDS,
        }
        change = made.apply(subject=f"collector-{number}", **asked)
        if number in {1, 4}:
            desk.decide(change, approved=number == 1)
            made.settle(change.id)
        if number == 3:
            concern = Concern(reason=AttentionReason.HOST, facts={"quota": "used up"})
            made.fire(change.id, "raise_attention", concern, actor="quota-service")
        desk.clock.advance(7200)
    made.draft(subject="collector-8", **ASKED)
    made.reconcile()
    desk.hide_tickets()
    lost: FormArguments = {**ASKED, "fields": FIELDS}
    made.apply(subject="collector-9", **lost)
    for _ in range(8):
        desk.clock.advance(3600)
        made.reconcile()
    desk.faults.clear()
    with closing(made):
        yield made


@pytest.fixture
def site(workflow: Workflow) -> Iterator[str]:
    """The address of a console that acts."""
    hashes = {NAME: generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")}
    app = console(workflow, logins=hashes, allow_actions=True, clock=workflow._clock)
    server = make_server("127.0.0.1", 0, app, _Server, _Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def log_in(page: Page, path: str = "/") -> None:
    """Log in as a person does, with the keyboard alone."""
    page.goto(path)
    page.locator("[name=name]").focus()
    page.keyboard.type(NAME)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("[name=password]").wait_for(state="detached")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_person_goes_from_the_number_to_the_change_and_acts(
    workflow: Workflow, site: str, watched: Watched, width: int
) -> None:
    """One click from the number to the list, one to the reason; the act shows its entry."""
    with watched(site, width) as page:
        log_in(page)
        page.locator(".need", has_text="Ticket not found").locator("h3 a").click()
        assert page.locator(".rows tbody th").all_inner_texts() == ["collector-9"]
        page.click("text=collector-9")
        page.click("nav >> text=Abandon")
        page.click("button >> text=Abandon")
        assert page.locator("[aria-invalid]").count() == 1
        page.fill("[name=reason]", "alice no longer needs it")
        assert fits(page)
        refuse_barriers(page)
        page.click("button >> text=Abandon")
        assert "It made entry" in page.locator("[role=status]").inner_text()
        assert "alice no longer needs it" in page.locator(".timeline li:target").inner_text()
        assert fits(page)
        refuse_barriers(page)
    change = workflow.resolve("collector-9")
    assert (change.state, workflow.history(change.id)[-1].actor) == (State.REJECTED, NAME)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_its_screen_and_can_be_read(  # noqa: PLR0917 - fixtures and parameters
    workflow: Workflow, site: str, watched: Watched, width: int, language: str, scheme: Scheme
) -> None:
    """Also with texts that have no place to break, for everybody; each text has the contrast that WCAG asks for."""
    asked: FormArguments = {**ASKED, "title": "y" * 90, "fields": {"z" * 60: "z" * 500}}
    long = workflow.draft(subject="x" * 60, **asked)
    change, ended, pending = (workflow.resolve(f"collector-{number}") for number in (9, 1, 3))
    paths = ["/", "/changes/", "/changes/?state=draft&age=30d", "/changes/?q=collector", "/reconcile/"]
    paths += [f"/changes/{one.id}/" for one in (change, long, ended)]
    paths += [f"/changes/{change.id}/{name}/" for name in ("record_ticket", "resend", "abandon")]
    paths += [f"/changes/{pending.id}/withdraw/"]
    paths += ["/changes/?age=long", "/nowhere/"]
    with watched(site, width, language) as page:
        page.emulate_media(color_scheme=scheme)
        page.goto("/")
        refuse_barriers(page)
        log_in(page)
        for path in paths:
            page.goto(path)
            assert page.locator("h1").count() == 1
            assert fits(page), path
            low = [found for found in page.evaluate(READ_CONTRASTS) if found[0] < CONTRAST]
            assert low == [], path
            refuse_barriers(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "language"), [(400, "zh-CN"), (1440, "en")])
def test_every_page_of_an_error_fits_its_screen_and_can_be_read(  # noqa: PLR0917 - fixtures and parameters
    workflow: Workflow,
    site: str,
    watched: Watched,
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    language: str,
    scheme: Scheme,
) -> None:
    """A form of another session, a change that does not exist, an act that is not possible, a store that fails."""
    ended, open_ = workflow.resolve("collector-4"), workflow.resolve("collector-9")
    statuses: list[int] = []

    def check(page: Page) -> None:
        page.wait_for_load_state()  # with its style sheet, after a click
        assert page.locator("h1").count() == 1
        assert page.locator("[role=alert]").inner_text()
        assert fits(page), page.url
        assert [found for found in page.evaluate(READ_CONTRASTS) if found[0] < CONTRAST] == []
        refuse_barriers(page)

    def fails(**_filters: object) -> None:
        raise StorageUnavailable("the store cannot be read")

    with watched(site, width, language, (403, 404, 405, 409, 503)) as page:
        page.emulate_media(color_scheme=scheme)
        page.on("response", lambda one: statuses.append(one.status) if one.request.is_navigation_request() else None)
        log_in(page)
        statuses.clear()
        for path in ("/changes/nothing/", f"/changes/{ended.id}/withdraw/", "/logout/"):
            page.goto(path)
            check(page)
        assert statuses == [404, 409, 405]
        for path in ("/reconcile/", f"/changes/{open_.id}/abandon/"):
            page.goto(path)
            page.evaluate("document.querySelector('main [name=csrf]').value = 'of another session'")
            page.click("main button")
            check(page)
        page.goto(f"/changes/{open_.id}/abandon/")
        page.fill("[name=reason]", "alice no longer needs it")
        workflow.fire(open_.id, "raise_attention", Concern(reason=AttentionReason.HOST), actor="quota-service")
        page.click("main button")
        check(page)
        monkeypatch.setattr(workflow, "find_page", fails)
        page.goto("/changes/")
        check(page)
        assert statuses == [404, 409, 405, 200, 403, 200, 403, 200, 409, 503]


VISIBLE = """
() => {
  const drawing = document.querySelector(".drawing"), box = drawing.getBoundingClientRect();
  const current = document.querySelector(".itsm-current").getBoundingClientRect();
  return {
    isWhole: drawing.scrollWidth <= drawing.clientWidth,
    isCurrentSeen: current.left >= box.left && current.right <= box.right,
    svgs: drawing.querySelectorAll("svg").length,
  };
}
"""


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_picture_of_a_change_shows_its_current_state(
    workflow: Workflow, site: str, watched: Watched, width: int, language: str
) -> None:
    """On a wide screen as a whole; a narrow one begins to scroll at the state, and lists the way in words."""
    with watched(site, width, language) as page:
        log_in(page)
        for number, states in ((8, 1), (9, 2), (0, 3), (3, 3), (1, 4), (4, 4)):
            page.goto(f"/changes/{workflow.resolve(f'collector-{number}').id}/")
            seen = page.evaluate(VISIBLE)
            assert (seen["svgs"], seen["isCurrentSeen"]) == (1, True), number
            assert seen["isWhole"] is (width > 400), number
            assert page.locator(".way li").count() == states
            assert page.locator(".way").is_visible() is (width == 400)
            last = page.locator(".way li[aria-current=step] .badge").text_content()
            assert page.locator(".way li").last.locator(".badge").text_content() == last
            assert fits(page)


FIRST_IN_LINE = """
() => {
  const found = [];
  for (const said of document.querySelectorAll(".why")) {
    const walker = document.createTreeWalker(said, NodeFilter.SHOW_TEXT);
    let before = null;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      for (let i = 0; i < node.length; i++) {
        const range = document.createRange();
        range.setStart(node, i);
        range.setEnd(node, i + 1);
        const place = [...range.getClientRects()].at(-1);
        if (!place) continue;
        if (before && place.top > before.bottom - 4) found.push(node.data[i]);
        before = place;
      }
    }
  }
  return found;
}
"""


def test_no_line_begins_with_a_closing_mark(workflow: Workflow, site: str, watched: Watched) -> None:
    """Also after an id that is about as long as the line."""
    with watched(site, language="zh-CN") as page:
        log_in(page)
        for path in ("/", *(f"/changes/{workflow.resolve(f'collector-{number}').id}/" for number in (1, 9))):
            page.goto(path)
            for width in range(360, 460, 5):
                page.set_viewport_size({"width": width, "height": 900})
                first = page.evaluate(FIRST_IN_LINE)
                assert len(first) > 5
                assert set("，。；：、）") & set(first) == set(), (path, width)


def test_the_badges_of_a_change_are_side_by_side_on_a_wide_screen(site: str, watched: Watched) -> None:
    """Each on one line."""
    with watched(site) as page:
        log_in(page, "/changes/")
        rows = page.evaluate(
            "[...document.querySelectorAll('.states')].map(one => [...one.querySelectorAll('.badge')]"
            ".map(badge => [badge.getBoundingClientRect().top, badge.getBoundingClientRect().height]))"
        )
        assert max(len(row) for row in rows) == 2
        assert all(len({top for top, _ in row}) == 1 for row in rows)
        assert all(height < 30 for row in rows for _, height in row)


def test_a_field_without_a_label_is_found(site: str, watched: Watched) -> None:
    """The check reads the page, under the console's policy, and names the rule and the element."""
    with watched(site) as page:
        page.goto("/")
        page.evaluate("document.querySelector('label').replaceWith(document.querySelector('[name=name]'))")
        [found] = barriers(page)
        assert all(part in found for part in (": label: ", 'name="name"', "Form elements must have labels"))


def test_hostile_texts_do_not_run(workflow: Workflow, site: str, watched: Watched) -> None:
    """On the first page, in the list, on the page of a change, and where an act is confirmed."""
    asked: FormArguments = {**ASKED, "title": BAIT, "content": BAIT, "fields": {"a": BAIT}}
    change = workflow.draft(subject=BAIT, **asked)
    workflow.fire(change.id, "raise_attention", Concern(reason=AttentionReason.HOST, facts={"a": BAIT}), actor=BAIT)
    with watched(site) as page:
        log_in(page)
        for path in ("/", "/changes/", f"/changes/{change.id}/", f"/changes/{change.id}/abandon/", f"/?q={BAIT}"):
            page.goto(path)
            assert page.locator("img").count() == 0
            assert page.locator("script").count() == 0


def test_the_keyboard_is_enough(site: str, watched: Watched) -> None:
    """The first stop leads past the header, and every stop is seen."""
    with watched(site) as page:
        log_in(page, "/changes/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left >= 0")
        page.keyboard.press("Enter")
        assert page.url.endswith("#content")
        for _ in range(12):
            page.keyboard.press("Tab")
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_page_is_named_and_ordered_for_a_screen_reader(workflow: Workflow, site: str, watched: Watched) -> None:
    """Language, landmarks, one heading of the first level, a label for each field, a text for each picture."""
    change = workflow.resolve("collector-9")
    with watched(site, language="zh-CN") as page:
        log_in(page)
        for path in ("/", "/changes/", f"/changes/{change.id}/", f"/changes/{change.id}/record_ticket/"):
            page.goto(path)
            assert page.evaluate("document.documentElement.lang") == "zh-CN"
            assert (page.locator("main").count(), page.locator("h1").count()) == (1, 1)
            assert (
                page.evaluate(
                    "[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]"
                    ".filter(one => !one.labels.length).length"
                )
                == 0
            )
            assert (
                page.evaluate(
                    "[...document.querySelectorAll('svg')].filter(one => !one.getAttribute('aria-label')).length"
                )
                == 0
            )


@pytest.mark.parametrize(("language", "suffix"), [("en", ""), ("zh-CN", "-zh")])
@pytest.mark.parametrize(
    ("width", "scheme", "names"), [(1440, "light", ("overview", "change")), (400, "dark", ("change",))]
)
def test_the_pictures_of_the_documents_are_taken(  # noqa: PLR0917 - fixtures and parameters
    workflow: Workflow,
    site: str,
    watched: Watched,
    pytestconfig: pytest.Config,
    width: int,
    scheme: Scheme,
    names: tuple[str, ...],
    language: str,
    suffix: str,
) -> None:
    """With ``--pictures`` they replace those of the documents; each shows a page that is not empty."""
    folder = ROOT / ("docs/pictures" if pytestconfig.getoption("--pictures") else "build/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    change = workflow.resolve("collector-9")
    pages = {"overview": "/", "change": f"/changes/{change.id}/"}
    with watched(site, width, language) as page:
        page.emulate_media(color_scheme=scheme)
        log_in(page)
        for name in names:
            page.goto(pages[name])
            taken = page.screenshot(path=folder / f"console-{name}-{width}{suffix}.png")
            assert len(taken) > 15_000
