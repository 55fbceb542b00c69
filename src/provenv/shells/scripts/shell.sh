# What `provenv shell` has sh, dash and ksh read as $ENV: the user's own first, and then the environment.
# shellcheck shell=sh disable=SC1090,SC1091,SC2034
if [ -n "${_PROVENV_ENV:-}" ]; then
    ENV="$_PROVENV_ENV"
    export ENV
    if [ -r "$ENV" ]; then
        . "$ENV"
    fi
else
    unset ENV
fi
_provenv_script="$_PROVENV_ACTIVATE"
. "$_PROVENV_ACTIVATE"
unset _PROVENV_ACTIVATE _PROVENV_ENV
