# What `provenv shell` has bash read instead of ~/.bashrc: that first, and then the environment.
# shellcheck shell=bash disable=SC1090
if [ -f ~/.bashrc ]; then
    . ~/.bashrc
fi
. "$_PROVENV_ACTIVATE"
unset _PROVENV_ACTIVATE
