"""Writes what comes from the configuration in docs/domain/, between `<!-- generated: NAME -->` and `<!-- end -->`.

That is tables and, named walk-…, the records of a run (experiments/walk.py).

    .venv/bin/python scripts/generate_domain_docs.py            # rewrite them
    .venv/bin/python scripts/generate_domain_docs.py --check    # exit 1 if a page differs, and name it

`--docs DIR` and `--config DIR` take other directories.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from math import ceil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from experiments.walk import blocks  # noqa: E402 - likewise
from iskra.config_files import load  # noqa: E402 - the checkout is not installed as a package
from schemas.living import Living, Voice  # noqa: E402

_BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *[list(row) for row in rows]]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def seconds(ms: int) -> str:
    """A length of time."""
    return f"{ms / 1000:g} s"


def duration(ms: int) -> str:
    """A length of time in the greatest unit that fits."""
    unit, name = next((unit, name) for unit, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")) if ms % unit == 0)
    return f"{ms // unit} {name}" if ms else "0 s"


def code(text: str) -> str:
    """A rule or a name as code; a bar would end the table's cell."""
    return "`" + " ".join(text.split()).replace("|", "\\|") + "`"


def voices(living: Living) -> str:
    """Each voice with its rules."""

    def rules(voice: Voice) -> str:
        return "<br>".join(f"{code(rule.when)} — {rule.priority}, {seconds(rule.cooldown)}" for rule in voice.activate)

    rows = [
        [
            f"**{name}** ({voice.label})",
            voice.archetype,
            rules(voice),
            f"{code(voice.silent_when)}, {seconds(voice.timeout)}",
            "<br>".join(code(action) for action in voice.actions),
        ]
        for name, voice in living.voices.voices.items()
    ]
    head = ["voice", "archetype", "speaks when — priority, cool-down of the rule", "is done when, time-out", "suggests"]
    return table(head, rows)


def opposing(living: Living) -> str:
    """The opposing pairs with their own rules."""
    rows = [
        [
            f"{pair.pair[0]} – {pair.pair[1]}",
            code(pair.when),
            pair.prefer,
            pair.otherwise or "undecided: the order of the voices decides",
        ]
        for pair in living.voices.opposing
    ]
    return table(["pair", "if", "speaks", "else speaks"], rows)


def synergies(living: Living) -> str:
    """The pairs that go well together, and response actions that do not."""
    together = ", ".join(f"{a} – {b}" for a, b in living.voices.synergies)
    apart = ", ".join(f"{code(a)} – {code(b)}" for a, b in living.voices.contradictions)
    return f"Synergies: {together}.\n\nContradicting response actions: {apart}.\n"


def symbols(living: Living) -> str:
    """The ritual symbols, in order."""
    rows = [
        [name, "nothing else stands" if symbol.when is None else code(symbol.when), symbol.voice or "all", code(symbol.ritual)]
        for name, symbol in living.voices.symbols.items()
    ]
    return table(["symbol", "stands when", "voice", "ritual"], rows)


def modes(living: Living) -> str:
    """The tonal modes, in order."""
    rows = [[name, mode.tone, f"{mode.symbol} stands, or {mode.voice} leads"] for name, mode in living.voices.modes.items()]
    return table(["mode", "tone", "chosen when"], rows)


def times(living: Living) -> str:
    """The lengths of time that all voices share."""
    signals = living.signals
    rows = [
        ["cool-down of a voice, from its falling silent", seconds(living.voices.cooldown)],
        ["span of the polyphony figures", seconds(signals.polyphony)],
        ["span of `synthesis_readiness`", seconds(signals.readiness)],
        ["guardian, who wins every conflict at critical priority", living.voices.guardian],
        ["synthesizer", living.voices.synthesizer],
    ]
    return table(["what", "value"], rows)


def chains(living: Living) -> str:
    """Who is told about alerts of each priority, and when."""
    alerts = living.alerts
    rows = [
        [
            priority,
            duration(chain.wait),
            "<br>".join(f"{duration(s.after)}: {s.role} ({alerts.people[s.role]}), {s.channel}" for s in chain.steps),
        ]
        for priority, chain in sorted(alerts.chains.items())
    ]
    return table(["priority", "pending for", "after it fired: role (who), channel"], rows)


def silences(living: Living) -> str:
    """The weekly windows in which P1 and P2 tell nobody."""
    return table(["day", "from", "to (UTC)"], [[window.day, window.start, window.end] for window in living.alerts.silences])


def alert_times(living: Living) -> str:
    """The numbers that all alerts share."""
    alerts = living.alerts
    rows = [
        ["so many changes make flapping …", str(alerts.flapping_changes)],
        ["… within; and it ends after so long without one", duration(alerts.flapping_window)],
        ["UNKNOWN for so long raises an alert of its own", duration(alerts.unknown_after)],
        ["priority of that alert", alerts.unknown_priority],
        ["priority of a page, of a ticket of the error budget", f"{alerts.page_priority}, {alerts.ticket_priority}"],
    ]
    return table(["what", "value"], rows)


def burn(living: Living) -> str:
    """The burn rates at which people are told, with the bad seconds that reach them."""
    budget = living.budget
    allowed = 1 - Fraction(repr(budget.objective))
    rows = [
        [
            pair.alert,
            f"{pair.rate:g} ×",
            f"{duration(pair.long)}: {ceil(Fraction(repr(pair.rate)) * allowed * pair.long / 1000)} s",
            f"{duration(pair.short)}: {ceil(Fraction(repr(pair.rate)) * allowed * pair.short / 1000)} s",
        ]
        for pair in budget.burn
    ]
    share = f"Objective: {budget.objective * 100:g} % of {duration(budget.window)} are to be OK.\n\n"
    return share + table(["alert", "burn rate", "long window: bad seconds", "short window: bad seconds"], rows)


BLOCKS: dict[str, Callable[[Living], str]] = {
    "voices": voices,
    "opposing": opposing,
    "synergies": synergies,
    "symbols": symbols,
    "modes": modes,
    "voice-times": times,
    "chains": chains,
    "silences": silences,
    "alert-times": alert_times,
    "burn": burn,
}


def generated(text: str, living: Living, records: Callable[[], dict[str, str]]) -> str:
    """The page `text` with its blocks as the configuration has them; `records` makes those of the run, where a page has some.

    Raises:
        ValueError: a block of a name that is not known.
    """

    def block(match: re.Match[str]) -> str:
        if match[2].startswith("walk-"):
            return match[1] + records()[match[2]] + match[3]
        if match[2] not in BLOCKS:
            raise ValueError(f"no such block: {match[2]}; there are {', '.join(BLOCKS)}")
        return match[1] + BLOCKS[match[2]](living) + match[3]

    return _BLOCK.sub(block, text)


def main() -> int:
    """Rewrites or checks the pages; exit code 1 when a checked page differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "domain")
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    config = load(options.config)
    living = config.living
    if living is None:
        raise SystemExit("the configuration has no living part")
    records = cache(lambda: blocks(config))
    stale = 0
    for page in sorted(options.docs.glob("*.md")):
        old = page.read_text(encoding="utf-8")
        new = generated(old, living, records)
        if new == old:
            continue
        if options.check:
            print(f"{page}: not what the configuration says; run scripts/generate_domain_docs.py", file=sys.stderr)
            stale = 1
        else:
            page.write_text(new, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
