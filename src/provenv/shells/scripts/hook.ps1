# provenv's hook for PowerShell: looks at each prompt, and starts no process while nothing changes.
$global:_PROVENV_ALLOWED = @ALLOWED@
$global:_PROVENV_TOLD = @{}

function global:_provenv_find {
    $folder = (Get-Location -PSProvider FileSystem).ProviderPath.TrimEnd('/')
    while ($true) {
        if ([System.IO.File]::Exists("$folder/pyproject.toml") -and
            [System.IO.File]::Exists("$folder/.venv/bin/Activate.ps1") -and
            [System.IO.Directory]::Exists("$folder/.venv/current")) {
            return $folder
        }
        if ($folder -eq '') {
            return $null
        }
        $folder = $folder.Substring(0, $folder.LastIndexOf('/'))
    }
}

function global:_provenv_say ([string] $About, [string] $Text) {
    if (-not $global:_PROVENV_TOLD.ContainsKey($About)) {
        $global:_PROVENV_TOLD[$About] = $true
        [Console]::Error.WriteLine("provenv: " + ($Text -replace '[\x00-\x1f\x7f]', '?'))
    }
}

function global:_provenv_trusted ([string] $Folder) {
    if (-not [System.IO.File]::Exists("$global:_PROVENV_ALLOWED$Folder/.allowed")) {
        $named = if ($Folder -cne (Get-Location).ProviderPath) { " '" + ($Folder -replace "'", "''") + "'" } else { '' }
        _provenv_say $Folder "$Folder is not allowed; run ``provenv allow$named``"
        return $false
    }
    foreach ($path in "$Folder/", "$Folder/.venv") {
        if ((Get-Item -Force -LiteralPath $path).User -ne [Environment]::UserName) {
            _provenv_say $Folder "$Folder is not activated: it belongs to another user"
            return $false
        }
    }
    return $true
}

function global:_provenv_hook {
    if ($env:PROVENV_HOOKED -and $env:VIRTUAL_ENV -cne $env:PROVENV_HOOKED) {
        $global:_PROVENV_LEFT = $env:PROVENV_HOOKED
        $env:PROVENV_HOOKED = $null
    }
    $folder = _provenv_find
    $want = if ($null -ne $folder) { "$folder/.venv" } else { '' }
    if ($global:_PROVENV_LEFT) {
        $here = (Get-Location -PSProvider FileSystem).ProviderPath.TrimEnd('/') + '/'
        if (-not $here.StartsWith($global:_PROVENV_LEFT.Substring(0, $global:_PROVENV_LEFT.Length - 5),
                [System.StringComparison]::Ordinal)) {
            $global:_PROVENV_LEFT = ''
        } elseif ($want -ceq $global:_PROVENV_LEFT) {
            $want = ''
        }
    }
    if ($want -and -not (_provenv_trusted $folder)) {
        $want = ''
    }
    if ($want -cne "$env:PROVENV_HOOKED") {
        if ($env:PROVENV_HOOKED) {
            $env:PROVENV_HOOKED = $null
            if (Test-Path Function:deactivate) {
                deactivate
            }
        }
        if ($want -and $env:VIRTUAL_ENV -ceq $want) {
            $global:_PROVENV_LEFT = $want
        } elseif ($want -and $env:VIRTUAL_ENV) {
            _provenv_say "$want+" "$want is not activated: $env:VIRTUAL_ENV is active"
        } elseif ($want -and $env:CONDA_DEFAULT_ENV -and $env:CONDA_DEFAULT_ENV -cne 'base') {
            _provenv_say "$want+" "$want is not activated: conda's $env:CONDA_DEFAULT_ENV is active"
        } elseif ($want) {
            # The hook's own prompt shows the name: it runs inside the one that Activate.ps1 would replace.
            $before = $env:VIRTUAL_ENV_DISABLE_PROMPT
            $env:VIRTUAL_ENV_DISABLE_PROMPT = '1'
            . "$want/bin/Activate.ps1"
            $env:VIRTUAL_ENV_DISABLE_PROMPT = $before
            $env:PROVENV_HOOKED = $want
        }
    }
}

if (-not (Test-Path Function:_PROVENV_OLD_PROMPT)) {
    function global:_PROVENV_OLD_PROMPT { '' }
    Copy-Item Function:prompt Function:_PROVENV_OLD_PROMPT
    function global:prompt {
        $code = $global:LASTEXITCODE
        _provenv_hook
        $global:LASTEXITCODE = $code
        if ($env:PROVENV_HOOKED -and -not $env:VIRTUAL_ENV_DISABLE_PROMPT) {
            Write-Host -NoNewline "($env:VIRTUAL_ENV_PROMPT) "
        }
        _PROVENV_OLD_PROMPT
    }
}
