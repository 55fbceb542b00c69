"""The report of an upgrade, in Markdown, as the text of a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from provenv.core.words import many
from provenv.workspace.assuring.stepping import Move, Rejected, StepResult, Upgrade
from provenv.workspace.assuring.trying import shown

# What Markdown, or a code host that shows it, would take for more than text: a mention, a link, a picture.
_ESCAPED = {ord(c): f"\\{c}" for c in "\\`*_{}[]<>|#!~"} | {
    ord("@"): "@\u200b",
    ord("\n"): " ",
    ord("\r"): " ",
}


def as_markdown(upgrade: Upgrade, now: datetime) -> str:
    """What moved and why, what was left out, and what stays."""
    lines = [f"# Upgrade of {_plain(upgrade.title)}", "", *_head(upgrade)]
    for step in upgrade.steps:
        lines += ["", f"## {step.step}", "", *_step(step, now)]
    if upgrade.edits:
        lines += ["", "## Requirements that changed", ""]
        lines += [
            f"- {_code(one.requirement)} → {_code(one.wanted)} ({_plain(one.place)})"
            for one in upgrade.edits
        ]
    if upgrade.left:
        lines += ["", "## Still vulnerable", ""]
        lines += [
            f"- **{_plain(one.name)} {_plain(one.version)}**: {_plain(one.reason)}"
            for one in upgrade.left
        ]
    if upgrade.stayed:
        lines += ["", "## What stays, and why", ""]
        rows = [
            (one.name, one.locked, one.newest or "unknown", one.reason) for one in upgrade.stayed
        ]
        lines += _table(("package", "locked", "newest", "why"), rows)
    return "\n".join([*lines, ""])


def _head(upgrade: Upgrade) -> Iterator[str]:
    before, after = upgrade.before, upgrade.after
    if not upgrade.changing:
        yield "Nothing moves."
    else:
        yield f"{many(len(upgrade.changes), 'package')} moved."
    yield ""
    counts = f"{_count(len(before.findings))}, then {_count(len(after.findings))}"
    yield f"- Audit: **{before.verdict}** before, **{after.verdict}** after ({counts})."
    for doubt in after.doubts:
        yield f"- Doubtful: {_plain(doubt)}."
    yield f"- Advisories: `{after.facts.digest[:12]}`, fetched {after.facts.imported}."
    if upgrade.trial is not None:
        runs = sum(step.trials for step in upgrade.steps)
        words, where = _code(shown(upgrade.trial.words)), _code(upgrade.trial.environment)
        yield f"- Tested with {words} in {where}: before, and {many(runs, 'time')} on the way."
    else:
        yield "- Not tested: no command was given."


def _count(number: int) -> str:
    return many(number, "vulnerability", "vulnerabilities")


def _step(step: StepResult, now: datetime) -> Iterator[str]:
    if not step.moves and not step.rejected:
        yield "Nothing to do."
        return
    if step.moves:
        yield from _table(
            ("package", "from", "to", "why", "published", "changes"),
            [_move(one, now) for one in step.moves],
            raw=(3, 5),
        )
    if step.rejected:
        yield from ["", "Left out:", "", *map(_rejected, step.rejected)]


def _move(one: Move, now: datetime) -> tuple[str, ...]:
    why = _plain(one.why)
    if one.cleared:
        why += ": " + ", ".join(_code(name) for name in one.cleared)
    link = f"[changes]({one.changelog})" if one.changelog is not None else "–"
    return (one.name, one.before or "–", one.after or "–", why, _age(one.uploaded, now), link)


def _age(uploaded: str | None, now: datetime) -> str:
    """A day and how long ago it was; what no clock can read is unknown."""
    if uploaded is None:
        return "unknown"
    try:
        moment = datetime.fromisoformat(uploaded)
    except ValueError:
        return "unknown"
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    days = (now - moment).days
    ago = "to come" if days < 0 else "today" if days == 0 else f"{many(days, 'day')} ago"
    return f"{moment.date()} ({ago})"


def _rejected(one: Rejected) -> str:
    return (
        f"- **{_plain(one.name)}** {_plain(one.before)} → {_plain(one.after)}: {_plain(one.reason)}"
    )


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], raw: Sequence[int] = ()
) -> Iterator[str]:
    """A table; the columns ``raw`` are Markdown already."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        cells = [cell if at in raw else _plain(cell) for at, cell in enumerate(row)]
        yield f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    return text.translate(_ESCAPED)


def _code(text: str) -> str:
    """Text between backticks, which nothing in it can end; a bar would end a cell of a table."""
    bare = text.replace("`", "'").replace("|", "¦").replace("\n", " ")
    return f"`{bare}`"
