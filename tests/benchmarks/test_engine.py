"""What `iskra bench engine` counts, and what it compares."""

from __future__ import annotations

from benchmarks.engine import offline, turns
from benchmarks.rules import Move, evaluations, judgings, life, rules, values_of
from iskra import config_files
from processors.living import LifeSpec
from processors.rules import UNKNOWN, Term

CONFIG = config_files.load()


def used(spec: LifeSpec) -> set[int]:
    """Places of the inputs that some rule names."""
    return {place for place, terms in enumerate(spec.book.by_signal) if terms}


def changed(spec: LifeSpec, made: list[list[Move]]) -> list[set[int]]:
    """Of each judging the rules of which a term has changed, worked out from the terms alone."""
    truths: dict[Term, int] = {}
    found = []
    for moves in made:
        touched = set()
        for place, _, value in moves:
            for number in spec.book.by_signal[place]:
                term = spec.book.terms[number]
                truth = term.holds(value)
                if truths.get(term, UNKNOWN) != truth:
                    truths[term] = truth
                    touched |= {rule for rule in range(len(spec.book.rules)) if term.rules >> rule & 1}
        found.append(touched)
    return found


def test_values_stand_on_every_side_of_each_limit() -> None:
    """No two values of an input give its terms the same truths; so each move changes a term."""
    spec = life(CONFIG)
    for place in used(spec):
        truths = [tuple(spec.book.terms[term].holds(value) for term in spec.book.by_signal[place]) for value in values_of(spec, place)]
        assert len(set(truths)) == len(truths) >= 2, spec.catalogue.names[place]


def test_judgings_move_so_many_inputs_and_lead_back() -> None:
    """Every input of a rule takes part; after a turn each stands where it began."""
    spec = life(CONFIG)
    for moved in (1, 5):
        made = judgings(spec, 400, moved)
        assert len(made) == 400
        assert {len({move.place for move in moves}) for moves in made[:-1]} == {moved}
        last = {move.place: move.value for moves in made for move in moves}
        assert last == {place: values_of(spec, place)[0] for place in used(spec)}
    assert {move.place for move in judgings(spec, 10, 5)[0]} >= set(range(spec.catalogue.vitals))


def test_only_rules_with_a_changed_term_are_evaluated_and_each_is_counted() -> None:
    """The count of the benchmark is what follows from the terms, judging by judging."""
    spec = life(CONFIG)
    for moved in (1, 5):
        made = judgings(spec, 200, moved)
        once, twice = changed(spec, made), changed(spec, made + made)
        assert evaluations(CONFIG, made, 1) == sum(map(len, once)) > 0
        assert evaluations(CONFIG, made, 2) == sum(map(len, twice))


def test_the_rules_figures_have_their_names() -> None:
    """A short run of all."""
    figures = rules(CONFIG, number=50, turns=2, repeats=1)
    assert figures["rules_per_s"] == figures["details"]["evaluations_per_s_by_inputs_moved"]["5"] > 0
    assert figures["details"]["rules"] == len(life(CONFIG).book.rules)


def test_both_ways_run_in_turns() -> None:
    """Neither is always first, and both run as often."""
    assert turns(3) == [True, False, False, True, True, False]
    assert turns(0) == []


def test_statuses_alone_say_less_of_the_same_points() -> None:
    """Ten seconds of two subjects: the same points, the outputs of the living part missing from the plain one."""
    told = offline(CONFIG, subjects=2, per_second=5, seconds=12, array=10, repeats=1)
    assert told["points"] == 2 * 4 * 5 * 12
    assert told["outputs"] > told["plain_outputs"] > 0
    assert told["living_share"] > 0
