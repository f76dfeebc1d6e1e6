"""What a person sees on the Pulse page: real points through real Kafka, worker, store and gateway into a real browser."""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DEADLINE_S, ROOT, Stack, eventually, shot

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.store]

HEALTHY = {"clarity": 0.80, "chaos": 0.45, "trust": 0.80, "pain": 0.30}
AXE = ROOT / "gateway" / "web" / "node_modules" / "axe-core" / "axe.min.js"

expect.set_options(timeout=DEADLINE_S * 1000)

OpenPage = Callable[..., Page]


def now_ms() -> int:
    return int(time.time() * 1000)


def fresh(name: str) -> str:
    """A subject that no other test knows."""
    return f"{name}-{uuid.uuid4().hex[:6]}"


def points(subject: str, start: int, seconds: int, **levels: float) -> list[dict[str, Any]]:
    """One point a second and vital from `start` (ms) on, with a little noise around `levels` (default: the targets)."""
    noise = random.Random(subject)
    return [
        {
            "subject": subject,
            "metric": metric,
            "value": round(levels.get(metric, target) + noise.uniform(-0.005, 0.005), 4),
            "ts": start + second * 1000,
        }
        for second in range(seconds)
        for metric, target in HEALTHY.items()
    ]


def healthy(stack: Stack, name: str, seconds: int = 60) -> str:
    """A subject with a past of so many healthy seconds that ends now."""
    subject = fresh(name)
    stack.publish(points(subject, now_ms() - seconds * 1000, seconds))
    return subject


def shown(page: Page, metric: str) -> str:
    return page.get_by_test_id(f"now-{metric}").inner_text()


def option(page: Page, subject: str) -> Any:
    return page.get_by_role("option").filter(has_text=subject)


def test_empty_namespace_shows_how_to_begin(stack: Stack, open_page: OpenPage) -> None:
    """Where no point has come yet, the page says so and has the command that publishes the first."""
    page = open_page(f"?namespace={stack.quiet}")
    expect(page.get_by_role("heading", name="No points yet. Publish the first:")).to_be_visible()
    command = page.locator("code").inner_text()
    assert re.fullmatch(
        rf"""echo '{{"subject":"alpha","metric":"clarity","value":0.81,"ts":\d{{13}}}}' \| iskra publish - --namespace {stack.quiet}""",
        command,
    )


def test_a_new_subject_appears_by_itself(stack: Stack, open_page: OpenPage) -> None:
    """A subject whose first points arrive while somebody looks joins the list, without a reload."""
    healthy(stack, "earlier")
    page = open_page()
    expect(page.get_by_role("option").first).to_be_visible()
    subject = healthy(stack, "newcomer")
    page.get_by_role("searchbox").fill(subject)
    expect(option(page, subject)).to_be_visible()
    option(page, subject).click()
    expect(page.get_by_role("heading", name=subject)).to_be_visible()
    assert f"subject={subject}" in page.url


def test_values_move_as_points_arrive(stack: Stack, open_page: OpenPage) -> None:
    """The big figure is the 30 s mean: it follows the points at once, and the past stands behind it."""
    subject = healthy(stack, "mover")
    page = open_page(f"?subject={subject}")
    expect(page.get_by_test_id("now-trust")).to_have_text(re.compile(r"0\.(79|80)\d"))
    before = shown(page, "trust")
    stack.publish(points(subject, now_ms(), 1, trust=0.60))
    expect(page.get_by_test_id("now-trust")).not_to_have_text(before)
    label = page.locator('[data-metric="trust"] .chart').get_attribute("aria-label") or ""
    assert "last 12 minutes" in label
    expect(page.locator(".link")).to_have_text(re.compile(r"^live · \d"))


def test_a_warning_comes_with_its_evidence(stack: Stack, open_page: OpenPage) -> None:
    """Clarity drifts over 0.85: the subject climbs in the list, and the verdict tells why, out of which records."""
    subject, begin = fresh("drifter"), now_ms() - 110_000
    stack.publish(points(subject, begin, 60))
    page = open_page(f"?subject={subject}")
    vital = page.locator('[data-metric="clarity"]')
    expect(vital.locator(".chip")).to_have_text("OK")
    stack.publish(points(subject, begin + 60_000, 40, clarity=0.88))
    expect(vital.locator(".chip")).to_have_text("WARN P2")
    why = page.locator(".why")
    expect(why.get_by_role("heading")).to_have_text("Why clarity is WARN P2")
    expect(why.locator(".sentence")).to_have_text(
        re.compile(r"The 30 s mean rose to 0\.8[56]\d, over the bound 0\.85, and stayed there for 5 s\.")
    )
    table = why.locator("dl").first
    expect(table).to_contain_text("clarity high, P2")
    expect(table).to_contain_text(f"{stack.namespace}.metrics.points/")
    expect(table).to_contain_text(re.compile(r"points behind it\d+, none late"))
    assert re.fullmatch(r"[0-9a-f]{12}", why.locator("dd.mono").nth(1).inner_text())
    why.get_by_role("button", name="Recompute from the log").click()
    expect(why.locator(".recompute dd")).to_have_text(re.compile("matches"))
    page.get_by_role("searchbox").fill(subject)
    expect(option(page, subject)).to_have_attribute("title", re.compile(r"WARN P2 · clarity"))
    expect(page.locator(".feed li").first).to_contain_text("WARN P2")


def test_the_past_is_there_after_a_reload(stack: Stack, open_page: OpenPage) -> None:
    """History and verdicts come out of the store: whoever looks later sees the same line and the same verdicts."""
    subject = healthy(stack, "keeper", 120)
    page = open_page(f"?subject={subject}")
    expect(page.locator(".feed li").filter(has_text="OK")).to_have_count(4)

    def stored() -> bool:
        page.reload()
        page.locator('[data-metric="pain"] .chart canvas').wait_for()
        label = page.locator('[data-metric="pain"] .chart')
        return bool(re.search(r"between 0\.\d+ and 0\.\d+", label.get_attribute("aria-label") or ""))

    eventually(stored, "the store's history is drawn")
    expect(page.locator(".feed li").filter(has_text="sparse")).to_have_count(4)
    page.locator(".feed li button").filter(has_text="sparse").first.click()
    expect(page.locator(".why .sentence")).to_have_text("Only 1 point in the last 30 s; at least 2 are needed.")
    assert "verdict=" in page.url


def test_a_cut_connection_is_told_and_mends_itself(stack: Stack, open_page: OpenPage) -> None:
    """The gateway dies: the page says since when and stops pretending; it comes back: the page goes on by itself."""
    subject = healthy(stack, "patient")
    page = open_page(f"?subject={subject}")
    expect(page.get_by_test_id("now-pain")).to_have_text(re.compile(r"0\.(29|30)\d"))
    stack.kill("gateway")
    expect(page.locator(".link")).to_have_text(re.compile(r"no connection since \d\d:\d\d:\d\d, trying again"))
    expect(page.locator("html")).to_have_attribute("data-link", "lost")
    before = shown(page, "pain")
    stack.start_gateway()
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    stack.publish(points(subject, now_ms(), 1, pain=0.45))
    expect(page.get_by_test_id("now-pain")).not_to_have_text(before)


def test_silence_is_told(stack: Stack, open_page: OpenPage) -> None:
    """Of a subject that stops, the page says UNKNOWN, missing, and shows no figure as if it were of now."""
    subject = fresh("silent")
    stack.publish(points(subject, now_ms() - 30_000, 30))
    page = open_page(f"?subject={subject}")
    expect(page.locator('[data-metric="chaos"] .chip')).to_have_text("UNKNOWN")
    expect(page.locator('[data-metric="chaos"] .reason')).to_have_text("missing")
    expect(page.get_by_test_id("now-chaos")).to_have_text("–")
    expect(page.locator('[data-metric="chaos"]')).to_contain_text(re.compile(r"last 0\.4\d+ at \d\d:\d\d:\d\d"))


def test_what_nobody_judges_is_greyed_out(stack: Stack, open_page: OpenPage) -> None:
    """The worker dies while points go on: levels turn grey with the time up to which they held; with the worker they come back."""
    subject = healthy(stack, "orphan")
    page = open_page(f"?subject={subject}", color_scheme="dark")
    vital = page.locator('[data-metric="trust"]')
    expect(vital.locator(".chip")).to_have_text("OK")
    stack.kill("worker")

    def told(text: str) -> Callable[[], bool]:
        def chip() -> bool:
            stack.publish(points(subject, now_ms(), 1))
            time.sleep(1)
            return vital.locator(".chip").inner_text() == text

        return chip

    try:
        eventually(told("was OK"), "the level is not vouched for")
        expect(vital.locator(".chip")).to_have_class("chip unknown")
        expect(vital.locator(".now")).to_have_class("now unknown")
        expect(vital).to_contain_text(re.compile(r"not judged since \d\d:\d\d:\d\d"))
        expect(page.locator(".notices")).to_contain_text(f"Points of {subject} arrive and nobody judges them")
        expect(page.locator(".why h2")).to_have_text(re.compile("^Why .* was OK$"))
        expect(option(page, subject)).to_have_attribute("title", re.compile("was OK"))
        shot(page, "unjudged-dark")
        late = open_page(f"?subject={subject}", color_scheme="light", locale="ru-RU")
        expect(late.locator('[data-metric="trust"] .chip')).to_have_text("было OK")
        shot(late, "unjudged-light")
    finally:
        stack.start_worker()
    eventually(told("OK"), "the worker is back")
    expect(vital).not_to_contain_text("not judged")
    expect(page.locator(".notices")).to_have_count(0)


def test_two_languages_and_two_themes_are_remembered(stack: Stack, open_page: OpenPage) -> None:
    """RU and EN, dark and light: by the browser's wish at first, then as somebody chose."""
    subject = healthy(stack, "speaker")
    page = open_page(f"?subject={subject}", locale="ru-RU", color_scheme="light")
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.locator('[data-metric="clarity"] h2')).to_have_text("ясность clarity")
    expect(page.get_by_test_id("now-clarity")).to_have_text(re.compile(r"^0,\d{3}$"))
    page.get_by_role("button", name="EN").click()
    page.get_by_role("button", name="Switch to the dark theme").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator('[data-metric="clarity"] h2')).to_have_text("clarity ясность")


def test_the_list_is_walked_by_keys(stack: Stack, open_page: OpenPage) -> None:
    """Arrow keys move the selection, the address follows, and the browser's way back leads out again."""
    marker = uuid.uuid4().hex[:6]
    for name in ("one", "two"):
        stack.publish(points(f"{marker}-{name}", now_ms() - 60_000, 60))
    page = open_page()
    page.get_by_role("searchbox").fill(marker)
    expect(page.get_by_role("option")).to_have_count(2)
    page.get_by_role("searchbox").press("ArrowDown")
    first = page.get_by_role("option", selected=True)
    expect(first).to_have_count(1)
    before = page.url
    page.get_by_role("listbox").press("ArrowDown")
    eventually(lambda: page.url != before, "the address follows")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(marker))


def test_a_phone_shows_the_list_and_then_the_subject(stack: Stack, open_page: OpenPage) -> None:
    """On a narrow screen list and subject take turns, and nothing sticks out at the side."""
    subject = healthy(stack, "pocket")
    page = open_page(width=390, height=844)
    page.get_by_role("searchbox").fill(subject)
    option(page, subject).click()
    expect(page.get_by_role("heading", name=subject)).to_be_visible()
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(page.locator('[data-metric="clarity"] canvas')).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="All subjects").click()
    expect(page.get_by_role("listbox")).to_be_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_barrier_that_a_checker_finds(stack: Stack, open_page: OpenPage, theme: str) -> None:
    """axe finds nothing against it: names, roles, contrast."""
    subject = healthy(stack, "open")
    page = open_page(f"?subject={subject}", color_scheme=theme)
    expect(page.locator(".why .sentence")).to_be_visible()
    expect(page.locator(".feed li").first).to_be_visible()
    page.evaluate(Path(AXE).read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found["violations"]] == []
