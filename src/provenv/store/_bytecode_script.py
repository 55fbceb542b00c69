"""Says whether byte code is what Python makes of its source. Run *by the interpreter in question*.

Stand-alone, standard library only, for Python 3.6 and later. The only argument names a JSON file: a list of
[compiled, source]. For each, one line is written at once, so that the caller knows which file was at
work if a damaged one takes the interpreter down:

    =  the same, but for what no process can notice     !  something else     ?  another interpreter's

Two compilations of one source need not agree in their bytes (``marshal`` writes what is shared by who
shares it, and sets in the order of their hashes): code objects are compared, part by part.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

import sys

del sys.path[0]  # the folder of this script, whose modules must not shadow the standard library's

import importlib.util  # noqa: E402
import json  # noqa: E402
import marshal  # noqa: E402
import os  # noqa: E402
import warnings  # noqa: E402

CODE = type(compile("", "", "exec"))
PARTS = (
    "co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_nlocals", "co_stacksize", "co_flags",
    "co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_name", "co_qualname",
    "co_firstlineno", "co_linetable" if hasattr(CODE, "co_linetable") else "co_lnotab",
    "co_exceptiontable", "co_consts",
)  # fmt: skip
HEADER = 16 if sys.version_info >= (3, 7) else 12  # PEP 552


def same(one, other):
    """Whether two constants are equal, types and signs of zero included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, CODE):
        if one.co_filename != other.co_filename:
            return False
        return all(same(getattr(one, part, None), getattr(other, part, None)) for part in PARTS)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, frozenset):
        return one == other and sorted(map(repr, one)) == sorted(map(repr, other))
    if isinstance(one, (float, complex)):
        return repr(one) == repr(other)
    return bool(one == other)


def optimization(compiled, source):
    """With which optimization this interpreter would write ``compiled``; None where it would not."""
    for level in ("", 1, 2):
        name = importlib.util.cache_from_source(source, optimization=level)
        if os.path.basename(name) == os.path.basename(compiled):
            return level or 0
    return None


def fits(header, content, source):
    """Whether Python would take byte code with this header for that of the source (PEP 552)."""
    if HEADER == 16 and header[4:8] != b"\0\0\0\0":
        checked = header[4:8] == b"\3\0\0\0"
        return checked and header[8:16] == importlib.util.source_hash(content)
    status = os.stat(source)
    wanted = [int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF]
    return header[-8:] == b"".join(number.to_bytes(4, "little") for number in wanted)


def verdict(compiled, source):
    """One of the three signs."""
    level = optimization(compiled, source)
    if level is None:
        return "?"
    with open(compiled, "rb") as stream:
        data = stream.read()
    with open(source, "rb") as stream:
        content = stream.read()
    if data[:4] != importlib.util.MAGIC_NUMBER or not fits(data[:HEADER], content, source):
        return "!"
    try:
        found = marshal.loads(data[HEADER:])  # noqa: S302  # what an import does, and in its interpreter
        if not isinstance(found, CODE):
            return "!"
        name = found.co_filename
        if os.path.basename(name) != os.path.basename(source):
            return "!"
        wanted = compile(content, name, "exec", dont_inherit=True, optimize=level)
    except Exception:  # noqa: BLE001  # damaged byte code may raise anything
        return "!"
    return "=" if same(found, wanted) else "!"


def main():
    """Answer for each pair."""
    warnings.simplefilter("ignore")
    with open(sys.argv[1]) as stream:
        pairs = json.load(stream)
    for compiled, source in pairs:
        try:
            sign = verdict(compiled, source)
        except (OSError, ValueError):
            sign = "!"
        sys.stdout.write(sign + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
