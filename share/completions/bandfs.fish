# fish completion for bandfs(8)
#
# The words come from the help of the program, so they are those that it knows.

function __bandfs_subcommands
    bandfs --help 2>/dev/null | awk '
        /^Subcommands/ { found = 1; next }
        found && /^$/ { exit }
        found { name = $1; $1 = ""; while ($0 ~ /^ +\[?[A-Z|]+\]?( |$)/) sub(/^ +[^ ]+/, ""); sub(/^ +/, ""); print name "\t" $0 }'
end

# The words below a heading of the help: Types, Policies.
function __bandfs_words
    bandfs --help 2>/dev/null | awk -v heading="$argv[1]:" '
        $0 == heading { found = 1; next }
        found { for (i = 1; i <= NF; ++i) print $i; exit }'
end

# Whole words for -o: what is there up to the last comma, and an option or one of its values.
function __bandfs_options
    set -l before (commandline -ct | string replace -r '^-o' '' | string replace -rf '^(.*,).*$' '$1')
    bandfs --help 2>/dev/null | awk -v before="$before" '
        /^(Scheduling|The mount):$/ { options = 1; next }
        /^Flags of the mount:$/ { options = 0; flags = 1; next }
        /^[^ ]/ { options = flags = 0 }
        options && /^  [a-z]/ { name = $1; sub(/=.*/, "=", name); $1 = ""; print before name "\t" substr($0, 2) }
        flags { for (i = 1; i <= NF; ++i) print before $i }'
    bandfs --help 2>/dev/null | awk -v before="$before" '
        $1 ~ /^[a-z_]+=[a-z]+[|]/ { name = $1; sub(/=.*/, "=", name); sub(/.*=/, "", $1)
                                    count = split($1, values, /[|]/)
                                    for (i = 1; i <= count; ++i) print before name values[i] }'
    printf "$before"'type=%s\n' (__bandfs_words Types)
    printf "$before"'policy=%s\n' (__bandfs_words Policies)
end

function __bandfs_has_subcommand
    set -l words (commandline -opc)
    test (count $words) -ge 2; and __bandfs_subcommands | string match -q -- "$words[2]"\t'*'
end

# What can be the operand at the cursor, by its name in the help.
function __bandfs_operands
    set -l words (commandline -opc)
    set -l given (string match -v -- '-*' $words[3..])
    set -l name (bandfs --help 2>/dev/null | awk -v name="$words[2]" -v number=(math (count $given) + 1) '
        /^Subcommands/ { found = 1; next }
        found && /^$/ { exit }
        found && $1 == name && $(number + 1) ~ /^\[?[A-Z|]+\]?$/ { gsub(/[][]/, ""); print $(number + 1) }')
    switch "$name"
        case MOUNT 'MOUNT|GROUP'
            string match -q '*GROUP' $name; and bandfs list 2>/dev/null | awk '/^[^ ]/ { print $1 }'
            awk '$3 == "fuse.bandfs" { print $2 }' /proc/self/mounts
        case MESSAGE # what can be written in the control directory
            for file in $given[-1]/.bandfs/*
                test -f $file; and stat -c %A $file | string match -q '??w*'; and string replace -r '.*/' '' $file
            end
        case ARGUMENT
            switch $given[-1]
                case type
                    __bandfs_words Types
                case policy
                    __bandfs_words Policies
            end
        case SOURCE
            __fish_complete_directories (commandline -ct)
        case FILE
            __fish_complete_path (commandline -ct)
    end
end

function __bandfs_subcommand_options
    set -l words (commandline -opc)
    bandfs $words[2] --help 2>/dev/null | awk '/^  --/ { name = $1; sub(/^  --[a-z]+( [A-Z]+)? +/, ""); print name "\t" $0 }'
end

complete -c bandfs -n __bandfs_has_subcommand -f -a '(__bandfs_operands)'
complete -c bandfs -n '__bandfs_has_subcommand; and string match -q -- "-*" (commandline -ct)' -a '(__bandfs_subcommand_options)'
complete -c bandfs -n __fish_use_subcommand -a '(__bandfs_subcommands)'
complete -c bandfs -n 'not __bandfs_has_subcommand' -s o -x -a '(__bandfs_options)' -d 'Options of the mount'
complete -c bandfs -n 'not __bandfs_has_subcommand' -s f -d 'Stay in the foreground, log to the terminal'
complete -c bandfs -n 'not __bandfs_has_subcommand' -s d -d 'Show every request; implies -f'
complete -c bandfs -n 'not __bandfs_has_subcommand' -s s -d 'One thread receives requests'
complete -c bandfs -n 'not __bandfs_has_subcommand' -s V -l version -d 'Print the version'
complete -c bandfs -s h -l help -d 'Print help'
