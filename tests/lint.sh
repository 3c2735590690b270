#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# ./dev lint: what a reviewer should not have to say. Each check prints nothing but what is wrong.

set -u -o pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
export LC_ALL=C.UTF-8

bad=0
check() {
    local title=$1 start=$EPOCHREALTIME out rc=0 ms
    shift
    out=$("$@" 2>&1) || rc=$?
    ms=$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 1000))
    if ((rc == 0)) && [[ -z $out ]]; then
        printf '%-40s ok   %5d ms\n' "$title" "$ms"
    else
        printf '%-40s FAILED\n' "$title"
        awk 'NR <= 30 { print "    " $0 } END { if (NR > 30) print "    ... " NR - 30 " lines more" }' \
            <<<"${out:-exit code $rc}"
        bad=$((bad + 1))
    fi
}

# ------------------------------------------------------------------------- which files

files() { # as git sees them, new ones included; a tarball has no git
    if [[ -e .git ]] && command -v git >/dev/null; then
        git -c safe.directory="$PWD" ls-files -co --exclude-standard -z
    else
        find . \( -name .git -o -name 'build*' -o -name __pycache__ \) -prune -o -type f -printf '%P\0'
    fi
}
all=() text=() c=() shell=() json=() man=() spdx=() dataplane=()
while IFS= read -r -d '' f; do
    [[ -f $f ]] && all+=("$f")
done < <(files | sort -z)
((${#all[@]})) || { echo "lint: no files found"; exit 1; }
while IFS= read -r f; do
    text+=("$f")
done < <(grep -lI . "${all[@]}" | grep -Ev '^tests/(fuzz/corpus|oracle)/')
for f in "${text[@]}"; do
    case $f in
    *.c | *.h) c+=("$f") spdx+=("$f") ;;
    *.json) json+=("$f") ;;
    *.[1-8] | *.[1-8].in) man+=("$f") spdx+=("$f") ;;
    *.py | *.service | *meson.build | meson_options.txt) spdx+=("$f") ;;
    esac
    case $f in
    dataplane/*.[ch]) dataplane+=("$f") ;;
    esac
    IFS= read -r first <"$f"
    if [[ $f == *.sh || $first =~ ^'#!'.*[/\ ](ba|da|)sh( |$) ]]; then
        shell+=("$f") spdx+=("$f")
    elif [[ $first == '#!'* && $f != *.py ]]; then
        spdx+=("$f")
    fi
done

# ------------------------------------------------------------------------------ checks

none_found() { # grep finds nothing: good
    local out
    out=$(grep "$@")
    [[ -z $out ]] || { echo "$out"; return 1; }
}

format() {
    ((${#c[@]})) || return 0
    clang-format-14 --dry-run -Werror "${c[@]}" 2>&1 |
        awk -F: '/error:/ { n[$1]++ } END { for (f in n) print f ": " n[f] " places" }' | sort
}

final_newline() {
    local f rc=0
    for f in "${text[@]}"; do
        if [[ -n $(tail -c 1 "$f") ]]; then
            echo "$f: no newline at the end"
            rc=1
        elif [[ $(tail -c 2 "$f" | od -An -c | tr -d ' ') == '\n\n' ]]; then
            echo "$f: empty line at the end"
            rc=1
        fi
    done
    return $rc
}

tabs() { # C is indented with tabs, everything else with blanks
    local rest=() f
    for f in "${text[@]}"; do
        case $f in
        *.[ch] | *.pcap | *.[1-8]) ;;
        *) rest+=("$f") ;;
        esac
    done
    none_found -nP '\t' "${rest[@]}"
}

licence() {
    local f rc=0
    for f in "${spdx[@]}"; do
        head -n 3 "$f" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' ||
            { echo "$f: no \"SPDX-License-Identifier: BSD-3-Clause\" in the first lines"; rc=1; }
    done
    return $rc
}

json_parses() {
    local f rc=0
    for f in "${json[@]}"; do
        jq empty "$f" || { echo "$f"; rc=1; }
    done
    return $rc
}

# What would make a packet wait. A line that has a reason says it: // lint: allow(REASON)
data_path() {
    ((${#dataplane[@]})) || return 0
    awk '
        BEGIN {
            call = "(malloc|calloc|realloc|reallocarray|free|strdup|asprintf|printf|fprintf|vfprintf|puts|perror" \
                "|rte_z?malloc(_socket)?|rte_calloc(_socket)?|rte_realloc|rte_free|rte_memzone_[a-z_]+" \
                "|rte_log|RTE_LOG|RTE_LOG_DP|syslog|vsyslog|pthread_[a-z_]+|mtx_[a-z]+|cnd_[a-z]+|sem_[a-z]+" \
                "|rte_(spin|rw|seq|ticket|mcs|pf)[a-z]*lock_[a-z_]+|[a-z_]*mutex_[a-z_]+" \
                "|usleep|nanosleep|clock_nanosleep|sleep|rte_delay_[a-z_]+|sched_yield|poll|read|write|ioctl" \
                "|rte_rdtsc(_precise)?|rte_get_tsc_cycles|rte_get_timer_cycles|clock_gettime|gettimeofday|time" \
                "|__atomic_(fetch_[a-z]+|[a-z]+_fetch|exchange(_n)?|compare_exchange(_n)?|test_and_set)" \
                "|atomic_(fetch_[a-z_]+|exchange[a-z_]*|compare_exchange[a-z_]*)|__sync_[a-z_]+" \
                "|rte_atomic[0-9]+_(inc|add|sub|dec|cmpset|exchange|test_and_set)[a-z_]*)"
            rule = "(^|[^A-Za-z0-9_.>])" call "[ ]*\\("
        }
        FNR == 1 { comment = 0 }
        {
            line = $0
            if (line ~ /\/\/ lint: allow\([^)]+\)/) next
            gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
            if (comment) {
                if (!sub(/^.*\*\//, "", line)) next
                comment = 0
            }
            gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line)
            if (sub(/\/\*.*$/, "", line)) comment = 1
            sub(/\/\/.*$/, "", line)
            if (line ~ rule) { printf "%s:%d: %s\n", FILENAME, FNR, $0; bad = 1 }
        }
        END { exit bad }' "${dataplane[@]}"
}

# 600 lines a file; 100 lines a function. A function begins with a "{" of its own in column 1.
sizes() {
    ((${#c[@]})) || return 0
    awk '
        FNR == 1 { if (last > 600) { print file ": " last " lines (at most 600)"; bad = 1 }; open = 0 }
        { file = FILENAME; last = FNR }
        /^[A-Za-z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
        /^\{/ { open = FNR }
        /^\}/ {
            if (open && FNR - open - 1 > 100) {
                printf "%s:%d: %s() has %d lines (at most 100)\n", FILENAME, open, name, FNR - open - 1
                bad = 1
            }
            open = 0
        }
        END {
            if (last > 600) { print file ": " last " lines (at most 600)"; bad = 1 }
            exit bad
        }' "${c[@]}"
}

man_pages() {
    local f rc=0 out
    for f in "${man[@]}"; do
        out=$(MANWIDTH=80 man --warnings=w -E UTF-8 -l -Tutf8 -Z "$f" 2>&1 >/dev/null)
        [[ -z $out ]] || { echo "$f: $out"; rc=1; }
    done
    return $rc
}

spelling() {
    # what C and networks say that English does not
    codespell --quiet-level 2 --ignore-words-list 'ect,tpye,te,fo,ser,ot,ans,nd,wan,hart,crate,statics,inout,fpr,fle' \
        "${text[@]}"
}

check "clang-format" format
check "spelling" spelling
check "shellcheck" shellcheck -x -P SCRIPTDIR --format=gcc "${shell[@]}"
check "white space at line ends" none_found -nE '[[:blank:]]+$' "${text[@]}"
check "one newline at the end" final_newline
check "tabs only in C" tabs
check "SPDX lines" licence
check "JSON files parse" json_parses
check "data path: no lock, log, malloc, syscall" data_path
check "files and functions are short" sizes
check "man pages" man_pages
check "no path of a build machine" none_found -nE '(^|[^A-Za-z0-9_.$}-])/(home|root|work|Users)/[A-Za-z]' "${text[@]}"

((bad == 0)) || echo "lint: $bad of the checks failed (./dev format mends the format)"
((bad == 0))
