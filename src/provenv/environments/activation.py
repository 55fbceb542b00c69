"""Scripts to `source`: they find the environment from their own place, so that it may be moved.

Sourced as ``.venv/bin/activate`` or by the real path of a generation, they put ``.venv/bin`` on
PATH: what is activated follows a switch of generation. ``deactivate`` restores PATH, PYTHONHOME and
the prompt as they were.
"""

from __future__ import annotations

_POSIX = """\
# Use with: source .venv/bin/activate     (bash, zsh; in other POSIX shells: cd .venv/bin && . ./activate)
deactivate () {
    if [ -n "${_OLD_VIRTUAL_PATH+set}" ]; then
        PATH="$_OLD_VIRTUAL_PATH"; export PATH; unset _OLD_VIRTUAL_PATH
    fi
    if [ -n "${_OLD_VIRTUAL_PYTHONHOME+set}" ]; then
        PYTHONHOME="$_OLD_VIRTUAL_PYTHONHOME"; export PYTHONHOME; unset _OLD_VIRTUAL_PYTHONHOME
    fi
    if [ -n "${_OLD_VIRTUAL_PS1+set}" ]; then
        PS1="$_OLD_VIRTUAL_PS1"; export PS1; unset _OLD_VIRTUAL_PS1
    fi
    hash -r 2> /dev/null || true
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    if [ ! "${1:-}" = "nondestructive" ]; then
        unset -f deactivate
    fi
}
deactivate nondestructive

if [ -n "${BASH_SOURCE:-}" ]; then
    _provenv_script="${BASH_SOURCE[0]}"
elif [ -n "${ZSH_VERSION:-}" ]; then
    eval '_provenv_script="${(%):-%x}"'
else
    _provenv_script="./activate"
fi
case "$_provenv_script" in
    */*) _provenv_bin="${_provenv_script%/*}" ;;
    *) _provenv_bin="." ;;
esac
# `cd` goes up the logical path: .venv/bin is a symlink, and above it is .venv.
VIRTUAL_ENV="$(CDPATH= cd -- "$_provenv_bin/.." > /dev/null && pwd -L)"
case "$VIRTUAL_ENV" in
    */generations/*) [ -L "${VIRTUAL_ENV%/generations/*}/current" ] && VIRTUAL_ENV="${VIRTUAL_ENV%/generations/*}" ;;
esac
export VIRTUAL_ENV
unset _provenv_script _provenv_bin
if [ ! -e "$VIRTUAL_ENV/bin/python" ]; then
    echo "provenv: the interpreter of this environment is gone: $(readlink "$VIRTUAL_ENV/bin/python"); 'provenv sync' repairs it" >&2
fi

_OLD_VIRTUAL_PATH="$PATH"
PATH="$VIRTUAL_ENV/bin:$PATH"
export PATH
VIRTUAL_ENV_PROMPT=@PROMPT@
export VIRTUAL_ENV_PROMPT
if [ -n "${PYTHONHOME+set}" ]; then
    _OLD_VIRTUAL_PYTHONHOME="$PYTHONHOME"
    unset PYTHONHOME
fi
if [ -z "${VIRTUAL_ENV_DISABLE_PROMPT:-}" ] && [ -n "${PS1+set}" ]; then
    _OLD_VIRTUAL_PS1="$PS1"
    PS1="($VIRTUAL_ENV_PROMPT) $PS1"
    export PS1
fi
hash -r 2> /dev/null || true
"""

_FISH = """\
# Use with: source .venv/bin/activate.fish
function deactivate -d "Leave the environment and restore the shell"
    if set -q _OLD_VIRTUAL_PATH
        set -gx PATH $_OLD_VIRTUAL_PATH
        set -e _OLD_VIRTUAL_PATH
    end
    if set -q _OLD_VIRTUAL_PYTHONHOME
        set -gx PYTHONHOME $_OLD_VIRTUAL_PYTHONHOME
        set -e _OLD_VIRTUAL_PYTHONHOME
    end
    if functions -q _provenv_old_prompt
        functions -e fish_prompt
        functions -c _provenv_old_prompt fish_prompt
        functions -e _provenv_old_prompt
    end
    set -e VIRTUAL_ENV
    set -e VIRTUAL_ENV_PROMPT
    if test "$argv[1]" != nondestructive
        functions -e deactivate
    end
end
deactivate nondestructive

set -gx VIRTUAL_ENV (cd (dirname (dirname (status --current-filename))); and pwd -P)
set -gx VIRTUAL_ENV (string replace -r '/generations/[0-9]+$' '' -- $VIRTUAL_ENV)
if not test -e $VIRTUAL_ENV/bin/python
    echo "provenv: the interpreter of this environment is gone: "(readlink $VIRTUAL_ENV/bin/python)"; 'provenv sync' repairs it" >&2
end
set -g _OLD_VIRTUAL_PATH $PATH
set -gx PATH $VIRTUAL_ENV/bin $PATH
set -gx VIRTUAL_ENV_PROMPT @PROMPT@
if set -q PYTHONHOME
    set -g _OLD_VIRTUAL_PYTHONHOME $PYTHONHOME
    set -e PYTHONHOME
end
if test -z "$VIRTUAL_ENV_DISABLE_PROMPT"; and functions -q fish_prompt
    functions -c fish_prompt _provenv_old_prompt
    function fish_prompt
        set -l old_status $status
        printf '(%s) ' $VIRTUAL_ENV_PROMPT
        echo "exit $old_status" | source
        _provenv_old_prompt
    end
end
"""


def scripts(prompt: str) -> dict[str, str]:
    """The activation scripts (file name → text) for an environment that shows ``prompt``."""
    quoted = "'" + prompt.replace("'", "'\\''").replace("\n", " ") + "'"
    return {
        "activate": _POSIX.replace("@PROMPT@", quoted),
        "activate.fish": _FISH.replace("@PROMPT@", quoted),
    }
