# Use with: source .venv/bin/activate.fish

function deactivate -d "Leave the environment and restore the shell"
    # The entry is taken out of PATH as it is now: what was put there meanwhile stays.
    if set -q VIRTUAL_ENV
        if set -l _provenv_index (contains -i -- $VIRTUAL_ENV/bin $PATH)
            set -e PATH[$_provenv_index]
        end
    end
    if set -q _OLD_VIRTUAL_PYTHONHOME
        set -gx PYTHONHOME $_OLD_VIRTUAL_PYTHONHOME
    end
    if set -q _OLD_FISH_PROMPT_OVERRIDE
        # A prompt that was defined meanwhile stays.
        if functions -q _old_fish_prompt; and functions fish_prompt | string match -q '*_old_fish_prompt*'
            functions -e fish_prompt
            functions -c _old_fish_prompt fish_prompt
        end
        functions -e _old_fish_prompt
    end
    set -e VIRTUAL_ENV
    set -e VIRTUAL_ENV_PROMPT
    set -e _OLD_VIRTUAL_PATH
    set -e _OLD_VIRTUAL_PYTHONHOME
    set -e _OLD_FISH_PROMPT_OVERRIDE
    if test "$argv[1]" != nondestructive
        functions -e deactivate
    end
end
deactivate nondestructive

# The names of what was before are those of venv and virtualenv: their scripts, sourced next, undo this one.
# (`cd` would move the shell itself: fish runs a command substitution in no process of its own.)
set -gx VIRTUAL_ENV (builtin realpath -s -- (status filename | string collect) | string collect)
set -gx VIRTUAL_ENV (string replace -r '/bin/[^/]*\z' '' -- $VIRTUAL_ENV | string collect)
set -l _provenv_above (string replace -r '(/generations/[0-9]+|/current)\z' '' -- $VIRTUAL_ENV | string collect)
if test -L "$_provenv_above/current"
    set -gx VIRTUAL_ENV $_provenv_above
end
set -gx VIRTUAL_ENV_PROMPT @PROMPT@
set -g _OLD_VIRTUAL_PATH $PATH
set -gx PATH $VIRTUAL_ENV/bin $PATH
if not test -e "$VIRTUAL_ENV/bin/python"
    echo "provenv: the interpreter of this environment is gone: "(readlink $VIRTUAL_ENV/bin/python | string collect)"; 'provenv sync' repairs it" >&2
end
if set -q PYTHONHOME
    set -g _OLD_VIRTUAL_PYTHONHOME $PYTHONHOME
    set -e PYTHONHOME
end
if test -z "$VIRTUAL_ENV_DISABLE_PROMPT"; and functions -q fish_prompt
    set -g _OLD_FISH_PROMPT_OVERRIDE $VIRTUAL_ENV
    functions -c fish_prompt _old_fish_prompt
    function fish_prompt
        set -l old_status $status
        printf '(%s) ' $VIRTUAL_ENV_PROMPT
        echo "exit $old_status" | source
        _old_fish_prompt
    end
end
