"""What a bisection has found out, in values and in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.version import Version

from provenv.core.values import frozen
from provenv.trials.mixing import Changed
from provenv.workspace.testing.trail import Step


@frozen
class Culprit:
    """One guilty change: a distribution, with those that only go together with it.

    Attributes:
        name: The distribution.
        before, after: Its versions at the good and the bad end; None where it is not there.
        together: Others that differ only together with it.
        last_good: The last release that is known to be good. ``first_bad``: The first that is known to
            be bad. None where there is no such release.
        enough: Whether the bad end is good without it, all else as it is there; None where that could not
            be tried. If so, its releases were tried there, else at the good end.
        skipped: Releases between those two that could not be tried.
        unknown: Why its releases were not looked at; None where they were.
        constraint: What holds it back (PEP 508); None where nothing can.
        changelog: Where its project says what has changed.
    """

    name: str
    before: str | None
    after: str | None
    together: tuple[Changed, ...] = ()
    enough: bool | None = None
    last_good: str | None = None
    first_bad: str | None = None
    skipped: tuple[str, ...] = ()
    unknown: str | None = None
    constraint: str | None = None
    changelog: str | None = None


@frozen
class Breakage:
    """A smallest set of changes that turns good into bad.

    Attributes:
        culprits: The set.
        needed: What the culprits cannot be without.
        remaining: Groups of changes of which one more is guilty, and nothing tells which.
        unproven: Whether the last culprit is needed besides the others could not be tried.
        told: Nothing is left to be told apart.
        alike: It fails as the bad end does: same exit code, same last line but for numbers.
        sentence: All of it in one sentence.
    """

    culprits: tuple[Culprit, ...]
    needed: tuple[Changed, ...]
    remaining: tuple[tuple[Changed, ...], ...]
    unproven: bool
    told: bool
    alike: bool
    sentence: str


@frozen
class BisectResult:
    """What is known in the end.

    Attributes:
        good, bad: What the ends are.
        over: ``packages`` or ``python``.
        changes: What differs by itself between the ends. ``followers``: What comes or goes with it.
        breakages: What is guilty: one, or where the bad end is bad for several reasons, one for each; what
            fails as the bad end does comes first.
        whole: The bad end is good without all that was found; None where that could not be tried.
        runs: How often the command was run.
        folder: Where the logs are.
        more: Of Pythons: what could be installed, and would lie between.
    """

    good: str
    bad: str
    over: str
    environment: str
    command: tuple[str, ...]
    python: str
    changes: tuple[Changed, ...]
    followers: tuple[Changed, ...]
    breakages: tuple[Breakage, ...]
    whole: bool | None
    steps: tuple[Step, ...]
    runs: int
    seconds: float
    folder: str
    more: tuple[str, ...] = ()

    @property
    def told(self) -> bool:
        """Whether nothing is left to be told apart."""
        return all(breakage.told for breakage in self.breakages)

    @property
    def sentence(self) -> str:
        """What was found first: *good with werkzeug 3.0.6, bad from 3.1.0, alone*."""
        return self.breakages[0].sentence


def sentence(
    culprits: Sequence[Culprit],
    needed: Sequence[Changed],
    remaining: Sequence[Sequence[Changed]],
    *,
    unproven: bool,
) -> str:
    """*good with werkzeug 3.0.6, bad from 3.1.0, alone*."""
    if remaining:
        listed = _listed([_together(group) for group in remaining], "or")
        others = f", together with {_listed([_after(one) for one in culprits], 'and')}"
        doubt = "they could not be told apart"
        return f"bad with one of {listed}{others if culprits else ''}; {doubt}"
    if len(culprits) == 1:
        (one,) = culprits
        if one.enough or not needed:
            return _alone(one) + ("" if one.together else ", alone")
        return f"{_alone(one)}, with {_listed([moved(other) for other in needed], 'and')}"
    said = f"{_listed([_from(one) for one in culprits], 'and')} are bad together"
    if unproven:
        return f"{said}; whether {culprits[-1].name} is needed for that could not be tried"
    return f"{said}; good with {_listed([_before(one) for one in culprits], 'or')}"


def _alone(one: Culprit) -> str:
    group = f" (with {_listed([moved(other) for other in one.together], 'and')})"
    group = group if one.together else ""
    if one.before is None:
        return f"good without {one.name}, bad with {one.after}{group}"
    if one.after is None:
        return f"good with {one.name} {one.before}, bad without it{group}"
    since = f"bad from {span(one.skipped, str(one.first_bad))}"
    since = since if one.unknown is None else f"bad with {one.after}"
    return f"good with {one.name} {one.last_good or one.before}, {since}{group}"


def _after(one: Culprit) -> str:
    return f"{one.name} {one.first_bad or one.after}" if one.after else f"no {one.name}"


def _before(one: Culprit) -> str:
    return f"{one.name} {one.last_good or one.before}" if one.before else f"no {one.name}"


def _from(one: Culprit) -> str:
    if one.after is None or one.before is None or one.unknown is not None:
        return _after(one)
    return f"{one.name} from {span(one.skipped, str(one.first_bad))}"


def _together(group: Sequence[Changed]) -> str:
    return _listed([moved(one) for one in group], "with")


def moved(one: Changed) -> str:
    """``werkzeug 2.2 → 3.0``, ``werkzeug 3.0`` where it is new, ``no werkzeug`` where it is gone."""
    if one.after is None:
        return f"no {one.name}"
    return (
        f"{one.name} {one.after}"
        if one.before is None
        else f"{one.name} {one.before} → {one.after}"
    )


def span(skipped: Sequence[str], first_bad: str) -> str:
    """From which release on: of those that could not be tried it may be any."""
    if len(skipped) > 2:
        return f"somewhere from {skipped[0]} to {first_bad}"
    return _listed([*skipped, first_bad], "or")


def _listed(items: Sequence[str], word: str) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def hold_back(
    name: str, last_good: str | None, first_bad: str | None, *, skipped: bool
) -> str | None:
    """The requirement that keeps a distribution where it is good."""
    if last_good is None or first_bad is None:
        return None
    good, bad = Version(last_good), Version(first_bad)
    if skipped:
        return f"{name}{'<=' if good < bad else '>='}{good.public}"
    return f"{name}{'<' if good < bad else '>'}{bad.public}"
