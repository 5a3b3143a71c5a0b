# bash completion for bandfs(8)                                                                    -*- shell-script -*-
#
# The words come from the help of the program that is being completed, so they are those that it knows.

# Names of mount options; those that take a value end with "=".
_bandfs_options()
{
    "$1" --help 2>/dev/null | awk '
        /^(Scheduling|The mount):$/ { options = 1; next }
        /^Flags of the mount:$/ { options = 0; flags = 1; next }
        /^[^ ]/ { options = flags = 0 }
        options && /^  [a-z]/ { sub(/=.*/, "=", $1); print $1 }
        flags { for (i = 1; i <= NF; ++i) print $i }'
}

# The words below a heading of the help: "Types", "Policies".
_bandfs_words()
{
    "$1" --help 2>/dev/null | awk -v heading="$2:" '
        $0 == heading { found = 1; next }
        found { for (i = 1; i <= NF; ++i) print $i; exit }'
}

# The values of an option that the help writes as NAME=THIS|THAT.
_bandfs_values()
{
    "$1" --help 2>/dev/null | awk -v name="$2" '
        $1 ~ "^" name "=[a-z]+[|]" { sub(/.*=/, "", $1); gsub(/[|]/, "\n", $1); print $1; exit }'
}

_bandfs_subcommands()
{
    "$1" --help 2>/dev/null | awk '/^Subcommands/ { found = 1; next } found && /^$/ { exit } found { print $1 }'
}

# What the operand of this number is called: MOUNT, MESSAGE, SOURCE ...
_bandfs_operand()
{
    "$1" --help 2>/dev/null | awk -v name="$2" -v number="$3" '
        /^Subcommands/ { found = 1; next }
        found && /^$/ { exit }
        found && $1 == name && $(number + 1) ~ /^\[?[A-Z|]+\]?$/ { gsub(/[][]/, ""); print $(number + 1) }'
}

_bandfs_mounts()
{
    awk '$3 == "fuse.bandfs" { print $2 }' /proc/self/mounts
}

# The messages of a mount: what can be written in its control directory.
_bandfs_messages()
{
    local file
    for file in "$1"/.bandfs/*; do
        [[ -f $file && $(stat -c %A "$file" 2>/dev/null) == ??w* ]] && printf '%s\n' "${file##*/}"
    done
}

# What stands behind -o: the last of the options between commas.
_bandfs_complete_option()
{
    local program=$1 option=${2##*,} before=
    [[ $2 == *,* ]] && before=${2%,*},
    # Of "type=us" bash takes "us" for the word to be replaced, since it breaks words at "=".
    case $option in
        type=*) COMPREPLY=($(compgen -W "$(_bandfs_words "$program" Types)" -- "${option#*=}")) ;;
        policy=*) COMPREPLY=($(compgen -W "$(_bandfs_words "$program" Policies)" -- "${option#*=}")) ;;
        *=*) COMPREPLY=($(compgen -W "$(_bandfs_values "$program" "${option%%=*}")" -- "${option#*=}")) ;;
        *)
            [[ $before == *=* ]] && before=${before##*=}
            COMPREPLY=($(compgen -P "$before" -W "$(_bandfs_options "$program")" -- "$option"))
            [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
            ;;
    esac
}

_bandfs_complete_operand()
{
    local program=$1 subcommand=$2 cur=$3 number=1 i
    for ((i = 2; i < COMP_CWORD; ++i)); do
        [[ ${COMP_WORDS[i]} == -* ]] || number=$((number + 1))
    done
    case $(_bandfs_operand "$program" "$subcommand" $number) in
        "MOUNT|GROUP")
            COMPREPLY=($(compgen -W "$(_bandfs_mounts)
$("$program" list 2>/dev/null | awk '/^[^ ]/ { print $1 }')" -- "$cur"))
            ;;
        MOUNT) COMPREPLY=($(compgen -W "$(_bandfs_mounts)" -- "$cur")) ;;
        MESSAGE) COMPREPLY=($(compgen -W "$(_bandfs_messages "${COMP_WORDS[COMP_CWORD - 1]}")" -- "$cur")) ;;
        ARGUMENT)
            case ${COMP_WORDS[COMP_CWORD - 1]} in
                type) COMPREPLY=($(compgen -W "$(_bandfs_words "$program" Types)" -- "$cur")) ;;
                policy) COMPREPLY=($(compgen -W "$(_bandfs_words "$program" Policies)" -- "$cur")) ;;
            esac
            ;;
        SOURCE) COMPREPLY=($(compgen -d -- "$cur")) ;;
        FILE) COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
}

_bandfs()
{
    local program=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} line=${COMP_LINE:0:COMP_POINT} IFS=$'\n'
    COMPREPLY=()
    if [[ $line =~ [[:space:]]-o[[:space:]]*([^[:space:]]*)$ ]]; then
        _bandfs_complete_option "$program" "${BASH_REMATCH[1]}"
    elif ((COMP_CWORD > 1)) && _bandfs_subcommands "$program" | grep -qxe "${COMP_WORDS[1]}"; then
        if [[ $cur == -* ]]; then
            COMPREPLY=($(compgen -W "$("$program" "${COMP_WORDS[1]}" --help 2>/dev/null |
                awk '/^  --/ { print $1 } END { print "--help" }')" -- "$cur"))
        else
            _bandfs_complete_operand "$program" "${COMP_WORDS[1]}" "$cur"
        fi
    elif [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W $'-o\n-f\n-d\n-s\n-V\n-h\n--version\n--help' -- "$cur"))
    else
        COMPREPLY=($(compgen -d -- "$cur"))
        ((COMP_CWORD == 1)) && COMPREPLY+=($(compgen -W "$(_bandfs_subcommands "$program")" -- "$cur"))
    fi
} &&
    complete -o filenames -F _bandfs bandfs mount.bandfs
