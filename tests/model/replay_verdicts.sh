#!/bin/sh
# band-replay's verdicts: usage: replay_verdicts.sh BAND-REPLAY
replay=$1
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
failed=0

# expect CODE TEXT LINE...: the lines as a file end with that code, and standard error has the text.
expect() {
    code=$1 text=$2
    shift 2
    printf '%s\n' "$@" >"$dir/t.trace"
    "$replay" "$dir/t.trace" >"$dir/out" 2>"$dir/err"
    got=$?
    if [ $got -ne "$code" ] || ! { cat "$dir/err"; echo; } | grep -qF -- "$text"; then
        echo "wanted $code and '$text', got $got for: $*"
        cat "$dir/err"
        failed=1
    fi
}

first='map 1 default r 8 => immediate | epoch=0 issued=1 blocked=0 plugged=0 default:2048/2049'
expect 0 '' '# a comment' '' "$first"
expect 1 't.trace:3:' '# a comment' "$first" 'end 1 => released 2 | epoch=0 issued=0 blocked=0 plugged=0 default:2048/2049'
expect 1 'got:    released - | epoch=0 issued=0' "$first" 'end 1 => released -'
expect 2 't.trace:1: no => in the line' 'map 1 default r 8'
expect 2 'unknown event jump' 'jump 3 => ok | '
expect 2 'map takes 4 argument(s)' 'map 1 default r => immediate | '
expect 0 '' '  # a comment' ' ' "$(printf '%s \r' "$first")"
expect 0 '' 'map 1 default r 0 => immediate | epoch=0 issued=1 blocked=0 plugged=0 default:2048/2049' \
    'status => default 1 0 0 0 0 0 | epoch=0 issued=1 blocked=0 plugged=0 default:2048/2049'
expect 2 'there is no event in it' '# a comment'
expect 2 'map takes UNIT GROUP r|w SECTORS, and one is no unit' 'map one default r 8 => immediate | '
expect 2 'x is neither r nor w' 'map 1 default x 8 => immediate | '
expect 2 '8388608 is no number of sectors, which go to 8388607' 'map 1 default r 8388608 => immediate | '
expect 2 'x is no unit' 'end x => released - | '
expect 2 'no group bob' 'map 1 bob r 8 => immediate | '
expect 2 'unit 5 is not in flight' 'end 5 => released - | '
expect 2 't.trace:2: unit 1 is held or in flight already' "$first" "$first"

"$replay" "$dir/missing" 2>"$dir/err"
if [ $? -ne 2 ] || ! grep -q 'cannot be read: No such file' "$dir/err"; then
    echo 'a missing file'
    failed=1
fi
echo "$first" >"$dir/t.trace"
"$replay" "$dir/t.trace" 2>"$dir/err" >/dev/full
if [ $? -ne 2 ] || ! grep -q 'cannot be written' "$dir/err"; then
    echo 'a full disk'
    failed=1
fi
"$replay" 2>/dev/null
if [ $? -ne 2 ]; then
    echo 'no file'
    failed=1
fi
exit $failed
