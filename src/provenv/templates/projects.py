"""New projects: the files of a service, a library or a command-line program that works at once."""

from __future__ import annotations

from provenv.templates import texts

TEMPLATES = {
    "service": "an HTTP service: FastAPI, one endpoint, its test",
    "library": "a typed package for others to import",
    "cli": "a program for the command line",
}
_SUFFIX = ".txt"  # so that no tool takes the templates for the code of provenv


def project_files(template: str, *, name: str, module: str, minor: str) -> dict[str, str]:
    """Path → text of a new project. In the templates' own paths stand ``module`` and ``dot-``.

    Args:
        template: One of ``TEMPLATES``.
        name: Of the project (PEP 508).
        module: What is imported.
        minor: The oldest Python, ``3.13``.
    """
    values = {"NAME": name, "MODULE": module, "MINOR": minor, "TARGET": minor.replace(".", "")}
    found: dict[str, str] = {}
    for folder in ("project/common", f"project/{template}"):
        for file in texts.names(folder):
            parts = file.removesuffix(_SUFFIX).split("/")
            path = "/".join(module if part == "module" else part for part in parts)
            path = path.replace("dot-", ".", 1) if path.startswith("dot-") else path
            found[path] = texts.fill(texts.read(f"{folder}/{file}"), values)
    return found
