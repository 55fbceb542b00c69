"""Text inside shell code: quoted so that each shell reads back what was meant, and shows it as it is."""

from __future__ import annotations

POSIX = ("sh", "bash", "zsh", "dash", "ksh", "mksh")


def quote(text: str, shell: str) -> str:
    """``text`` as one word of ``shell``, quotes included.

    Raises:
        ValueError: The shell is not known, or cannot hold the text at all (csh: line breaks).
    """
    if shell in POSIX:
        return "'" + text.replace("'", "'\\''") + "'"
    if shell == "fish":
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if shell in ("csh", "tcsh"):
        if "\n" in text:
            raise ValueError(f"{shell} cannot hold a line break in quotes")
        return "'" + text.replace("'", "'\\''").replace("!", "\\!") + "'"
    if shell == "pwsh":  # PowerShell takes typographic quotes for plain ones
        return "'" + "".join(c * 2 if c in "'‘’‚‛" else c for c in text) + "'"
    if shell == "nu":
        inner = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{inner}"'
    raise ValueError(f"no such shell: {shell}")


def one_line(text: str) -> str:
    """``text`` without what moves the cursor or ends a line: a prompt is shown, whoever wrote it."""
    return "".join(character if character.isprintable() else " " for character in text)


def in_prompt(text: str, shell: str) -> str:
    """``text`` as it must stand in the variable that ``shell`` makes its prompt from.

    Shells expand their prompts: a ``$(…)`` in the name of a folder must be shown, not run. ``zsh-subst``
    is zsh with PROMPT_SUBST set.
    """
    if shell == "bash":  # first its own escapes, then expansions as in double quotes
        return "".join(f"\\\\{c}" if c in "$`" else "\\\\\\\\" if c == "\\" else c for c in text)
    if shell == "sh":
        return "".join(f"\\{c}" if c in "$`\\" else c for c in text)
    if shell == "ksh":  # its kinds differ in what a backslash or a quote does there
        return "".join("_" if c in "\\$`!'\"" else c for c in text)
    if shell == "zsh":
        return text.replace("%", "%%")
    if shell == "zsh-subst":
        return in_prompt(in_prompt(text, "zsh"), "sh")
    if shell == "csh":
        return "".join(f"\\{c}" if c in "!^\\" else "%%" if c == "%" else c for c in text)
    if shell == "cmd":
        return text.replace("$", "$$").replace("%", "%%")
    raise ValueError(f"no such shell: {shell}")
