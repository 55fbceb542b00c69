# provenv's hook for fish: looks at each prompt, and starts no process while nothing changes.
set -g _provenv_allowed @ALLOWED@

function _provenv_find -d "The environment of the nearest project at or above this folder"
    if test "$PWD" != "$_provenv_place" # what lies above is found out once
        set -g _provenv_place $PWD
        set -g _provenv_above
        set -l folder (string replace -r '/\z' '' -- $PWD | string collect)
        while test -n "$folder"
            set -a _provenv_above $folder
            set folder (string replace -r '/[^/]*\z' '' -- $folder | string collect)
        end
        set -a _provenv_above ""
    end
    set -g _provenv_found
    for folder in $_provenv_above
        if test -L "$folder/.venv/current" -a -f "$folder/pyproject.toml" -a -f "$folder/.venv/bin/activate.fish"
            set -g _provenv_found "$folder/.venv"
            set -g _provenv_folder $folder
            return
        end
    end
end

function _provenv_say -d "Each thing once: what it is about, and the sentence"
    if not contains -- $argv[1] $_provenv_told
        set -ga _provenv_told $argv[1]
        echo "provenv: "(string replace -ra '[[:cntrl:]]' '?' -- $argv[2] | string collect) >&2
    end
end

function _provenv_trusted -d "Whether the folder was allowed, by this name or its real one, and is the user's own"
    set -l folder $argv[1]
    if not test -f "$_provenv_allowed$folder/.allowed"
        set -l real (builtin realpath -- "$folder/" | string collect)
        if not test -f "$_provenv_allowed$real/.allowed"
            set -l named
            if test "$folder" != "$PWD" # where `allow` by itself could mean another project
                set named " "(string escape -- $folder)
            end
            _provenv_say "$folder" "$folder is not allowed; run `provenv allow$named`"
            return 1
        end
    end
    if not test -O "$folder/" -a -O "$folder/.venv"
        _provenv_say "$folder" "$folder is not activated: it belongs to another user"
        return 1
    end
end

function _provenv_activate
    if test "$VIRTUAL_ENV" = "$argv[1]"
        set -g _provenv_left $argv[1] # by hand: so it is left by hand, too
    else if test -n "$VIRTUAL_ENV"
        _provenv_say "$argv[1]+" "$argv[1] is not activated: $VIRTUAL_ENV is active"
    else if test -n "$CONDA_DEFAULT_ENV" -a "$CONDA_DEFAULT_ENV" != base
        _provenv_say "$argv[1]+" "$argv[1] is not activated: conda's $CONDA_DEFAULT_ENV is active"
    else if source "$argv[1]/bin/activate.fish"
        set -gx PROVENV_HOOKED $argv[1]
        set -g _provenv_own $argv[1]
    end
end

function _provenv_hook --on-event fish_prompt -d "Enter and leave the environments of projects"
    set -l code $status
    if test -n "$PROVENV_HOOKED" -a "$VIRTUAL_ENV" != "$PROVENV_HOOKED"
        set -g _provenv_left $PROVENV_HOOKED # by hand: not again before the folder has been left
        set -e PROVENV_HOOKED
    end
    _provenv_find
    set -l want $_provenv_found
    if test -n "$_provenv_left"
        set -l place (string replace -r '/\.venv\z' '' -- $_provenv_left | string collect)
        if test "$(string sub -l (string length -- "$place/") -- "$PWD/" | string collect)" != "$place/"
            set -e _provenv_left
        else if test "$want" = "$_provenv_left"
            set want
        end
    end
    if test -n "$want"; and not _provenv_trusted "$_provenv_folder"
        set want
    end
    if test -n "$PROVENV_HOOKED" -a -z "$_provenv_own"
        # The shell that started this one activated it; its variables came along, `deactivate` did not.
        if test -O "$PROVENV_HOOKED/bin/activate.fish"
            source "$PROVENV_HOOKED/bin/activate.fish"
        end
        set -g _provenv_own $PROVENV_HOOKED
    end
    if test "$want" != "$PROVENV_HOOKED"
        if test -n "$PROVENV_HOOKED"
            set -e PROVENV_HOOKED
            functions -q deactivate; and deactivate
        end
        if test -n "$want"
            _provenv_activate $want
        end
    end
    return $code
end
