# shellcheck shell=sh
# The only code of portmap-deploy that runs on hosts: POSIX sh (dash, bash, busybox ash) and iptables, nothing else.
# As a dialogue it is evaluated by a loader that leaves its own text in $s; as R/T.sh it is the rollback timer.
# R and P, who wins between confirm and rollback, and the order of every step: design, "State".
set -u
set -f
: "${s=}"
umask 077
trap '' PIPE HUP
LC_ALL=C
PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin:${PATH-}
export LC_ALL PATH
nl='
'
IFS=" $nl"
R=/run/portmap-deploy
P=/var/lib/portmap-deploy
nonce=- x4=iptables x6=ip6tables x=- err=''
bound=''
if timeout 5 true 2>/dev/null; then bound='timeout 15'; fi

# --- small things ---------------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }

# How long this machine runs, in seconds: a clock that nobody sets.
uptime_s() {
    read -r up rest </proc/uptime
    up=${up%%.*}
    : "$rest"
}

have() { command -v "$1" >/dev/null 2>&1; }

# write FILE TEXT: whole or not at all. fsync is the caller's, who knows whether it may wait.
write() {
    printf '%s' "$2" >"$1.tmp" && mv -f "$1.tmp" "$1"
}

slurp() { cat "$1" 2>/dev/null; }

# sync without arguments is what busybox has; it may take long, so only before the timer is armed.
flush() {
    sync "$@" 2>/dev/null || sync
}

# --- iptables -------------------------------------------------------------------------------------

tool() {
    case $1 in 4) x=$x4 ;; *) x=$x6 ;; esac
    [ "$x" != - ]
}

# Only names from this list are ever run.
use() {
    case $1 in iptables | iptables-nft | iptables-legacy) x4=$1 ;; *) x4=- ;; esac
    case $2 in ip6tables | ip6tables-nft | ip6tables-legacy) x6=$2 ;; *) x6=- ;; esac
}

# restore FAMILY < text: one commit a table; what it printed is in $err.
restore() {
    tool "$1" || return 0
    err=$($bound "$x-restore" --noflush --wait=5 2>&1)
}

restore_file() {
    [ -s "$2" ] || return 0
    restore "$1" <"$2"
}

# single FAMILY ARGUMENTS...: one command.
single() {
    tool "$1" || return 0
    shift
    $bound "$x" --wait=5 "$@" >/dev/null 2>&1
}

# own FAMILY TABLE GENERATION: our rules as the kernel has them, without those of that generation. In $own.
own() {
    own=''
    tool "$1" || return 0
    saved=$($bound "$x-save" -t "$2" 2>/dev/null) || return 1
    IFS=$nl
    for line in $saved; do
        case $line in "-A "*) ;; *) continue ;; esac
        chain=${line#-A }
        chain=${chain%% *}
        case $chain in *-"$3" | *-"$3"-L) continue ;; esac
        case $line in *"portmap-deploy-$3 "*) continue ;; esac
        case $line in "-A PORTMAP-"* | *" -j PORTMAP-"*) own=$own$line$nl ;; esac
    done
    IFS=" $nl"
    own=${own%"$nl"}
}

# The chains may come in another order than before, so lines are compared as a set when the texts differ.
same_lines() {
    [ "$1" = "$2" ] && return 0
    [ ${#1} -eq ${#2} ] || return 1
    IFS=$nl
    for line in $1; do
        case $nl$2$nl in *"$nl$line$nl"*) ;; *)
            IFS=" $nl"
            return 1
            ;;
        esac
    done
    IFS=" $nl"
}

reads_back() {
    own "$1" "$2" "$gen" && same_lines "$(slurp "$3")" "$own"
}

# --- undo -----------------------------------------------------------------------------------------

# rejump FAMILY TABLE: puts back jumps into our hooks that somebody took away.
rejump() {
    [ -s "$d/$1.rejump" ] || return 0
    tool "$1" || return 0
    now=$($bound "$x-save" -t "$2" 2>/dev/null)
    # Names of its own: sh has no local variables, and whoever calls this loops over tables.
    while IFS='	' read -r jump_table wanted arguments; do
        [ "$jump_table" = "$2" ] || continue
        case $nl$now$nl in *"$nl$wanted$nl"*) continue ;; esac
        IFS=' '
        # shellcheck disable=SC2086 # words on purpose: written by the controller, no globs (set -f)
        single "$1" -t "$2" $arguments
    done <"$d/$1.rejump"
    IFS=" $nl"
}

# The hooks are ours alone: without lines in them the host is as reachable as without us.
hooks_empty() {
    own "$1" "$2" "$gen" || return 1
    IFS=$nl
    for line in $own; do
        case $line in "-A PORTMAP-"*" -"[jg]" PORTMAP-"*)
            IFS=" $nl"
            return 1
            ;;
        esac
    done
    IFS=" $nl"
}

undo_table() {
    for level in 1 2; do
        [ -s "$d/$1.$2.$level" ] || continue
        restore_file "$1" "$d/$1.$2.$level"
        rejump "$1" "$2"
        reads_back "$1" "$2" "$d/$1.$2.want" && return 0
    done
    # Nothing to put back, or it cannot be: out of the way.
    restore_file "$1" "$d/$1.$2.3"
    reads_back "$1" "$2" "$d/$1.$2.want" && return 0
    hooks_empty "$1" "$2" && emptied=1
}

undo() {
    left=0 emptied=0
    for family in 4 6; do restore_file "$family" "$d/$family.undo"; done
    for table in nat filter; do
        for family in 4 6; do
            [ -e "$d/$family.$table.want" ] || continue
            undo_table "$family" "$table" || left=1
        done
    done
    return "$left"
}

# What the new generation left behind: one command each, allowed to fail.
sweep() {
    for family in 4 6; do
        [ -s "$d/$family.after" ] || continue
        while IFS='	' read -r table arguments; do
            IFS=' '
            # shellcheck disable=SC2086 # words on purpose
            single "$family" -t "$table" $arguments
        done <"$d/$family.after"
        IFS=" $nl"
    done
}

load_transaction() {
    d=$R/$1.undo
    { read -r gen && read -r u4 && read -r u6; } 2>/dev/null <"$d/about" || return 1
    use "$u4" "$u6"
}

# --- who holds the host ---------------------------------------------------------------------------

ledger() {
    [ -d "$P" ] && printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >>"$P/ledger" 2>/dev/null
    return 0
}

unlock() {
    read -r holder rest 2>/dev/null <"$R/lock" || return 0
    [ "$holder" = "$1" ] && rm -f "$R/lock"
    : "$rest"
}

# The lock is one file made by link(2): it is there whole or not at all.
take_lock() {
    printf '%s\n' "$1" >"$R/lock.$T" || return 1
    ln "$R/lock.$T" "$R/lock" 2>/dev/null
    taken=$?
    rm -f "$R/lock.$T"
    return "$taken"
}

# A transaction that nobody will finish any more is finished here, by its own agent.
settle() {
    read -r o_t o_gen o_run o_who o_since o_until o_pid 2>/dev/null <"$R/lock" || return 0
    uptime_s
    if [ -e "$R/$o_t.undoing" ] && ! [ -e "$R/$o_t.undone" ]; then
        sh "$R/$o_t.sh" rollback "$o_t" timer </dev/null >/dev/null 2>&1
    elif [ -e "$R/$o_t.armed" ]; then
        [ "$up" -gt "$o_until" ] || return 0
        sh "$R/$o_t.sh" rollback "$o_t" timer </dev/null >/dev/null 2>&1
    elif [ -e "$R/$o_t.confirmed" ] || [ -e "$R/$o_t.undone" ]; then
        unlock "$o_t"
    elif [ "$up" -gt "$o_until" ] || ! [ -d "/proc/$o_pid" ]; then
        # Its session died before the timer was armed: nothing was changed.
        mv "$R/lock" "$R/lock.stale.$T" 2>/dev/null || return 0
        read -r moved rest <"$R/lock.stale.$T"
        [ "$moved" = "$o_t" ] || ln "$R/lock.stale.$T" "$R/lock" 2>/dev/null
        rm -f "$R/lock.stale.$T"
        ledger "abandoned $o_t $o_gen $o_run by $o_who"
        : "$rest" "$o_since"
    fi
}

# Who won stays written until the reboot: a late question must get the same answer.
forget() {
    rm -rf "$R/$1.undo" "$R/$1.sh" "$R/$1.pid" "$R/$1.boot" "$R/$1.unit"
    set +f
    rm -f "$R/$1.live."*
    set -f
}

# --- rollback: by the timer, by the controller, by any later call ----------------------------------

announce() {
    text="portmap-deploy: change $1 was not confirmed in time; the old rules are back"
    { have logger && logger -t portmap-deploy "$text"; } </dev/null >/dev/null 2>&1 &
    { have wall && say "$text" | wall; } </dev/null >/dev/null 2>&1 &
}

# rollback T BY: in $answer what the host runs now. Never ends before the old rules read back when BY is timer.
rollback() {
    mv "$R/$1.armed" "$R/$1.undoing" 2>/dev/null
    if [ -e "$R/$1.confirmed" ]; then
        answer=confirmed
        return 0
    fi
    if [ -e "$R/$1.undone" ]; then
        answer="undone $(slurp "$R/$1.undone")"
        return 0
    fi
    load_transaction "$1" || {
        answer=unknown
        return 1
    }
    wait_s=1 tries=0
    until undo; do
        tries=$((tries + 1))
        if [ "$2" != timer ] && [ "$tries" -ge 3 ]; then
            answer="undoing $err"
            return 1
        fi
        sleep "$wait_s"
        [ "$wait_s" -ge 10 ] || wait_s=$((wait_s * 2))
    done
    # A restore that an ended session had begun may still have been under way.
    if [ "$2" = timer ]; then
        sleep 1
        undo
    fi
    by=$2
    [ "$emptied" = 0 ] || by="$2 emptied"
    write "$R/$1.undone" "$by"
    rm -f "$R/$1.undoing" "$R/$1.armed"
    answer="undone $by"
}

# The rest of a rollback, after the answer.
after_rollback() {
    load_transaction "$1" || return 0
    [ "$2" = timer ] || stop_timer "$1"
    sweep
    rm -rf "$P/gen-$gen"
    rm -f "$P/next"
    ledger "undone $1 $gen by $2"
    forget "$1"
    unlock "$1"
}

timer() {
    echo -1000 2>/dev/null >/proc/self/oom_score_adj
    # Whoever started us reads this until we close it: proof of life without polling.
    say "alive $$"
    exec </dev/null >/dev/null 2>&1
    cd / || exit 1
    sleep "$2" &
    nap=$!
    trap 'kill "$nap"; exit 0' TERM
    wait "$nap"
    trap '' TERM
    expire "$1"
}

expire() {
    [ ! -e "$R/$1.undone" ] || return 0
    rollback "$1" timer || return 1
    case $answer in undone*) ;; *) return 0 ;; esac
    announce "$1"
    after_rollback "$1" timer
}

# --- confirm --------------------------------------------------------------------------------------

# Bounded: a disk that hangs must not hang the answer.
keep_for_boot() {
    rm -f "$R/$1.boot"
    { mv -f "$P/next" "$P/current" && flush "$P/current" "$P" && : >"$R/$1.boot"; } </dev/null >/dev/null 2>&1 &
    for nap in 0.01 0.02 0.05 0.1 0.2 0.5 1; do
        [ -e "$R/$1.boot" ] && return 0
        sleep "$nap" 2>/dev/null || sleep 1
    done
    [ -e "$R/$1.boot" ]
}

confirm() {
    mv "$R/$1.armed" "$R/$1.confirmed" 2>/dev/null
    if ! [ -e "$R/$1.confirmed" ]; then
        if [ -e "$R/$1.undone" ]; then
            answer="undone $(slurp "$R/$1.undone")"
        elif [ -e "$R/$1.undoing" ]; then
            answer=undoing
        else
            answer=unknown
        fi
        return 1
    fi
    # Asked again because our answer was lost: the same answer.
    if [ -e "$R/$1.answer" ]; then
        answer=$(slurp "$R/$1.answer")
        return 0
    fi
    load_transaction "$1" || {
        answer=unknown
        return 1
    }
    for family in 4 6; do
        for table in nat filter; do
            [ -e "$R/$1.live.$family.$table" ] || continue
            own "$family" "$table" none
            same_lines "$(slurp "$R/$1.live.$family.$table")" "$own" && continue
            mv "$R/$1.confirmed" "$R/$1.undoing"
            rollback "$1" controller
            answer="changed $answer"
            return 1
        done
    done
    boot=no
    keep_for_boot "$1" && boot=yes
    answer="confirmed boot=$boot"
    write "$R/$1.answer" "$answer"
}

stop_timer() {
    have systemctl && [ -e "$R/$1.unit" ] && systemctl stop "portmap-rollback-$1.timer" >/dev/null 2>&1
    pid=$(slurp "$R/$1.pid")
    case $pid in '' | *[!0-9]*) return 0 ;; esac
    case $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") in *"$R/$1.sh timer "*) kill "$pid" ;; esac
}

# The inputs in their order; of each the first try that succeeds is enough.
clean() {
    input=1
    while [ -e "$d/$1.clean.$input.1" ]; do
        try=1
        while [ -e "$d/$1.clean.$input.$try" ]; do
            restore_file "$1" "$d/$1.clean.$input.$try" && break
            try=$((try + 1))
        done
        input=$((input + 1))
    done
}

after_confirm() {
    load_transaction "$1" || return 0
    stop_timer "$1"
    for family in 4 6; do clean "$family"; done
    ledger "confirmed $1 $gen"
    # The last five generations stay for looking back.
    set +f
    set -- "$1" "$P"/gen-*
    set -f
    while [ $# -gt 6 ]; do
        rm -rf "$2"
        t=$1
        shift 2
        set -- "$t" "$@"
    done
    if [ "$(wc -l 2>/dev/null <"$P/ledger")" -gt 1000 ]; then
        tail -n 500 "$P/ledger" >"$P/ledger.tmp" && mv -f "$P/ledger.tmp" "$P/ledger"
    fi
    forget "$1"
    unlock "$1"
}

# --- the dialogue ---------------------------------------------------------------------------------
# Requests are lines on stdin; an answer is lines on stdout that begin with the nonce of this login. Everything
# else on stdout is noise of the login or the body of a section. Requests may be sent ahead: after a failed one,
# those that would change something are skipped until the next lock.

section() { say "$nonce + $*"; }
done_() { say "$nonce = ok $*"; }
failed() {
    broken=1
    say "$nonce = failed $(printf '%s' "$*" | tr '\n\r\t' '   ')"
}

pid1_is_ours() {
    [ "$(slurp /proc/1/comm)" = systemd ] || return 1
    for ns in net mnt; do
        [ "$(readlink "/proc/1/ns/$ns" 2>/dev/null)" = "$(readlink "/proc/self/ns/$ns")" ] || return 1
    done
    have systemd-run
}

# Text that two saves share when the rules are the same.
canonical() { printf '%s\n' "$1" | sed -e '/^#/d' -e 's/ \[[0-9]*:[0-9]*\]$//'; }

# shellcheck disable=SC2034 # read by name in seen_rules
# Errors come along in the text: a line that is no rule makes the snapshot count for nothing.
observe_rules() {
    have "$2-save" || return 0
    section "rules $1 $2 $("$2" -V 2>&1 | tr '\n' ' ')"
    text=$($bound "$2-save" 2>&1) || text="$text${nl}exit status $?"
    [ -z "$text" ] || say "$text"
    case $2 in iptables) seen_iptables=$text ;; ip6tables) seen_ip6tables=$text ;;
    iptables-nft) seen_iptables_nft=$text ;; ip6tables-nft) seen_ip6tables_nft=$text ;;
    iptables-legacy) seen_iptables_legacy=$text ;; ip6tables-legacy) seen_ip6tables_legacy=$text ;; esac
}

observe() {
    section facts
    say "uid $(id -u)"
    say "ssh $ssh_connection"
    say "kernel $(uname -r)"
    pid1_is_ours && say "systemd yes"
    [ -e /proc/net/if_inet6 ] && say "ipv6 yes"
    if [ -s "$P/current" ]; then
        current=$(slurp "$P/current")
        say "current $current"
        [ -e "$P/gen-$current/6.nonat" ] && say "nat6 no"
    fi
    [ -s "$R/lock" ] && say "lock $(slurp "$R/lock")"
    uptime_s
    say "uptime $up"
    section addresses6
    slurp /proc/net/if_inet6
    section addresses4
    have ip && ip -o -4 addr show 2>/dev/null
    for family in 4 6; do
        name=iptables
        [ "$family" = 4 ] || name=ip6tables
        observe_rules "$family" "$name"
        case $("$name" -V 2>&1) in
        *nf_tables*) observe_rules "$family" "$name-legacy" ;;
        *) observe_rules "$family" "$name-nft" ;;
        esac
    done
    done_
}

seen_rules() {
    eval "printf '%s\n' \"\${seen_$(printf '%s' "$1" | tr - _)-}\""
}

# What the plan rests on must still be so, now that nobody else of ours can change it.
still_as_seen() {
    for x in "$x4" "$x6"; do
        [ "$x" != - ] || continue
        [ "$(canonical "$(seen_rules "$x")")" = "$(canonical "$($bound "$x-save" 2>&1)")" ] || return 1
    done
}

# lock T GEN RUN WHO SECONDS TOOL4 TOOL6
lock() {
    T=$1 gen=$2 run=$3 who=$4
    use "$6" "$7"
    case $T$gen in *[!a-z0-9]*)
        failed "bad transaction id"
        return
        ;;
    esac
    mkdir -p "$R" 2>/dev/null
    d=$R/$T.undo
    mkdir -p "$d" 2>/dev/null || {
        failed "cannot write to $R"
        return
    }
    settle
    uptime_s
    if ! take_lock "$T $gen $run $who $(date -u +%Y-%m-%dT%H:%M:%SZ) $((up + $5)) $$"; then
        rm -rf "$d"
        held=$(slurp "$R/lock")
        failed "locked $up $held"
        return
    fi
    locked=1 broken=0
    if ! still_as_seen; then
        abandon
        failed "changed"
        return
    fi
    write "$d/about" "$gen$nl$x4$nl$x6$nl" || {
        abandon
        failed "cannot write to $R"
        return
    }
    done_
}

# Before the timer is armed nothing was changed: leave no trace.
abandon() {
    sweep
    rm -rf "$d" "$R/$T.sh" "$P/gen-$gen"
    [ "$(slurp "$P/next")" = "$gen" ] && rm -f "$P/next"
    unlock "$T"
    locked=0
}

# put NAME LINES
put() {
    n=$2 file=/dev/null
    [ "$locked" = 0 ] || file=$d/$1
    while [ "$n" -gt 0 ]; do
        IFS= read -r line || break
        printf '%s\n' "$line"
        n=$((n - 1))
    done >"$file"
}

write_generation() {
    mkdir -p "$P" && rm -rf "$P/gen-$gen.tmp" "$P/gen-$gen" && mkdir "$P/gen-$gen.tmp" || return 1
    set +f
    cp "$d"/* "$P/gen-$gen.tmp/" && flush "$P/gen-$gen.tmp"/*
    kept=$?
    set -f
    [ "$kept" = 0 ] && mv "$P/gen-$gen.tmp" "$P/gen-$gen" && write "$P/next" "$gen" && flush "$P/next" "$P"
}

stage() {
    if ! why=$(write_generation 2>&1); then
        abandon
        failed "cannot write to $P: $why"
        return
    fi
    ledger "begin $T $gen $run by $who"
    for family in 4 6; do
        restore_file "$family" "$d/$family.stage" && continue
        why="$family $err"
        abandon
        failed "stage $why"
        return
    done
    done_
}

start_timer() {
    if pid1_is_ours; then
        : >"$R/$T.unit"
        systemd-run --quiet --unit="portmap-rollback-$T" --description="portmap-deploy rollback timer" \
            --on-active="$1s" --timer-property=AccuracySec=100ms --property=OOMScoreAdjust=-1000 \
            --property=Restart=on-failure --property=RestartSec=1s --property=StartLimitIntervalSec=0 \
            /bin/sh "$R/$T.sh" expire "$T" </dev/null >/dev/null 2>&1 &&
            systemctl is-active --quiet "portmap-rollback-$T.timer" && return 0
        systemctl stop "portmap-rollback-$T.timer" >/dev/null 2>&1
        rm -f "$R/$T.unit"
    fi
    detach=''
    ! have setsid || detach=setsid
    alive=$($detach sh "$R/$T.sh" timer "$T" "$1" </dev/null 2>/dev/null &)
    pid=${alive#alive }
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    write "$R/$T.pid" "$pid"
    kill -0 "$pid" 2>/dev/null
}

arm() {
    if ! write "$R/$T.sh" "$s" || ! write "$R/$T.armed" "$gen$nl"; then
        rm -f "$R/$T.armed"
        abandon
        failed "cannot write to $R"
        return
    fi
    if start_timer "$1"; then
        done_
        return
    fi
    rm -f "$R/$T.armed"
    abandon
    failed "the rollback timer did not start"
}

# Nothing is switched when the timer has taken the transaction, and what was is undone again.
still_armed() { [ -e "$R/$T.armed" ]; }

undo_now() {
    why=$1
    if rollback "$T" controller; then
        failed "$answer $why"
        after_rollback "$T" controller
        locked=0
    else
        failed "$answer $why"
    fi
}

# switch_to STEP...: the restore inputs of these steps, family by family.
switch_to() {
    still_armed || {
        undo_now "the rollback timer was faster"
        return 1
    }
    for step in "$@"; do
        for family in 4 6; do
            restore_file "$family" "$d/$family.$step" && continue
            undo_now "$step $family $err"
            return 1
        done
    done
    still_armed && return 0
    undo_now "the rollback timer was faster"
    return 1
}

tighten() {
    switch_to tighten || return 0
    for family in 4 6; do
        for table in nat filter; do
            [ -e "$d/$family.$table.want" ] || continue
            own "$family" "$table" none
            write "$R/$T.live.$family.$table" "$own"
        done
    done
    done_
}

rules() {
    for family in 4 6; do
        tool "$family" || continue
        section "rules $family $x"
        $bound "$x-save" -c 2>&1
    done
    done_
}

# The controller may be a later login than the one that began.
resume() {
    T=$1 d=$R/$1.undo
    load_transaction "$1"
}

dialogue() {
    ssh_connection=$1 locked=0 broken=0 T='' gen=''
    while IFS=' ' read -r verb a b c d_ e f g; do
        IFS=" $nl"
        case $verb in
        hello)
            nonce=$a
            say ""
            done_ hello
            continue
            ;;
        put)
            put "$a" "$b"
            continue
            ;;
        observe) observe ;;
        lock) lock "$a" "$b" "$c" "$d_" "$e" "$f" "$g" ;;
        stage | arm | loosen | tighten)
            if [ "$broken" = 1 ] || [ "$locked" = 0 ]; then
                say "$nonce = skipped"
                continue
            fi
            case $verb in
            stage) stage ;;
            arm) arm "$a" ;;
            loosen) switch_to place loosen && done_ ;;
            tighten) tighten ;;
            esac
            ;;
        settled) done_ ;;
        resume) if resume "$a"; then done_; else say "$nonce = failed unknown"; fi ;;
        rules) rules ;;
        confirm)
            if confirm "$a"; then
                done_ "$answer"
                after_confirm "$a"
            else
                say "$nonce = failed $answer"
                case $answer in "changed undone"*) after_rollback "$a" controller ;; esac
            fi
            [ "$T" != "$a" ] || locked=0
            ;;
        rollback)
            if rollback "$a" controller; then
                done_ "$answer"
                case $answer in undone*) after_rollback "$a" controller ;; esac
                locked=0
            else
                say "$nonce = failed $answer"
            fi
            ;;
        abandon)
            [ "$locked" = 0 ] || still_armed || abandon
            done_
            ;;
        quit) break ;;
        *) failed "what is $verb" ;;
        esac
    done
    # The controller went away. Armed, the timer decides: the proof may still come over another login.
    [ "$locked" = 0 ] || still_armed || [ -e "$R/$T.confirmed" ] || [ -e "$R/$T.undoing" ] || abandon
}

case ${1-} in
timer) timer "$2" "$3" ;;
expire) expire "$2" ;;
rollback) if rollback "$2" "${3-timer}"; then after_rollback "$2" "${3-timer}"; else exit 1; fi ;;
*) dialogue "${1-}" ;;
esac
