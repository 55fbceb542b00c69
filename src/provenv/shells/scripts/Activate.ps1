# Use with: . .venv/bin/Activate.ps1

function global:deactivate ([switch] $NonDestructive) {
    # The entry is taken out of PATH as it is now: what was put there meanwhile stays.
    if ($env:VIRTUAL_ENV) {
        $separator = [System.IO.Path]::PathSeparator
        $entries = [System.Collections.Generic.List[string]] $env:PATH.Split($separator)
        foreach ($bin in 'bin', 'Scripts') {
            if ($entries.Remove((Join-Path $env:VIRTUAL_ENV $bin))) {
                break
            }
        }
        $env:PATH = $entries -join $separator
    }
    if (Test-Path Variable:global:_OLD_VIRTUAL_PYTHONHOME) {
        $env:PYTHONHOME = $global:_OLD_VIRTUAL_PYTHONHOME
        Remove-Variable _OLD_VIRTUAL_PYTHONHOME -Scope Global
    }
    if (Test-Path Function:_OLD_VIRTUAL_PROMPT) {
        Copy-Item Function:_OLD_VIRTUAL_PROMPT Function:prompt
        Remove-Item Function:_OLD_VIRTUAL_PROMPT
    }
    $env:VIRTUAL_ENV = $null
    $env:VIRTUAL_ENV_PROMPT = $null
    if (-not $NonDestructive) {
        Remove-Item Function:deactivate
    }
}
deactivate -NonDestructive

$provenvEnvironment = Split-Path -Parent $PSScriptRoot
$provenvAbove = Split-Path -Parent $provenvEnvironment
if ((Split-Path -Leaf $provenvAbove) -eq 'generations' -and (Test-Path -LiteralPath "$provenvAbove/../current")) {
    $provenvEnvironment = Split-Path -Parent $provenvAbove
} elseif ((Split-Path -Leaf $provenvEnvironment) -eq 'current' -and (Test-Path -LiteralPath "$provenvAbove/generations")) {
    $provenvEnvironment = $provenvAbove
}
$env:VIRTUAL_ENV = $provenvEnvironment
$env:VIRTUAL_ENV_PROMPT = @PROMPT_PS@
$env:PATH = (Join-Path $provenvEnvironment (Split-Path -Leaf $PSScriptRoot)) + [System.IO.Path]::PathSeparator + $env:PATH
Remove-Variable provenvEnvironment
Remove-Variable provenvAbove

if (Test-Path Env:PYTHONHOME) {
    $global:_OLD_VIRTUAL_PYTHONHOME = $env:PYTHONHOME
    $env:PYTHONHOME = $null
}
if (-not $env:VIRTUAL_ENV_DISABLE_PROMPT) {
    function global:_OLD_VIRTUAL_PROMPT { '' }
    Copy-Item Function:prompt Function:_OLD_VIRTUAL_PROMPT
    function global:prompt {
        Write-Host -NoNewline "($env:VIRTUAL_ENV_PROMPT) "
        _OLD_VIRTUAL_PROMPT
    }
}
