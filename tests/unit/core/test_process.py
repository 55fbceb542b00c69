from __future__ import annotations

import sys
import time

import pytest

from provenv.core.errors import UndecidedError
from provenv.core.process import run


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_and_code_are_collected() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    done = run(python(code), env={})
    assert (done.code, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_bytes_that_are_not_utf8_do_not_hurt() -> None:
    done = run(python("import sys; sys.stdout.buffer.write(b'a\\xffb')"), env={})
    assert done.stdout == "a\ufffdb"


def test_the_environment_is_the_one_given() -> None:
    done = run(
        python("import os; print(os.environ['ONLY'], 'HOME' in os.environ)"), env={"ONLY": "1"}
    )
    assert done.stdout == "1 False\n"


def test_lines_are_handed_over_as_one_stream() -> None:
    lines: list[str] = []
    code = "import sys; print('a', flush=True); print('b', file=sys.stderr)"
    done = run(python(code), env={}, on_line=lines.append)
    assert lines == ["a", "b"]
    assert (done.stdout, done.stderr) == ("a\nb\n", "")


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(UndecidedError, match="cannot start /no/program: No such file"):
        run(["/no/program"], env={})


@pytest.mark.parametrize("watched", [False, True])
def test_the_time_limit_holds(watched: bool) -> None:
    start = time.monotonic()
    with pytest.raises(UndecidedError, match=r"did not end within 0\.3 seconds"):
        run(
            python("import time; print('x', flush=True); time.sleep(20)"),
            env={},
            timeout=0.3,
            on_line=(lambda _: None) if watched else None,
        )
    assert time.monotonic() - start < 10
