@rem Use with: .venv\Scripts\activate.bat        (cmd)
@if defined VIRTUAL_ENV call "%~dp0deactivate.bat"
@for %%I in ("%~dp0..") do @set "VIRTUAL_ENV=%%~fI"
@set "_PROVENV_BIN=%~dp0"
@set "_PROVENV_BIN=%_PROVENV_BIN:~0,-1%"
@set "VIRTUAL_ENV_PROMPT=@PROMPT_BAT@"
@set "_OLD_VIRTUAL_PATH=%PATH%"
@set "PATH=%_PROVENV_BIN%;%PATH%"
@if defined PYTHONHOME set "_OLD_VIRTUAL_PYTHONHOME=%PYTHONHOME%"
@set PYTHONHOME=
@if defined VIRTUAL_ENV_DISABLE_PROMPT goto :eof
@if not defined PROMPT set "PROMPT=$P$G"
@set "_OLD_VIRTUAL_PROMPT=%PROMPT%"
@set "PROMPT=(@SHOWN_BAT@) %PROMPT%"
