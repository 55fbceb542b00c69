"""``object.json``: a description is used as a whole, or there is no object."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provenv.core.seal import sealed
from provenv.model.layout import HomeLayout
from provenv.store.objects import read_object
from unit.store.conftest import Put
from unit.store.wheelmaker import Wheel

Change = Callable[[dict[str, Any]], object]
INFO = "demo-1.0.dist-info"


def nested(data: dict[str, Any]) -> None:
    node = data["tree"]["site"]
    for _ in range(200):
        node["d"] = {"x": {"m": 1}, **node.get("d", {})}
        node = node["d"]["x"]


CHANGES: dict[str, Change] = {
    "a name that is no text": lambda d: d.update(name=5),
    "scripts that are a text": lambda d: d.update(scripts="demo"),
    "digests that are a list": lambda d: d.update(generated=[]),
    "folders that are a list": lambda d: d["tree"]["site"]["d"]["demo"].update(d=[]),
    "files that are a number": lambda d: d["tree"]["site"]["d"]["demo"].update(f=0),
    "a size that is no number": lambda d: d.update(size="9"),
    "a digest that is none": lambda d: d.update(record="x" * 64),
    "a short digest": lambda d: d["generated"].update({"bin/x": "ab"}),
    "a script that is a path": lambda d: d.update(scripts=["../../evil"]),
    "a dist-info elsewhere": lambda d: d.update({"dist-info": "../demo-1.0.dist-info"}),
    "no RECORD": lambda d: d["tree"]["site"]["d"][INFO]["f"].pop("RECORD"),
    "no time": lambda d: d["tree"]["site"].pop("m"),
    "a folder that is a list": lambda d: d["tree"]["site"]["d"].update(demo=[1, 2]),
    "a file of three numbers": lambda d: d["tree"]["site"]["d"]["demo"]["f"].update(x=[1, 2, 3]),
    "a file of no number": lambda d: d["tree"]["site"]["d"]["demo"]["f"].update(x=[1, "2"]),
    "a name that no file has": lambda d: d["tree"]["site"]["d"]["demo"]["f"].update(
        {"\ud800": [1, 2]}
    ),
    "a file outside": lambda d: d["tree"]["site"]["d"]["demo"]["f"].update({"../x": [1, 2]}),
    "a folder outside": lambda d: d["tree"]["site"]["d"].update({"..": {"m": 1}}),
    "a scheme outside": lambda d: d["tree"].update({"/etc": {"m": 1}}),
    "folders without end": nested,
    "another object": lambda d: d.update(sha256="ab" * 32),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_damaged_description_is_no_object_and_is_made_again(
    put: Put, layout: HomeLayout, change: str
) -> None:
    obj = put(Wheel())
    path = Path(obj.folder, "object.json")
    whole = path.read_bytes()
    data = json.loads(whole)
    CHANGES[change](data)
    os.chmod(path, 0o644)
    path.write_bytes(sealed(json.dumps(data).encode()))  # not by a flipped bit: by somebody
    assert read_object(layout, obj.sha256) is None
    assert put(Wheel()) == obj
    assert path.read_bytes() == whole


@pytest.mark.parametrize("text", [b"", b"[]", b"[" * 100_000, b"\xff", b"null", b'{"format":1'])
def test_what_is_no_description(put: Put, layout: HomeLayout, text: bytes) -> None:
    obj = put(Wheel())
    os.chmod(f"{obj.folder}/object.json", 0o644)
    Path(obj.folder, "object.json").write_bytes(text)
    assert read_object(layout, obj.sha256) is None
