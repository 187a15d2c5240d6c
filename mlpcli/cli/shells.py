"""Completion in bash and zsh, with what Click's own scripts lack.

What follows `=` is completed (`--optimizer=ad`), names with spaces are escaped, and zsh starts its
completion system if nobody has. Importing this registers both with Click.
"""

from __future__ import annotations

import os
import re

from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    split_arg_string,
)

_BASH = """\
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            plain) COMPREPLY+=("$value") ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default -o filenames ;;
        esac
    done < <(COMP_LINE=$line %(complete_var)s=bash_complete "$1")
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local type value
    local -a plain
    local before=${(j: :)words[1,CURRENT-1]}
    local output=$(COMP_LINE="$before $IPREFIX$PREFIX" %(complete_var)s=zsh_complete %(prog_name)s)
    [[ $PREFIX == --*=* ]] && compset -P '*='
    while IFS=, read -r type value; do
        case $type in
            plain) plain+=("$value") ;;
            dir) _path_files -/ ;;
            file) _path_files ;;
        esac
    done <<< "$output"
    (( $#plain )) && compadd -V unsorted -a plain
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -D -i }
    compdef %(complete_func)s %(prog_name)s
fi
"""


class _OfLine(ShellComplete):
    """Reads the command line up to the cursor from COMP_LINE."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)
        begun = bool(words) and not re.search(r"(?<!\\)\s$", line)
        return words[1 : len(words) - begun], words[-1] if begun else ""

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type},{item.value}"


class BashComplete(_OfLine):
    """bash, which splits words at `=` and inserts what it is told as it is."""

    name = "bash"
    source_template = _BASH

    def format_completion(self, item: CompletionItem) -> str:
        value = str(item.value)
        last = re.split(r"(?<!\\)[\s=]", os.environ.get("COMP_LINE", ""))[-1]
        if not last.startswith(("'", '"')):
            value = re.sub(r"([^\w@%+=:,./~-])", r"\\\1", value)
        return f"{item.type},{value}"


class ZshComplete(_OfLine):
    """zsh, which escapes by itself."""

    name = "zsh"
    source_template = _ZSH


for _shell in (BashComplete, ZshComplete):
    add_completion_class(_shell)
