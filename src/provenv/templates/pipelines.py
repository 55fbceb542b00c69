"""Pipelines: what a CI system reads, written for one project."""

from __future__ import annotations

import json

from provenv.core.values import frozen
from provenv.templates import texts

OWN_PYTHON = "3.13"  # what provenv itself runs with; the project's Pythons are provenv's business


@frozen
class System:
    """One CI system: where it looks for its pipeline, and how a comment begins there."""

    path: str
    template: str
    comment: str = "#"


SYSTEMS = {
    "github": System(path=".github/workflows/ci.yml", template="github.yml"),
    "gitlab": System(path=".gitlab-ci.yml", template="gitlab.yml"),
    "azure": System(path="azure-pipelines.yml", template="azure.yml"),
    "jenkins": System(path="Jenkinsfile", template="jenkins.groovy", comment="//"),
    "circleci": System(path=".circleci/config.yml", template="circleci.yml"),
}


@frozen
class Subject:
    """What a pipeline is about.

    Attributes:
        pythons: The Pythons to test with, as requests.
        test: The environment to test in. ``one_each``: It has one instance for each Python
            (``test@3.12``); else ``--python`` says which.
        command: What tests, as a shell line without single quotes.
        prod: The environment that is released. ``prod_python``: A request for its Python.
        locks: The lock files, the common one first.
        version: Of provenv.
    """

    pythons: tuple[str, ...]
    test: str
    one_each: bool
    command: str
    prod: str
    prod_python: str
    locks: tuple[str, ...]
    version: str


def render(system: str, subject: Subject) -> str:
    """The text of the pipeline for ``system`` (a key of ``SYSTEMS``)."""
    quoted = [json.dumps(python) for python in subject.pythons]
    values = {
        "PYTHON_LIST": f"[{', '.join(quoted)}]",
        "PYTHON_VALUES": ", ".join(f"'{python}'" for python in subject.pythons),
        "MATRIX_AZURE": "".join(
            f'python_{python.replace(".", "_")}:\n  python: "{python}"\n'
            for python in subject.pythons
        ),
        "SELECT_GITHUB": _select(subject, "${{ matrix.python }}"),
        "SELECT_SHELL": _select(subject, '"$PYTHON"'),
        "SELECT_AZURE": _select(subject, '"$(python)"'),
        "SELECT_CIRCLE": _select(subject, "<< parameters.python >>"),
        "COMMAND": subject.command,
        "LOCK": subject.locks[0],
        "LOCK_LIST": ", ".join(subject.locks[:2]),  # GitLab takes two at most
        "OWN_PYTHON": OWN_PYTHON,
        "PROD": subject.prod,
        "PROD_PYTHON": subject.prod_python,
        "VERSION": subject.version,
    }
    return texts.fill(texts.read(f"pipelines/{SYSTEMS[system].template}"), values)


def _select(subject: Subject, python: str) -> str:
    return (
        f"-e {subject.test}@{python}"
        if subject.one_each
        else f"-e {subject.test} --python {python}"
    )
