# What `provenv shell` has zsh read first: ZDOTDIR is this folder until the next line, so that everything
# else is read from where the user has it. The environment comes with the first prompt, after ~/.zshrc.
if [[ -n ${_PROVENV_ZDOTDIR+set} ]]; then
    export ZDOTDIR=$_PROVENV_ZDOTDIR
    unset _PROVENV_ZDOTDIR
else
    unset ZDOTDIR
fi
if [[ -r ${ZDOTDIR:-$HOME}/.zshenv ]]; then
    . "${ZDOTDIR:-$HOME}/.zshenv"
fi
_provenv_enter () {
    precmd_functions=("${precmd_functions[@]:#_provenv_enter}")
    unfunction _provenv_enter
    . "$_PROVENV_ACTIVATE"
    unset _PROVENV_ACTIVATE
}
precmd_functions+=(_provenv_enter)
