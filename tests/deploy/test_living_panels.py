"""What the panels about voices, alerts and budgets answer, over rows whose answers are known (`tests.deploy.living`)."""

from __future__ import annotations

import pytest

from tests.deploy.test_grafana import Queries, queries

__all__ = ["queries"]
VOICES = "voice-health"


def test_speaking_now_is_after_the_last_event(queries: Queries) -> None:
    """Hundun alone, who leads; a voice that fell silent is gone."""
    (row,) = queries.panel("Speaking now", VOICES)
    assert (row["subject"], row["voices"], row["leading"]) == ("alpha", ["hundun"], "hundun")


def test_share_of_the_activity_counts_time(queries: Queries) -> None:
    """Pino spoke for 300 s, hundun for 420 s."""
    shares = {row["voice"]: row["share"] for row in queries.panel("Share of the activity", VOICES)}
    assert shares == pytest.approx({"pino": 300 / 720, "hundun": 420 / 720})


def test_tonal_modes_count_time(queries: Queries) -> None:
    """Creative while pino led, then neutral; the minute before the first event is nobody's."""
    modes = {row["mode_name"]: row["seconds"] for row in queries.panel("Tonal modes", VOICES)}
    assert modes == pytest.approx({"creative": 300, "neutral": 240})


def test_conflicts_name_both_sides(queries: Queries) -> None:
    """And the reason."""
    (row,) = queries.panel("Conflicts", VOICES)
    assert (row["voice"], row["event"], row["opponent"], row["reason"]) == ("kayn", "queued", "pino", "беспорядок мал")


def test_activations_and_syntheses_are_counted(queries: Queries) -> None:
    """By voice; each event once."""
    assert sorted((row["voice"], row["activations"]) for row in queries.panel("Activations", VOICES)) == [("hundun", 1), ("pino", 1)]
    assert [row["syntheses"] for row in queries.panel("Syntheses", VOICES)] == [1]
    assert sorted(row["event"] for row in queries.panel("Silenced, queued, dropped", VOICES)) == ["deactivated", "queued"]


def test_what_the_voices_did_has_the_latest_first(queries: Queries) -> None:
    """All five events of alpha."""
    assert [row["event"] for row in queries.panel("What the voices did", VOICES)] == [
        "synthesized",
        "deactivated",
        "activated",
        "queued",
        "activated",
    ]


def test_actions_by_state_and_those_that_are_open(queries: Queries) -> None:
    """One was dispatched and is open, one was refused by Iskriv with a reason."""
    assert [(row["state"], row["reviewed by"]) for row in queries.panel("Actions now", VOICES)] == [("dispatched", "iskriv")]
    assert sum(row["actions"] for row in queries.panel("Actions", VOICES)) == 4
    assert [(row["by"], row["reason"]) for row in queries.panel("Refused by the gate", VOICES)] == [("iskriv", "within bounds")]


def test_signals_are_those_of_the_subject(queries: Queries) -> None:
    """A point a sample."""
    rows = queries.panel("Signals", VOICES)
    assert [row["volatility"] for row in rows] == pytest.approx([0.01 * number for number in range(10)])
    assert {row["heartbeat"] for row in queries.panel("Rhythm and heartbeat", VOICES)} == {61.0}


def test_alerts_now_leaves_out_what_is_resolved(queries: Queries) -> None:
    """The P0 alert is open, firing, one step told."""
    assert [(row["alert"], row["priority"], row["state"], row["step"]) for row in queries.panel("Alerts now")] == [("a", "P0", "firing", 1)]


def test_alerts_opened_count_each_alert_once(queries: Queries) -> None:
    """When it opened, whatever became of it."""
    assert sorted((row["priority"], row["opened"]) for row in queries.panel("Alerts opened")) == [("P0", 1), ("P1", 1)]


def test_people_told_by_what_became_of_it(queries: Queries) -> None:
    """One was told within 0.2 s; one was not."""
    assert sorted((row["state"], row["steps"]) for row in queries.panel("People told")) == [("failed", 1), ("sent", 1)]
    (row,) = queries.panel("Time to tell")
    assert row["time to tell"] == pytest.approx(0.2)


def test_error_budget_left_is_the_latest(queries: Queries) -> None:
    """Overspent by a fifth, ten bad minutes, paging."""
    (row,) = queries.panel("Error budget left")
    assert (row["remaining"], row["bad minutes"], row["burn 1h"], row["alert"]) == (-0.2, 10.0, 14.5, "page")
