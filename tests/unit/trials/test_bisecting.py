"""The bisector's decisions, against oracles that know the culprits. Nothing is run."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping

import pytest

from provenv.trials.bisecting import Answer, LineSearch, Mix, Search, Tries, Verdict, lay_out

Oracle = Callable[[Mix], Answer]


def guilty(*sets: Collection[str], skip: Callable[[Mix], bool] = lambda mix: False) -> Oracle:
    """Bad where one of the sets is all there."""

    def answer(mix: Mix) -> Answer:
        if skip(mix):
            return "skip"
        return "bad" if any(mix.issuperset(one) for one in sets) else "good"

    return answer


def names(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


def solve(
    changes: list[str],
    oracle: Oracle,
    needs: Mapping[str, Collection[str]] | None = None,
    first: Collection[str] = (),
) -> tuple[Verdict, list[Mix]]:
    """The verdict, and every mix that was tried; each must hold what its members need."""
    search = Search(changes, needs, first=first)
    tried: list[Mix] = []
    while (mix := search.mix) is not None:
        assert mix not in tried
        assert all(mix.issuperset((needs or {}).get(name, ())) for name in mix)
        assert len(tried) < 500
        tried.append(mix)
        search.tell(oracle(mix))
    assert search.verdict is not None
    again = Search(changes, needs, search.answers, first)  # the answers are all that there is to it
    assert again.verdict == search.verdict
    return search.verdict, tried


def flat(verdict: Verdict) -> set[str]:
    return {name for unit in verdict.culprits for name in unit}


def test_sixty_changes_and_one_culprit_take_seven_runs() -> None:
    changes = names(60)
    for culprit in changes:
        verdict, tried = solve(changes, guilty({culprit}))
        assert verdict == Verdict(culprits=((culprit,),))
        assert len(tried) <= 7  # six to find it, one to see that it is bad alone


def test_a_guess_that_is_right_saves_most_runs_and_a_wrong_one_costs_one() -> None:
    changes = names(60)
    for culprit in changes:
        verdict, tried = solve(changes, guilty({culprit}), first=[culprit])
        assert (verdict, len(tried)) == (Verdict(culprits=((culprit,),)), 1)
        verdict, tried = solve(changes, guilty({culprit}), first=["p30"])
        assert verdict == Verdict(culprits=((culprit,),))
        assert len(tried) <= 8
        pair, tried = solve(changes, guilty({culprit, "p0"}), first=["p0"])
        assert flat(pair) == {culprit, "p0"}


def test_every_guilty_pair_among_sixty_takes_less_than_twenty() -> None:
    changes = names(60)
    most = 0
    for first in range(60):
        for second in range(first + 1, 60, 7):
            pair = {changes[first], changes[second]}
            verdict, tried = solve(changes, guilty(pair))
            assert flat(verdict) == pair
            assert verdict.told
            most = max(most, len(tried))
    assert most <= 16  # 30 are allowed


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_smallest_set_is_found_whatever_needs_what(size: int) -> None:
    """Random needs (also in circles): what is found is guilty, and without any of it nothing is."""
    dice = random.Random(size)
    for _ in range(150):
        changes = names(dice.randrange(size, 70))
        needs = {
            name: dice.sample(changes, dice.choice([0, 0, 1, 2])) if len(changes) > 2 else []
            for name in changes
        }
        real = set(dice.sample(changes, size))
        verdict, tried = solve(changes, guilty(real), needs)
        board = lay_out(changes, needs)
        place = {name: i for i, unit in enumerate(board.units) for name in unit}
        told = board.names(board.closed(sum({1 << place[name] for name in flat(verdict)})))
        assert told >= real
        assert told == flat(verdict) | {*verdict.needed}
        for unit in verdict.culprits:
            others = [u for u in verdict.culprits if u != unit]
            rest = board.names(board.closed(sum(1 << place[u[0]] for u in others)))
            assert not rest >= real or rest == told
        assert len(tried) <= size * (len(board.units).bit_length() + 2)


def test_a_bad_set_that_more_changes_hide_is_still_the_smallest() -> None:
    """Not monotone: b mends what a breaks, and c breaks it again."""
    changes = ["a", "b", "c"]

    def oracle(mix: Mix) -> Answer:
        return "bad" if ("a" in mix and "b" not in mix) or "c" in mix else "good"

    verdict, _ = solve(changes, oracle)
    assert verdict.culprits in ((("a",),), (("c",),))


def test_what_cannot_be_built_is_worked_around() -> None:
    """Mixes with p3 but without p40 cannot be built: no need is known for it."""
    changes = names(60)
    for culprit in ("p0", "p2", "p17", "p39", "p41", "p59"):
        oracle = guilty({culprit}, skip=lambda mix: "p3" in mix and "p40" not in mix)
        verdict, tried = solve(changes, oracle)
        assert verdict == Verdict(culprits=((culprit,),))
        assert len(tried) < 40


def test_random_skips_never_accuse_the_innocent() -> None:
    dice = random.Random(7)
    told = 0
    for round_ in range(150):
        changes = names(dice.randrange(2, 40))
        culprit = dice.choice(changes)

        def skip(mix: Mix, salt: int = round_) -> bool:
            return random.Random(f"{salt}{sorted(mix)}").random() < 0.3

        verdict, _ = solve(changes, guilty({culprit}, skip=skip))
        among = flat(verdict) | {name for unit in verdict.remaining for name in unit}
        assert culprit in among
        told += verdict == Verdict(culprits=((culprit,),))
    assert told > 75  # and most of them are found for all that


def test_what_cannot_be_told_apart_is_named() -> None:
    """p4 and p5 only work together, and nobody says so."""
    changes = names(20)
    together = guilty({"p4", "p5"}, skip=lambda mix: ("p4" in mix) != ("p5" in mix))
    verdict, _ = solve(changes, together)
    assert not verdict.told
    assert {name for unit in verdict.remaining for name in unit} == {"p4", "p5"}


def test_circles_are_one_unit_and_needs_are_not_accused() -> None:
    needs = {"a": ["b"], "b": ["a"], "c": ["d"]}
    verdict, _ = solve(["a", "b", "c", "d", "e"], guilty({"b"}), needs)
    assert verdict.culprits == (("a", "b"),)
    verdict, _ = solve(["a", "b", "c", "d", "e"], guilty({"c"}), needs)
    assert (verdict.culprits, verdict.needed) == ((("c",),), ("d",))


def test_an_answer_that_is_known_is_not_asked_again() -> None:
    changes = names(33)
    whole = Search(changes)
    oracle = guilty({"p20", "p31"})
    steps = 0
    while whole.mix is not None:
        assert Search(changes, {}, whole.answers).mix == whole.mix
        assert whole.estimate >= 1
        whole.tell(oracle(whole.mix))
        steps += 1
    assert len(whole.answers) == steps
    assert whole.estimate == 0


@pytest.mark.parametrize("length", [0, 1, 2, 30, 61])
def test_a_line_is_halved(length: int) -> None:
    for first_bad in range(length + 1):
        search = LineSearch(length)
        runs = 0
        while search.place is not None:
            runs += 1
            search.tell("bad" if search.place >= first_bad else "good")
        assert search.bounds is not None
        assert (search.bounds.good, search.bounds.bad) == (first_bad - 1, first_bad)
        assert runs <= length.bit_length()


def test_a_line_with_gaps_ends_where_nothing_more_can_be_tried() -> None:
    search = LineSearch(9)
    while search.place is not None:
        skip = search.place in (3, 4, 5)
        search.tell("skip" if skip else "bad" if search.place >= 5 else "good")
    assert search.bounds is not None
    assert (search.bounds.good, search.bounds.bad) == (2, 6)
    assert search.bounds.skipped == (3, 4, 5)


def test_results_that_differ_are_no_answer() -> None:
    assert Tries().agreed(1) is None
    assert Tries(answers=("bad",)).agreed(1) == "bad"
    assert Tries(answers=("bad",)).agreed(2) is None
    assert Tries(answers=("bad", "good")).agreed(5) == "skip"
    assert Tries(answers=("good", "good")).agreed(2) == "good"
