# What `provenv shell` has tcsh read: HOME is this folder until the next line. The user's own file comes
# first, then the environment.
setenv HOME "$_PROVENV_USER_HOME:q"
set home = "$HOME:q"
unsetenv _PROVENV_USER_HOME
if ( $?tcsh && -r ~/.tcshrc ) then
    source ~/.tcshrc
else if ( -r ~/.cshrc ) then
    source ~/.cshrc
endif
set _provenv_script = "$_PROVENV_ACTIVATE:q"
unsetenv _PROVENV_ACTIVATE
source "$_provenv_script:q"
