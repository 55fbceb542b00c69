"""Why a release does not go together with the rest, in a line."""

from __future__ import annotations

from provenv.workspace.testing.releases import why


def test_the_reason_of_a_resolver() -> None:
    head = "No solution found when resolving dependencies for split (markers: x)\n"
    told = "Because there is no version of b==9 and your project depends on b==9, we can conclude …"
    assert why(head + told) == "there is no version of b==9"
    assert (
        why(f"{head}Because a>=1 depends on\n    b<2, we can conclude that …")
        == "a>=1 depends on b<2"
    )
    assert why("nobody knows\nand so on") == "nobody knows"
    assert len(why("Because " + "x" * 999)) < 200
