"""What a person sees of what lives, and decides: real points, worker, notifier, store and gateway, a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from experiments.driver import Timed
from iskra.driver import LogWriter, drive
from schemas.points import Point
from tests.browser.conftest import DEADLINE_S, ROOT, Stack, eventually, shot
from tests.browser.test_pulse import AXE, HEALTHY, fresh, healthy, now_ms, points
from tests.small_worker import SmallWorker

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.store]

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, list[str]]]:
    """A notifier with its inbox; a gate that wants a person's word for any injection."""
    config = tmp_path_factory.mktemp("config") / "config"
    shutil.copytree(ROOT / "config", config)
    actions = config / "actions.yml"
    actions.write_text(actions.read_text().replace("free_strength: 3", "free_strength: 2"))
    data = str(tmp_path_factory.mktemp("inbox"))
    return [
        ("worker", ["--config", str(config)]),
        ("notify", ["sink", "notify", "--namespace", "NAMESPACE", "--data", data]),
    ]


def stagnant(stack: Stack) -> str:
    """A subject that has stood still for twelve minutes, until now: Пино and Хундун speak, and chaos is asked for."""
    subject = fresh("stagnant")
    begin = now_ms() - 735_000
    stack.publish(points(subject, begin, 15))
    stack.publish(points(subject, begin + 15_000, 720, clarity=0.88, chaos=0.12))
    return subject


def crisis(stack: Stack) -> str:
    """A subject in pain: an alert fires at once, recovery is asked for and passed."""
    subject = fresh("crisis")
    begin = now_ms() - 60_000
    stack.publish(points(subject, begin, 20))
    stack.publish(points(subject, begin + 20_000, 40, pain=0.85))
    return subject


def told(stack: Stack, path: str, subject: str) -> list[dict[str, Any]]:
    """What a list of the gateway holds of the subject."""
    answer = httpx.get(f"{stack.url}{path}", params={"subject": subject}, timeout=30)
    items: list[dict[str, Any]] = answer.json()["items"] if answer.status_code == 200 else []
    return items


def give(page: Page, button: str, verb: str, *, who: str | None, why: str = "") -> None:
    """Presses a button, fills its form in, and sends it."""
    page.get_by_role("button", name=button).first.click()
    form = page.locator("form.command")
    if who is not None:
        form.get_by_label("Your name").fill(who)
    if why:
        form.get_by_label("Why (may be left out)").fill(why)
    form.get_by_role("button", name=verb, exact=True).click()


def test_who_speaks_and_why(stack: Stack, open_page: OpenPage) -> None:
    """The voices by their Russian names, leader first, with the rule in one sentence; the list shows who speaks."""
    subject = stagnant(stack)
    page = open_page(f"?subject={subject}")
    speaking = page.get_by_test_id("speaking")
    expect(speaking.locator(".leads")).to_contain_text("Пино")
    expect(speaking.locator(".leads")).to_contain_text("leads · for ")
    expect(speaking.locator(".leads .because")).to_have_text("Because stagnation held.")
    expect(speaking.locator(".speaks").nth(1)).to_contain_text("Хундун")
    expect(speaking.locator(".speaks .because").nth(1)).to_have_text(
        re.compile(r"Because chaos was 0\.1\d\d \(under 0\.2\) and stagnation had lasted 5 min( 1 s)? \(over 5 min\)\.")
    )
    expect(page.get_by_role("option").filter(has_text=subject).locator(".speaker")).to_contain_text("Пино speaks")
    shot(page, "speaking-light")


def test_an_action_waits_for_a_person_and_is_approved(stack: Stack, open_page: OpenPage) -> None:
    """The gate holds an injection; who approves is asked for once and kept; the engine passes it on at its next judging."""
    subject = stagnant(stack)
    page = open_page(f"?subject={subject}", color_scheme="dark")
    waiting = page.get_by_test_id("waiting")
    expect(waiting).to_contain_text("Stimulate creative chaos")
    expect(waiting).to_contain_text("Искрив wants a person's word")
    shot(page, "waiting-dark")
    page.get_by_role("button", name="Approve").click()
    shot(page, "form-dark")
    page.keyboard.press("Escape")
    give(page, "Approve", "Approve", who="Ada", why="it has stood still for long")
    expect(waiting).to_have_count(0)
    stack.publish(points(subject, now_ms(), 2, clarity=0.88, chaos=0.12))
    actions = page.get_by_test_id("actions")
    expect(actions.locator(".lines li").filter(has_text="Ada passed it")).to_contain_text("it has stood still for long")
    expect(actions).to_contain_text("passed on to the subject")
    expect(actions).to_contain_text(re.compile(r"to be taken up by \d\d:\d\d:\d\d"))
    assert [each["state"] for each in told(stack, "/api/v1/actions", subject)] == ["dispatched"]
    shot(page, "approved-dark")


def test_a_firing_alert_is_taken_and_resolved(stack: Stack, open_page: OpenPage) -> None:
    """Its chain with who was told and who comes next; taken by keyboard alone, shown as taken once the engine says so."""
    subject = crisis(stack)
    page = open_page(f"?subject={subject}", color_scheme="dark")
    alerts = page.get_by_test_id("alerts")
    entry = alerts.locator(".alert").first
    expect(entry.locator(".chip")).to_have_text(re.compile("pain BLOCK P0"))
    expect(entry).to_contain_text(re.compile(r"The (3|30) s mean was 0\.[78]\d+, over 0\.7\."))
    expect(entry.locator(".steps li").first).to_have_text(re.compile(r"DevOps Lead slack\s*told \d\d:\d\d:\d\d"))
    expect(entry.locator(".steps li").nth(1)).to_have_text(re.compile(r"SRE pagerduty\s*in 4 min \d+ s"))
    expect(page.get_by_test_id("count")).to_contain_text(re.compile(r"\d+ alerts? firing"))
    expect(page.locator(".feed li").filter(has_text="BLOCK P0")).to_contain_text(re.compile(r"pain 0\.[78]\d\d mean of 3 s"))
    expect(page.locator(".why dl").first).to_contain_text(re.compile(r"mean of 3 s \(that of 30 s: 0\.3\d\d\)"))
    shot(page, "alert-dark")
    button = entry.get_by_role("button", name="Acknowledge")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("form.command").get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Ada")
    page.keyboard.press("Tab")
    page.keyboard.type("looking")
    page.keyboard.press("Enter")
    expect(entry).to_contain_text("Ada has it. “looking”")
    expect(entry.locator(".steps")).to_contain_text("no longer needed")
    expect(entry.get_by_role("button", name="Acknowledge")).to_have_count(0)
    shot(page, "taken-dark")
    page.reload()
    give(page, "Resolve…", "Resolve", who=None)  # the name is remembered
    expect(alerts).to_contain_text("Over: 1")
    assert told(stack, "/api/v1/alerts", subject) == []


def test_a_crisis_that_falls_silent_stays_on_top(stack: Stack, open_page: OpenPage) -> None:
    """UNKNOWN hides the level, but its P0 fires on: the subject stands before those that warn, marked."""
    marker = fresh("silence")
    for name, levels in (("a-quiet", {}), ("b-warns", {"clarity": 0.88}), ("c-crisis", {"pain": 0.85})):
        subject, begin = f"{marker}-{name}", now_ms() - 60_000
        stack.publish(points(subject, begin, 20))
        stack.publish(points(subject, begin + 20_000, 15, **levels))
    page = open_page(color_scheme="dark")
    page.get_by_role("searchbox").fill(marker)

    def listed() -> list[str]:
        # who warns goes on being heard; the others are silent
        stack.publish(points(f"{marker}-b-warns", now_ms(), 1, clarity=0.88))
        page.wait_for_timeout(500)
        return [each.get_attribute("title") or "" for each in page.get_by_role("option").all()]

    def settled() -> bool:
        titles = listed()
        return len(titles) == 3 and "UNKNOWN" in titles[0] and "UNKNOWN" in titles[2]

    eventually(settled, "both are silent, and the one in a crisis stands first")
    first, second, third = listed()
    assert re.match(rf"default/{marker}-c-crisis · UNKNOWN · P0 alert firing · ", first)
    assert re.match(rf"default/{marker}-b-warns · WARN P2", second)
    assert re.match(rf"default/{marker}-a-quiet · UNKNOWN · (?!P)", third)
    expect(page.get_by_role("option").first.locator(".firing")).to_contain_text("P0")
    expect(page.get_by_role("option").nth(1).locator(".firing")).to_have_count(0)
    shot(page, "silent-crisis-dark")
    light = open_page(color_scheme="light", locale="ru-RU")
    light.get_by_role("searchbox").fill(marker)
    expect(light.get_by_role("option").first).to_have_attribute("title", re.compile("P0 тревога звучит"))
    shot(light, "silent-crisis-light")


def test_in_virtual_time_a_silent_subjects_alert_goes_on_being_counted(stack: Stack, open_page: OpenPage) -> None:
    """The others of its namespace tell how late it is in the log, by which people are called; whoever takes it moves no clock."""
    start, silent_from, end = 1_762_435_080, 60, 245
    subject, other = fresh("silent"), fresh("other")

    def source(second: int) -> list[Timed]:
        names = [other] if second > start + silent_from else [other, subject]
        at = second * 1000
        levels = {**HEALTHY, "pain": 0.85}
        return [Timed(at, Point(subject=name, metric=metric, value=value, ts=at)) for name in names for metric, value in levels.items()]

    worker = SmallWorker(stack.kafka, stack.quiet)
    try:
        drive(LogWriter(stack.kafka, stack.quiet), source, worker, start=start, seconds=end)
        _taken_in_virtual_time(stack, open_page, subject)
    finally:
        worker.close()


def _taken_in_virtual_time(stack: Stack, open_page: OpenPage, subject: str) -> None:
    page = open_page(f"?namespace={stack.quiet}&subject={subject}", color_scheme="dark")
    entry = page.get_by_test_id("alerts").locator(".alert").first
    expect(page.locator('[data-metric="pain"] .chip')).to_have_text("UNKNOWN")
    expect(entry.locator(".head")).to_have_text(re.compile(r"firing · (3 min 5\d s|4 min( \d s)?)$"))
    expect(entry.locator(".steps li").nth(1)).to_have_text(re.compile(r"in (1 min( \d s)?|5\d s)$"))
    expect(page.locator("main.unjudged")).to_have_count(0)
    shot(page, "virtual-dark")
    give(page, "Acknowledge", "Acknowledge", who="Ada")
    expect(entry).to_contain_text("Ada has it.")
    shot(page, "virtual-taken-dark")
    expect(entry.locator(".head")).to_have_text(re.compile(r"taken · (3 min 5\d s|4 min( \d s)?)$"))


def test_what_the_gate_passed_and_what_became_of_it(stack: Stack, open_page: OpenPage) -> None:
    """An action's life, line by line: asked for with its terms, passed with the reason, passed on; nobody takes it up in time."""
    subject = crisis(stack)
    page = open_page(f"?subject={subject}")
    actions = page.get_by_test_id("actions")
    expect(actions).to_contain_text("Emergency recovery")
    lines = actions.locator(".lines li")
    expect(lines.first).to_contain_text(re.compile(r"asked for: pain was 0\.\d+ \(over 0\.6\)"))
    expect(lines.nth(1)).to_contain_text("Искрив passed it")
    expect(lines.nth(2)).to_contain_text("passed on to the subject")
    expect(actions).to_contain_text("nobody took it up in time", timeout=2 * DEADLINE_S * 1000)


def test_what_makes_no_sense_is_refused_by_the_engine_and_told(stack: Stack, open_page: OpenPage) -> None:
    """Somebody else was quicker: the page says what the engine said, and goes on."""
    subject = crisis(stack)
    page = open_page(f"?subject={subject}")
    entry = page.get_by_test_id("alerts").locator(".alert").first
    entry.get_by_role("button", name="Acknowledge").click()
    page.locator("form.command").get_by_label("Your name").fill("Bob")
    (alert,) = eventually(lambda: told(stack, "/api/v1/alerts", subject), "the alert is open")
    command = {"command": "acknowledge_alert", "subject": subject, "alert_id": alert["alert_id"], "who": "Ada"}
    page.route("**/api/v1/commands?*", lambda route: _after(route, stack, command))
    page.locator("form.command").get_by_role("button", name="Acknowledge", exact=True).click()
    expect(entry).to_contain_text("Ada has it.")
    expect(entry).to_contain_text(re.compile(r"The engine refused it: .*is acknowledged already, by Ada"))


def _after(route: Any, stack: Stack, command: dict[str, Any]) -> None:
    """Lets a request go on once somebody else's command stands in the log."""
    assert httpx.post(f"{stack.url}/api/v1/commands", json=command, timeout=30).status_code == 202
    route.continue_()


def test_a_command_that_was_not_taken_changes_nothing(stack: Stack, open_page: OpenPage) -> None:
    """503 of the gateway: the alert stands as it was, the page says why, and it can be tried again."""
    subject = crisis(stack)
    page = open_page(f"?subject={subject}")
    entry = page.get_by_test_id("alerts").locator(".alert").first
    expect(entry).to_be_visible()
    answer = '{"status_code":503,"detail":"kafka: away"}'
    page.route("**/api/v1/commands?*", lambda route: route.fulfill(status=503, body=answer, content_type="application/json"))
    give(page, "Acknowledge", "Acknowledge", who="Ada")
    expect(entry).to_contain_text("The broker is away: nothing was sent. Try again.")
    expect(entry.get_by_role("button", name="Acknowledge")).to_be_visible()
    expect(entry).not_to_contain_text("Ada has it")
    shot(page, "away-light")


def test_the_heart_beats_as_the_subject_says(stack: Stack, open_page: OpenPage) -> None:
    """A published heartbeat is what is shown and how fast the heart moves, also where it came before the page was opened."""
    subject = healthy(stack, "beating")
    stack.publish([{"subject": subject, "metric": "heartbeat", "value": 120, "ts": now_ms()}])
    page = open_page(f"?subject={subject}")
    heart = page.locator(".heart")
    expect(heart).to_have_attribute("aria-label", "120 beats a minute")
    shot(page, "beating-light")
    assert heart.locator(".core").evaluate("e => e.style.animationDuration") == "0.5s"

    def beats_anew() -> bool:
        stack.publish([{"subject": subject, "metric": "heartbeat", "value": 60, "ts": now_ms()}])
        return heart.get_attribute("aria-label") == "60 beats a minute"

    eventually(beats_anew, "the heart follows what is published while the page is open")
    assert heart.locator(".core").evaluate("e => e.style.animationDuration") == "1s"


def test_silence_is_told_and_everything_speaks_russian(stack: Stack, open_page: OpenPage) -> None:
    """Where nothing is wrong no alert takes room; on a phone, in Russian, in light, nothing runs out of the screen."""
    page = open_page(f"?subject={healthy(stack, 'calm')}")
    expect(page.get_by_test_id("speaking")).to_contain_text("All seven are silent: nothing needs a voice.")
    expect(page.get_by_test_id("alerts")).to_have_count(0)
    shot(page, "calm-light")
    subject = stagnant(stack)
    phone = open_page(f"?subject={subject}", locale="ru-RU", width=375, height=812, color_scheme="light")
    expect(phone.get_by_test_id("speaking")).to_contain_text("Кто говорит")
    expect(phone.get_by_test_id("speaking")).to_contain_text("Причина: застой.")
    expect(phone.get_by_test_id("waiting")).to_contain_text("Добавить творческого хаоса")
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot(phone, "phone-light-ru")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_barrier_that_a_checker_finds_in_what_lives(stack: Stack, open_page: OpenPage, theme: str) -> None:
    """axe finds nothing against alerts, voices, actions and the form of a decision."""
    for subject in (stagnant(stack), crisis(stack)):
        page = open_page(f"?subject={subject}", color_scheme=theme)
        page.get_by_test_id("alerts").get_by_role("button", name="Acknowledge").first.click()
        expect(page.locator("form.command")).to_be_visible()
        page.evaluate(Path(AXE).read_text())
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found["violations"]] == []


def test_cut_off_nothing_can_be_pressed(stack: Stack, open_page: OpenPage) -> None:
    """While the connection is lost the buttons stand still: what would be pressed may no longer be so."""
    subject = crisis(stack)
    page = open_page(f"?subject={subject}")
    button = page.get_by_test_id("alerts").get_by_role("button", name="Acknowledge").first
    expect(button).to_be_enabled()
    stack.kill("gateway")
    try:
        expect(button).to_be_disabled()
        shot(page, "lost-light")
    finally:
        stack.start_gateway()
    expect(button).to_be_enabled()
    expect(page.get_by_test_id("alerts")).to_contain_text("DevOps Lead")
