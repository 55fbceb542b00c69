"""Mixes of two sets: what differs, what goes together, what follows."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from packaging.requirements import Requirement

from provenv.trials.bisecting import lay_out
from provenv.trials.mixing import Changed, Ground, Held, Need, Side, mixed, survey


def side(
    versions: Mapping[str, str],
    needs: Mapping[str, Sequence[str]] | None = None,
    roots: Sequence[str] = (),
) -> Side:
    """``needs``: name → PEP 508; ``name[extra]`` → what that extra needs."""
    held = {}
    for name, version in versions.items():
        requires: dict[str, tuple[Need, ...]] = {}
        for key, texts in (needs or {}).items():
            owner = Requirement(key)
            if owner.name == name:
                requires["".join(owner.extras)] = tuple(need(text) for text in texts)
        held[name] = Held(name=name, version=version, identity=version, requires=requires)
    asked = [Requirement(text) for text in roots]
    return Side(held=held, roots={one.name: frozenset(one.extras) for one in asked})


def need(text: str) -> Need:
    one = Requirement(text)
    return Need(name=one.name, specifier=one.specifier, extras=frozenset(one.extras))


def holds(ground: Ground, *mix: str) -> dict[str, str]:
    """What a mix holds, name → version."""
    found = mixed(ground, mix)
    assert found.conflict is None, found.conflict
    old = {name: ground.good.held[name].version for name in found.old}
    return old | {name: ground.bad.held[name].version for name in found.new}


def test_what_differs_and_what_only_follows() -> None:
    good = side({"flask": "2.2", "click": "8", "old": "1"}, {"flask": ["old"]})
    bad = side({"flask": "3.0", "click": "8", "blinker": "1.6"}, {"flask": ["blinker>=1.6"]})
    ground = survey(good, bad)
    assert ground.changes == (Changed(name="flask", before="2.2", after="3.0"),)
    assert ground.followers == (
        Changed(name="blinker", before=None, after="1.6"),
        Changed(name="old", before="1", after=None),
    )
    assert holds(ground) == {"flask": "2.2", "click": "8", "old": "1"}
    assert holds(ground, "flask") == {"flask": "3.0", "click": "8", "blinker": "1.6"}


def test_what_is_asked_for_comes_and_goes_by_itself() -> None:
    good = side({"a": "1", "gone": "1"}, roots=["a", "gone"])
    bad = side({"a": "1", "new": "2"}, roots=["a", "new"])
    ground = survey(good, bad)
    assert [change.name for change in ground.changes] == ["gone", "new"]
    assert holds(ground, "new") == {"a": "1", "gone": "1", "new": "2"}
    assert holds(ground, "gone") == {"a": "1"}


def test_releases_that_need_each_other() -> None:
    """flask 3 needs werkzeug 3; flask 2 does not bear it: neither goes without the other."""
    good = side({"flask": "2.2", "werkzeug": "2.2", "x": "1"}, {"flask": ["werkzeug<3"]})
    bad = side({"flask": "3.0", "werkzeug": "3.0", "x": "2"}, {"flask": ["werkzeug>=3"]})
    ground = survey(good, bad)
    assert ground.needs == {"flask": {"werkzeug"}, "werkzeug": {"flask"}}
    assert mixed(ground, ["flask"]).conflict == "flask 3.0 needs werkzeug>=3, and not 2.2"
    assert mixed(ground, ["werkzeug"]).conflict == "flask 2.2 needs werkzeug<3, and not 3.0"
    assert holds(ground, "flask", "werkzeug") == {"flask": "3.0", "werkzeug": "3.0", "x": "1"}


def test_what_a_follower_needs_binds_who_brings_it() -> None:
    good = side({"app": "1", "core": "1"}, {"app": ["core"]})
    bad = side({"app": "2", "core": "2", "plugin": "1"}, {"app": ["plugin"], "plugin": ["core>=2"]})
    assert survey(good, bad).needs == {"app": {"core"}}


def test_extras_bring_what_they_need() -> None:
    needs = {"app": ["db[fast]"], "db[fast]": ["speed>=2"]}
    ground = survey(
        side({"app": "1", "db": "1"}), side({"app": "2", "db": "1", "speed": "2"}, needs)
    )
    assert [change.name for change in ground.changes] == ["app", "speed"]
    good = side({"app": "1", "db": "1", "speed": "1"}, {**needs, "db[fast]": ["speed<2"]})
    bad = side({"app": "1", "db": "2", "speed": "2"}, needs)
    assert mixed(survey(good, bad), ["db"]).conflict == "db 2 needs speed>=2, and not 1"


def test_what_was_overridden_binds_nobody() -> None:
    """The good set has core 1 although app says otherwise: somebody knew better."""
    good = side({"app": "1", "core": "1"}, {"app": ["core>=5"]})
    bad = side({"app": "2", "core": "2"}, {"app": ["core>=5"]})
    ground = survey(good, bad)
    assert ground.needs == {}
    assert holds(ground, "core") == {"app": "1", "core": "2"}
    # and the same of what has not changed: in the bad set it bears the other one
    same = {"app": ["core<2"]}
    kept = survey(side({"app": "1", "core": "1"}, same), side({"app": "1", "core": "2"}, same))
    assert holds(kept, "core") == {"app": "1", "core": "2"}


def test_circles_without_anybody_who_asks() -> None:
    circle = {"a": ["b"], "b": ["a"]}
    ground = survey(side({"a": "1", "b": "1"}, circle), side({"a": "2", "b": "1"}, circle))
    assert holds(ground) == {"a": "1", "b": "1"}
    assert holds(ground, "a") == {"a": "2", "b": "1"}


def test_random_sets_mix_wherever_nothing_forbids_it() -> None:
    """The ends come out as they went in, and a mix that holds what its changes need has no conflict."""
    dice = random.Random(11)
    for _ in range(200):
        ground = survey(*_random_sides(dice))
        names = [change.name for change in ground.changes]
        good = {name: held.version for name, held in ground.good.held.items()}
        bad = {name: held.version for name, held in ground.bad.held.items()}
        assert holds(ground) == good
        assert holds(ground, *names) == bad
        board = lay_out(names, ground.needs)
        for _ in range(5):
            mask = board.closed(dice.getrandbits(len(board.units) or 1) & board.whole)
            found = holds(ground, *board.names(mask))
            for name in board.names(mask) & bad.keys():
                assert found.get(name, bad[name]) == bad[name]


def _random_sides(dice: random.Random) -> tuple[Side, Side]:
    """Two sets; a release needs the same in both, and what does not hold in its own set binds nobody."""
    every = [f"p{number}" for number in range(dice.randrange(2, 14))]
    kinds = ("", "==1", "==2", ">=2", "<2")
    released = {
        (name, version): [
            f"{other}{dice.choice(kinds)}" for other in every[position + 1 :] if dice.random() < 0.3
        ]
        for position, name in enumerate(every)
        for version in ("1", "2")
    }
    sides = []
    for version in ("1", "2"):
        versions = {
            name: version if dice.random() < 0.7 else "1" for name in every if dice.random() < 0.9
        }
        sides.append(side(versions, {name: released[name, v] for name, v in versions.items()}))
    return sides[0], sides[1]
