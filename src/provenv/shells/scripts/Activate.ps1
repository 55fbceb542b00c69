# Use with: . .venv/bin/Activate.ps1

function global:deactivate ([switch] $NonDestructive) {
    # The entry is taken out of PATH as it is now: what was put there meanwhile stays.
    if ($env:VIRTUAL_ENV) {
        $separator = [System.IO.Path]::PathSeparator
        $entries = [System.Collections.Generic.List[string]] ($env:PATH -split [regex]::Escape($separator))
        [void] $entries.Remove((Join-Path $env:VIRTUAL_ENV (Get-Variable _PROVENV_BIN -Scope Global -ValueOnly -ErrorAction Ignore)))
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
    Remove-Item Env:VIRTUAL_ENV, Env:VIRTUAL_ENV_PROMPT -ErrorAction Ignore
    Remove-Variable _PROVENV_BIN -Scope Global -ErrorAction Ignore
    if (-not $NonDestructive) {
        Remove-Item Function:deactivate
    }
}
deactivate -NonDestructive

$provenvEnvironment = Split-Path -Parent $PSScriptRoot
$provenvAbove = Split-Path -Parent $provenvEnvironment
if ((Split-Path -Leaf $provenvAbove) -eq 'generations') {
    $provenvEnvironment = Split-Path -Parent $provenvAbove
} elseif ((Split-Path -Leaf $provenvEnvironment) -eq 'current') {
    $provenvEnvironment = $provenvAbove
}
$global:_PROVENV_BIN = Split-Path -Leaf $PSScriptRoot
$env:VIRTUAL_ENV = $provenvEnvironment
$env:VIRTUAL_ENV_PROMPT = @PROMPT_PS@
$env:PATH = (Join-Path $provenvEnvironment $global:_PROVENV_BIN) + [System.IO.Path]::PathSeparator + $env:PATH
Remove-Variable provenvEnvironment, provenvAbove

if (Test-Path Env:PYTHONHOME) {
    $global:_OLD_VIRTUAL_PYTHONHOME = $env:PYTHONHOME
    Remove-Item Env:PYTHONHOME
}
if (-not $env:VIRTUAL_ENV_DISABLE_PROMPT) {
    Copy-Item Function:prompt Function:global:_OLD_VIRTUAL_PROMPT
    function global:prompt {
        Write-Host -NoNewline "($env:VIRTUAL_ENV_PROMPT) "
        _OLD_VIRTUAL_PROMPT
    }
}
