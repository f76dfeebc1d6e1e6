"""The pages about the domain say what the configuration says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def generate(*options: str) -> subprocess.CompletedProcess[str]:
    """Runs the generator."""
    script = str(ROOT / "scripts" / "generate_domain_docs.py")
    return subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False, timeout=120)


def test_the_tables_are_those_of_the_configuration() -> None:
    """Every generated block of every page in docs/domain equals what the generator makes now."""
    done = generate("--check")
    assert done.returncode == 0, done.stderr


def test_a_page_that_differs_is_named_and_rewritten(tmp_path: Path) -> None:
    """A changed number is found by `--check`; without it the page is put right, and what stands outside blocks stays."""
    original = (ROOT / "docs" / "domain" / "voices.md").read_text(encoding="utf-8")
    page = tmp_path / "voices.md"
    page.write_text(original.replace("600 s", "601 s") + "\nOur own words.\n", encoding="utf-8")
    checked = generate("--check", "--docs", str(tmp_path))
    assert checked.returncode == 1
    assert str(page) in checked.stderr
    assert "601 s" in page.read_text(encoding="utf-8")
    assert generate("--docs", str(tmp_path)).returncode == 0
    assert page.read_text(encoding="utf-8") == original + "\nOur own words.\n"


def test_every_voice_symbol_and_mode_is_on_the_page() -> None:
    """Also the numbers of the law: priorities, cool-downs, time-outs, response actions."""
    text = (ROOT / "docs" / "domain" / "voices.md").read_text(encoding="utf-8")
    for cells in (
        "| **kayn** (Кайн) | truth seeker | `chaos > 0.7 and truth_violations > 0` — high, 300 s<br>",
        "`trust < 0.5 and accuracy < 0.8` — medium, 180 s | `chaos < 0.4 and accuracy > 0.9`, 600 s |",
        "| `request_verification`<br>`flag_inconsistency` |\n",
        "| sam – hundun | `chaos > 0.6` | sam | hundun |\n",
        "| observation | nothing else stands | all | `meta_awareness` |\n",
        "| defensive | protective, vigilant | defensive stands, or iskriv leads |\n",
    ):
        assert cells in text
