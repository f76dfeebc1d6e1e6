"""How many rules are evaluated in a second, on one core: the shipped rules, as the engine keeps them for one subject."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from processors.facts import Facts
from processors.living import LifeSpec
from processors.numbers import to_int
from processors.rules import NO, UNKNOWN, YES
from schemas.config import Config

POINTS = 30
"""Points in the judged window of a vital, whose exact mean the terms are compared with."""
JUDGINGS = 1_000
"""Of one turn of the circle. Then the same states come again, as they do where thousands of subjects share them."""
TURNS = 60
BEYOND = 0.05
"""How far beyond the outermost limits of a signal its values are chosen."""


class Move(NamedTuple):
    """An input that takes another value: its place in the catalogue, and for a vital the exact total of its points."""

    place: int
    total: int
    value: float


def values_of(spec: LifeSpec, place: int) -> list[float]:
    """One value between any two limits that rules have for an input, and one beyond each end; yes or no: 0 and 1."""
    if spec.catalogue.yes_no[place]:
        return [0.0, 1.0]
    limits = sorted({spec.book.terms[term].limit for term in spec.book.by_signal[place]})
    between = [(low + high) / 2 for low, high in pairwise(limits)]
    return [limits[0] - BEYOND, *between, limits[-1] + BEYOND]


def judgings(spec: LifeSpec, number: int, moved: int, seed: int = 7) -> list[list[Move]]:
    """Judgings in each of which `moved` inputs cross a limit: the vitals first, then signals; the last one leads back to the first.

    Every input that a rule names takes part. An input begins at the lowest of its values.
    """
    rnd = random.Random(seed)
    vitals = [place for place in range(spec.catalogue.vitals) if spec.book.by_signal[place]]
    signals = [place for place in range(spec.catalogue.vitals, len(spec.catalogue.names)) if spec.book.by_signal[place]]
    now = {place: values_of(spec, place)[0] for place in (*vitals, *signals)}
    start = dict(now)

    def move(place: int, value: float) -> Move:
        now[place] = value
        return Move(place, to_int(value) * POINTS, value)

    made = []
    for _ in range(number - 1):
        if moved == 1:
            chosen = [rnd.choice((*vitals, *signals))]
        else:
            chosen = rnd.sample(vitals, min(moved, len(vitals)))
            chosen += rnd.sample(signals, moved - len(chosen))
        made.append([move(place, rnd.choice([value for value in values_of(spec, place) if value != now[place]])) for place in chosen])
    made.append([move(place, value) for place, value in start.items() if now[place] != value])
    return made


def drive(spec: LifeSpec, made: list[list[Move]], turns: int) -> float:
    """Puts the judgings to a subject's facts, `turns` times; gives the processor time, s."""
    facts = Facts(spec.book, spec.watching, spec.live)
    vitals = spec.catalogue.vitals
    set_vital, set_signal, settle = facts.set_vital, facts.set_signal, facts.settle
    gc.collect()
    began = time.process_time()
    for _ in range(turns):
        for moves in made:
            for place, total, value in moves:
                if place < vitals:
                    set_vital(place, POINTS, total)
                else:
                    set_signal(place, value)
            settle()
    return time.process_time() - began


def evaluations(config: Config, made: list[list[Move]], turns: int) -> int:
    """How many rules `drive` evaluates: calls of their compiled functions, counted one by one."""
    spec = life(config)
    calls = 0

    def counted(evaluate: Callable[[bytearray], int]) -> Callable[[bytearray], int]:
        def call(truths: bytearray) -> int:
            nonlocal calls
            calls += 1
            return evaluate(truths)

        return call

    for rule in spec.book.rules:
        rule.evaluate = counted(rule.evaluate)
    drive(spec, made, turns)
    return calls


def life(config: Config) -> LifeSpec:
    """The living part of a configuration, compiled anew.

    Raises:
        ValueError: it is switched off.
    """
    if config.living is None:
        raise ValueError("the living part is off: there are no rules")
    return LifeSpec(config, config.living)


def functions_alone(spec: LifeSpec, seed: int = 7) -> int:
    """Evaluations a second of the rules' compiled functions and nothing else, each on 200 random states of its terms."""
    rnd = random.Random(seed)
    states = [bytearray(rnd.choices((NO, UNKNOWN, YES), k=len(spec.book.terms))) for _ in range(200)]
    functions = [rule.evaluate for rule in spec.book.rules]
    began = time.process_time()
    for _ in range(TURNS // 2):
        for state in states:
            for function in functions:
                function(state)
    return round(TURNS // 2 * len(states) * len(functions) / (time.process_time() - began))


def rules(config: Config, *, number: int = JUDGINGS, turns: int = TURNS, repeats: int = 3) -> dict[str, Any]:
    """`rules_per_s`: calls of rules' compiled functions ÷ processor time, the best of `repeats` runs.

    In each judging the four vitals and one signal cross a limit of some rule. The time holds all that the engine does with
    that: the inputs are set, the terms compared, those rules evaluated of which a term has changed (only these are counted),
    and the limits found that matter from then on. The count is of another run of the same judgings, so that counting costs
    nothing. `details`: the same with fewer or more inputs, rules that were up to date after a judging (evaluated or not), and
    the functions alone.
    """
    found: dict[int, tuple[int, int]] = {}
    for moved in (1, 5, 8):
        made = judgings(life(config), number, moved)
        called = evaluations(config, made, turns)
        took = min(drive(life(config), made, turns) for _ in range(repeats))
        found[moved] = round(called / took), round(number * turns / took)
    spec = life(config)
    return {
        "rules_per_s": found[5][0],
        "details": {
            "rules": len(spec.book.rules),
            "terms": len(spec.book.terms),
            "evaluations_per_s_by_inputs_moved": {str(moved): called for moved, (called, _) in found.items()},
            "judgings_per_s_by_inputs_moved": {str(moved): judged for moved, (_, judged) in found.items()},
            "rules_up_to_date_per_s": found[5][1] * len(spec.book.rules),
            "functions_alone_per_s": functions_alone(spec),
        },
    }
