# provenv's hook for bash and zsh: looks at each prompt, and starts no process while nothing changes.
# shellcheck shell=bash disable=SC2016,SC1090,SC1091,SC2128,SC2178
_provenv_allowed=@ALLOWED@

# The environment of the nearest folder at or above the present one that is a project with an environment of
# ours; empty where there is none.
_provenv_find () {
    local folder=${PWD%/}
    _provenv_found=
    while :; do
        if [[ -L $folder/.venv/current && -f $folder/pyproject.toml && -f $folder/.venv/bin/activate ]]; then
            _provenv_found=$folder/.venv
            return
        fi
        if [[ $folder != */* ]]; then
            return
        fi
        folder=${folder%/*}
    done
}

# Each thing once: $1 is what it is about, $2 the sentence. A folder's name may hold anything.
_provenv_say () {
    case ${_provenv_told-} in
        *"|$1|"*) ;;
        *)
            _provenv_told="${_provenv_told-}|$1|"
            printf 'provenv: %s\n' "${2//[[:cntrl:]]/?}" >&2
            ;;
    esac
}

# Whether the folder $1 was allowed, by this name or by its real one, and is the user's own.
_provenv_trusted () {
    if [[ ! -f $_provenv_allowed$1/.allowed ]]; then
        if [[ $1 != "${_provenv_asked-}" ]]; then # the real name costs bash a process: asked once
            _provenv_asked=$1
            if [[ -n ${ZSH_VERSION-} ]]; then
                eval '_provenv_real=${1:A}'
            else
                _provenv_real=$(builtin cd -P -- "$1/" && builtin pwd -P)
            fi
        fi
        if [[ ! -f $_provenv_allowed$_provenv_real/.allowed ]]; then
            if [[ $1 != "$PWD" ]]; then # where `allow` by itself could mean another project
                printf -v _provenv_named ' %q' "$1"
            fi
            _provenv_say "$1" "$1 is not allowed; run \`provenv allow${_provenv_named-}\`"
            unset _provenv_named
            return 1
        fi
    fi
    if [[ ! -O $1/ || ! -O $1/.venv ]]; then
        _provenv_say "$1" "$1 is not activated: it belongs to another user"
        return 1
    fi
}

_provenv_activate () {
    if [[ ${VIRTUAL_ENV-} == "$1" ]]; then
        _provenv_left=$1 # by hand: so it is left by hand, too
    elif [[ -n ${VIRTUAL_ENV-} ]]; then
        _provenv_say "$1+" "$1 is not activated: $VIRTUAL_ENV is active"
    elif [[ -n ${CONDA_DEFAULT_ENV-} && $CONDA_DEFAULT_ENV != base ]]; then
        _provenv_say "$1+" "$1 is not activated: conda's $CONDA_DEFAULT_ENV is active"
    elif . "$1/bin/activate"; then
        export PROVENV_HOOKED=$1
        _provenv_own=$1
    fi
}

_provenv_hook () {
    local code=$? want
    if [[ -n ${ZSH_VERSION-} ]]; then
        setopt localoptions no_warn_create_global
    fi
    if [[ -n ${PROVENV_HOOKED-} && ${VIRTUAL_ENV-} != "$PROVENV_HOOKED" ]]; then
        _provenv_left=$PROVENV_HOOKED # by hand: not again before the folder has been left
        unset PROVENV_HOOKED
    fi
    _provenv_find
    want=$_provenv_found
    if [[ -n ${_provenv_left-} ]]; then
        case $PWD/ in
            "${_provenv_left%/.venv}"/*) ;;
            *) _provenv_left= ;;
        esac
        if [[ $want == "$_provenv_left" ]]; then
            want=
        fi
    fi
    if [[ -n $want ]] && ! _provenv_trusted "${want%/.venv}"; then
        want=
    fi
    if [[ -n ${PROVENV_HOOKED-} && -z ${_provenv_own-} ]]; then
        # The shell that started this one activated it; its variables came along, `deactivate` did not.
        if [[ -O $PROVENV_HOOKED/bin/activate ]]; then
            . "$PROVENV_HOOKED/bin/activate"
        fi
        _provenv_own=$PROVENV_HOOKED
    fi
    if [[ $want != "${PROVENV_HOOKED-}" ]]; then
        if [[ -n ${PROVENV_HOOKED-} ]]; then
            unset PROVENV_HOOKED
            if typeset -f deactivate > /dev/null; then
                deactivate
            fi
        fi
        if [[ -n $want ]]; then
            _provenv_activate "$want"
        fi
    fi
    return "$code"
}

if [[ -n ${ZSH_VERSION-} ]]; then
    typeset -ga precmd_functions
    if [[ " ${precmd_functions[*]} " != *" _provenv_hook "* ]]; then
        precmd_functions+=(_provenv_hook)
    fi
elif [[ ${PROMPT_COMMAND[*]-} != *_provenv_hook* ]]; then
    if [[ $(declare -p PROMPT_COMMAND 2> /dev/null) == "declare -a"* ]]; then
        PROMPT_COMMAND=(_provenv_hook "${PROMPT_COMMAND[@]}")
    else
        PROMPT_COMMAND=_provenv_hook${PROMPT_COMMAND:+$'\n'$PROMPT_COMMAND}
    fi
fi
