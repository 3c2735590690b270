# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# bash completion for poise: the program itself knows what may come next.

_poise() {
    # shellcheck disable=SC2034 # prev is set too
    local cur prev words cword
    _init_completion -n := || return
    local IFS=$'\n'
    # shellcheck disable=SC2207 # one candidate a line
    COMPREPLY=($("${words[0]}" __complete "${words[@]:1:cword}" 2>/dev/null))
    if [[ ${COMPREPLY[0]-} == :file ]]; then
        COMPREPLY=()
        _filedir
        return
    fi
    __ltrim_colon_completions "$cur"
}
complete -F _poise poise
