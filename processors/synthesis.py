"""Synthesis: the response actions of the active voices merged into one output, without what contradicts."""

from __future__ import annotations

from processors.voice_spec import VoicesSpec


def synthesize(spec: VoicesSpec, speaking: list[int], leading: int) -> tuple[list[str], dict[str, str]]:
    """Merges the response actions of the voices `speaking` (places, the longest active first).

    Returns:
        The actions, each once, those of the leading voice first; and what was left out, each with its reason.
    """
    order = [leading] + [place for place in speaking if place != leading]
    kept: dict[str, int] = {}
    dropped: dict[str, str] = {}
    for place in order:
        for action in spec.voices[place].actions:
            if action in kept or action in dropped:
                continue
            against = ""
            for first, second in spec.contradictions:
                other = second if action == first else first if action == second else ""
                if other in kept:
                    against = other
                    break
            if against:
                keeper = kept[against]
                why = "leads" if keeper == leading else "speaks longer" if keeper != place else "names it first"
                dropped[action] = f"contradicts {against} of {spec.voices[keeper].name}, who {why}"
            else:
                kept[action] = place
    return list(kept), dropped
