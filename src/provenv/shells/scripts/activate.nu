# Use with: overlay use .venv/bin/activate.nu        (and `deactivate`, or `overlay hide activate`)

export-env {
    let script = ($env.CURRENT_FILE | path expand --no-symlink)
    let above = ($script | path dirname | path dirname)
    let further = ($above | path dirname | path dirname)
    let in_generations = (($above | path dirname | path basename) == "generations")
    let in_current = (($above | path basename) == "current")
    let environment = if ($in_generations and ($further | path join "current" | path exists)) {
        $further
    } else if ($in_current and ($above | path dirname | path join "generations" | path exists)) {
        $above | path dirname
    } else {
        $above
    }
    let shown = @PROMPT_NU@
    let left = [$environment, ($env.VIRTUAL_ENV? | default $environment)] | each {|it| $it | path join "bin" }
    let before = ($env.PATH | where {|entry| $entry not-in $left })
    load-env {
        VIRTUAL_ENV: $environment
        VIRTUAL_ENV_PROMPT: $shown
        PATH: ($before | prepend ($environment | path join "bin"))
    }
    hide-env --ignore-errors PYTHONHOME
    if (($env.VIRTUAL_ENV_DISABLE_PROMPT? | default "") == "") {
        let old = if "_OLD_VIRTUAL_PROMPT" in $env { $env._OLD_VIRTUAL_PROMPT } else { $env.PROMPT_COMMAND? }
        $env._OLD_VIRTUAL_PROMPT = $old
        $env.PROMPT_COMMAND = {||
            let text = if (($old | describe) == "closure") { do $old } else { $old | default "" }
            $"\(($shown)\) ($text)"
        }
    }
}

export alias deactivate = overlay hide activate
