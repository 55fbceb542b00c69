# Use with: source .venv/bin/activate.csh        (tcsh, csh)

# No variable names the file that is sourced. `provenv activate` says it, and on Linux the shell has it open.
if ( ! $?_provenv_script ) set _provenv_script = ""
if ( "$_provenv_script:q" == "" && -d /proc/$$/fd ) then
    set _provenv_script = "`readlink /proc/$$/fd/* | grep -x '.*/bin/activate[.]csh' | tail -n 1`"
else if ( "$_provenv_script:q" == "" ) then
    set _provenv_script = "`lsof -p $$ -F n | sed -n 's/^n//p' | grep -x '.*/bin/activate[.]csh' | tail -n 1`"
endif
set _provenv_env = "$_provenv_script:h"
set _provenv_env = "$_provenv_env:h"
set _provenv_above = "$_provenv_env:h"
if ( "$_provenv_above:t" == "generations" && -e "$_provenv_above:h/current" ) then
    set _provenv_env = "$_provenv_above:h"
else if ( "$_provenv_env:t" == "current" && -e "$_provenv_above/generations" ) then
    set _provenv_env = "$_provenv_above:q"
endif
unset _provenv_script _provenv_above

if ( "$_provenv_env:q" == "" || ! -e "$_provenv_env:q/bin/activate.csh" ) then
    echo 'provenv: this shell does not tell where the script lies; use: eval "`provenv activate --shell csh`"'
else
    # As venv has it, the PATH of before comes back: an alias cannot look for one entry in it.
    alias deactivate 'test $?_OLD_VIRTUAL_PATH != 0 && setenv PATH "$_OLD_VIRTUAL_PATH:q" && unset _OLD_VIRTUAL_PATH; test $?_OLD_VIRTUAL_PYTHONHOME != 0 && setenv PYTHONHOME "$_OLD_VIRTUAL_PYTHONHOME:q" && unset _OLD_VIRTUAL_PYTHONHOME; test $?_OLD_VIRTUAL_PROMPT != 0 && set prompt = "$_OLD_VIRTUAL_PROMPT:q" && unset _OLD_VIRTUAL_PROMPT; rehash; unsetenv VIRTUAL_ENV; unsetenv VIRTUAL_ENV_PROMPT; test "\!:*" != "nondestructive" && unalias deactivate'
    deactivate nondestructive

    setenv VIRTUAL_ENV "$_provenv_env:q"
    setenv VIRTUAL_ENV_PROMPT @PROMPT_CSH@
    set _OLD_VIRTUAL_PATH = "$PATH:q"
    setenv PATH "$VIRTUAL_ENV:q/bin:$PATH:q"
    if ( ! -e "$VIRTUAL_ENV:q/bin/python" ) then
        sh -c 'echo "provenv: the interpreter of this environment is gone: $(readlink "$VIRTUAL_ENV/bin/python"); '"'provenv sync' repairs it"'" >&2'
    endif
    if ( $?PYTHONHOME ) then
        set _OLD_VIRTUAL_PYTHONHOME = "$PYTHONHOME:q"
        unsetenv PYTHONHOME
    endif
    if ( ! $?VIRTUAL_ENV_DISABLE_PROMPT ) then
        if ( $?prompt ) then
            set _OLD_VIRTUAL_PROMPT = "$prompt:q"
            set prompt = '('@SHOWN_CSH@') '"$prompt:q"
        endif
    endif
    rehash
endif
unset _provenv_env
