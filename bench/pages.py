"""Tables in pages: what stands between two marks is written anew."""

from __future__ import annotations

from bench.measure import BenchError


def insert(path: str, text: str, begin: str, end: str) -> None:
    """Replace what stands between the markers in the file ``path``.

    Raises:
        BenchError: A marker is missing, or there are several.
    """
    with open(path, encoding="utf-8") as stream:
        content = stream.read()
    if (
        content.count(begin) != 1
        or content.count(end) != 1
        or content.index(end) < content.index(begin)
    ):
        raise BenchError(f"{path} needs one line {begin} and, after it, one line {end}")
    before, _, rest = content.partition(begin)
    after = rest.partition(end)[2]
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(f"{before}{begin}\n\n{text}\n\n{end}{after}")
