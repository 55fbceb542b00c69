"""What indexes offer: versions and times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from provenv.core.http import HttpSettings, Transport
from provenv.resolve.offers import Market, offers
from support import Index, make_wheel


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as running:
        yield running


def market(index: Index, *names: str) -> Market:
    settings = HttpSettings(attempts=1)
    return Market(
        transport=Transport(settings), addresses=dict.fromkeys(names, index.url.rstrip("/"))
    )


def test_versions_come_in_order_with_times_and_without_what_nobody_should_take(
    tmp_path: Path, index: Index
) -> None:
    for version, when in (("1.10", "2026-02-01T00:00:00Z"), ("1.9", "2026-01-01T00:00:00Z")):
        index.add(make_wheel(tmp_path, "alpha", version), upload_time=when)
    index.add(make_wheel(tmp_path, "alpha", "2.0"), yanked="broken")
    index.add(make_wheel(tmp_path, "alpha", "2.1rc1"))
    found = offers(market(index, "alpha"), ["alpha"])["alpha"]
    assert [str(one.version) for one in found.versions] == ["1.9", "1.10", "2.0", "2.1rc1"]
    assert [str(one) for one in found.above(Version("1.9"))] == ["1.10"]
    assert [str(one) for one in found.above(Version("2.0b1"))] == ["2.1rc1"]
    one = found.of("1.9")
    assert one is not None
    assert one.uploaded == "2026-01-01T00:00:00Z"


def test_what_an_index_does_not_say_is_not_known(tmp_path: Path, index: Index) -> None:
    index.add(make_wheel(tmp_path, "alpha", "1.0"))
    index.add(make_wheel(tmp_path, "beta", "1.0"))
    index.fault("*/simple/beta/", page="<!DOCTYPE html><html></html>")
    here = market(index, "alpha", "beta", "gamma")
    found = offers(here, ["alpha", "beta", "gamma", "delta"])
    assert found["alpha"].inconclusive is None
    for name, reason in (("beta", "JSON"), ("gamma", "404"), ("delta", "no")):
        assert found[name].versions == ()
        assert reason in (found[name].inconclusive or "")
    offers(here, ["alpha", "beta"])
    assert len(index.paths("*/simple/alpha/")) == 1
