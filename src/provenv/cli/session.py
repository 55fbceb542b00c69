"""One run of the command line: what was asked for, where to draw, and the world for the library."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, unwritten
from provenv.cli.options import Options
from provenv.cli.place import command_line
from provenv.cli.progress import Progress
from provenv.core.http import hidden
from provenv.core.values import replace

if TYPE_CHECKING:
    from provenv.cli.targets import Target
    from provenv.core.events import Emit
    from provenv.workspace.begun import HeadStart
    from provenv.workspace.projects.context import Context, Project


class Session:
    """What a command is handed.

    Attributes:
        options: The common options.
        args: Everything that was parsed.
        words: What ``run`` is to run.
        out: Standard output: the data that was asked for.
        talk: Standard error: what was done; silent with ``--quiet``.
        alarm: Standard error: errors and warnings.
        progress: Listens to the library's events.
        begun: When it was (UTC): nothing of the project was read earlier.
    """

    def __init__(
        self,
        options: Options,
        environ: Mapping[str, str],
        arguments: Sequence[str],
        words: Sequence[str] = (),
    ) -> None:
        self.begun = datetime.now(UTC)
        self.options = options
        self.environ = environ
        self.words = tuple(words)
        self.args = argparse.Namespace()
        self.head: HeadStart | None = None
        self._arguments = tuple(arguments)
        quiet = options.quiet or options.json
        self.out = Screen(sys.stdout, environ, color=options.color)
        self.talk = Screen(sys.stderr, environ, color=options.color, muted=quiet)
        self.alarm = Screen(sys.stderr, environ, color=options.color)
        self.progress = Progress(self.alarm, quiet=options.quiet, verbose=options.verbose)

    @cached_property
    def context(self) -> Context:
        """The world, as the library sees it."""
        from provenv.cli.world import make_context

        return make_context(
            self.environ,
            emit=self.progress,
            cause=command_line(self._arguments, self.words),
            offline=self.options.offline,
            index_url=self.options.index_url,
        )

    @cached_property
    def opened(self) -> Project:
        """The member that was chosen, or the project of the working directory; also a bare workspace.

        Raises:
            InputError: There is none, or its manifest cannot be used.
            UsageError: There is no such member.
        """
        from provenv.workspace.projects.context import open_member, open_project

        if self.options.member is not None:
            return open_member(os.getcwd(), self.options.member)
        return open_project(os.getcwd())

    def request(self, text: str | None) -> str | None:
        """An interpreter request; a relative path in it is one from the working directory."""
        if text is None:
            return None
        from provenv.interpreters import absolute_request

        return absolute_request(text, os.getcwd())

    @cached_property
    def project(self) -> Project:
        """The project that the call is about.

        Raises:
            InputError: There is none, or its manifest cannot be used.
            UsageError: It is only a workspace, and no member was chosen; or there is no such member.
        """
        from provenv.workspace.projects.context import refuse_bare

        refuse_bare(self.opened)
        return self.opened

    def rewire(self, emit: Emit) -> None:
        """Let ``emit`` hear of what the library does, instead of the progress on this screen."""
        self.context = replace(self.context, emit=emit)

    @cached_property
    def target(self) -> Target:
        """The one environment that the call is about, and its project, which may lie elsewhere.

        Raises:
            UsageError: There is none of this name, or several were named.
            InputError: There is no project, or its manifest cannot be used.
        """
        from provenv.cli import targets

        return targets.one(self)

    def answer(
        self, verb: str, data: Callable[[], dict[str, Any]], text: Callable[[Screen], None]
    ) -> None:
        """Give data that was asked for: as JSON, or as text on standard output."""
        self.progress.close()
        if self.options.json:
            write_json(f"provenv.{verb}/1", data())
        else:
            text(self.out)

    def verdict(
        self, verb: str, data: Callable[[], dict[str, Any]], text: Callable[[Screen], None]
    ) -> None:
        """Give an answer that the exit code gives as well: with ``--quiet``, by that alone."""
        if self.options.json or not self.options.quiet:
            self.answer(verb, data, text)
        self.progress.close()

    def report(
        self, verb: str, data: Callable[[], dict[str, Any]], text: Callable[[Screen], None]
    ) -> None:
        """Say what was done: as JSON on standard output, or as text on standard error."""
        self.progress.close()
        if self.options.json:
            write_json(f"provenv.{verb}/1", data())
        else:
            text(self.talk)


def json_text(schema: str, data: Mapping[str, Any]) -> str:
    """A document as it is written: without passwords in addresses."""
    return hidden(json.dumps({"schema": schema, **data}, indent=2)) + "\n"


def write_json(schema: str, data: Mapping[str, Any]) -> None:
    """One document on standard output, without passwords in addresses.

    Raises:
        DiskError: It cannot be written.
    """
    try:
        sys.stdout.write(json_text(schema, data))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritten(error) from error
