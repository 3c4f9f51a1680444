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
nonce=- x4=iptables x6=ip6tables x=- err='' remains='' moved=0
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
    printf '%s' "$2" >"$1.tmp" && mv -f "$1.tmp" "$1" && return 0
    rm -f "$1.tmp"
    return 1
}

slurp() { cat "$1" 2>/dev/null; }

# mark FILE: an empty one needs no space. (Not `: >FILE`: where that fails, the whole shell ends.)
mark() { true >"$1"; } 2>/dev/null

doze() { sleep 0.1 2>/dev/null || sleep 1; }

# Not so for a zombie, which has no program any more.
alive() { [ -e "/proc/$1/exe" ]; }

# Away from the session in every way: nothing that ends it reaches this. Only with & behind it.
detached() {
    if have setsid; then exec setsid "$@"; else exec "$@"; fi
}

# sync without arguments is what busybox has; it may take long, so only before the timer is armed. Without any sync the
# kernel writes when it likes.
flush() {
    sync "$@" 2>/dev/null || ! have sync || sync
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
    # iptables-nft-save says this of rules that only nft can express, and ends well.
    case $nl$saved in *"$nl# Table "*" is incompatible, use 'nft' tool."*) return 1 ;; esac
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

# rejump FAMILY TABLE: puts back jumps into our hooks that somebody took away. A jump can have several lines: the first
# that works is enough.
rejump() {
    [ -s "$d/$1.rejump" ] || return 0
    tool "$1" || return 0
    now=$($bound "$x-save" -t "$2" 2>/dev/null) || return 0
    # Names of their own: sh has no local variables, and whoever calls this loops over tables.
    while IFS='	' read -r of wanted arguments; do
        [ "$of" = "$2" ] || continue
        case $nl$now$nl in *"$nl$wanted$nl"*) continue ;; esac
        IFS=' '
        # shellcheck disable=SC2086 # words on purpose: written by the controller, no globs (set -f)
        single "$1" -t "$2" $arguments && now=$now$nl$wanted
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
        while IFS='	' read -r of arguments; do
            IFS=' '
            uptime_s
            before=$up
            # shellcheck disable=SC2086 # words on purpose
            single "$family" -t "$of" $arguments
            uptime_s
            # Somebody holds the lock, and there are many commands: the next change takes the rest away.
            [ $((up - before)) -lt 4 ] || break 2
        done <"$d/$family.after"
    done
    IFS=" $nl"
}

# is_ours CHAIN: a hook, or a chain of a generation. What only begins like one is somebody else's.
is_ours() {
    case $1 in PORTMAP-PREROUTING | PORTMAP-OUTPUT | PORTMAP-SEEN | PORTMAP-GUARD | PORTMAP-ACCEPT) return 0 ;; esac
    number=${1%-L}
    case ${number##*-} in [0-9][0-9][0-9][0-9][0-9][0-9]*) ;; *) return 1 ;; esac
    case ${number##*-} in *[!0-9]*) return 1 ;; esac
    case ${number%-*} in PORTMAP-PREROUTING | PORTMAP-OUTPUT | PORTMAP-SEEN | PORTMAP-GUARD | PORTMAP-ACCEPT) ;; *) return 1 ;; esac
}

# uproot FAMILY TABLE: every chain of ours and every rule that leads to one, in one commit. Looked at anew when
# somebody else was faster.
uproot() {
    tool "$1" || return 0
    for try in 1 2 3; do
        # Looking at a table that is not there could create it.
        saved=$($bound "$x-save" 2>/dev/null) || return 1
        take_apart "$2"
        [ -n "$chains" ] || return 0
        printf '*%s\n%s%s%sCOMMIT\n' "$2" "$jumps" "$chains" "$gone" | restore "$1" || doze
    done
    return 1
}

# take_apart TABLE: of $saved, what deletes our part of that table. In $jumps, $chains and $gone.
take_apart() {
    jumps='' chains='' gone='' of=''
    IFS=$nl
    for line in $saved; do
        case $line in "*"*) of=${line#\*} ;; esac
        [ "$of" = "$1" ] || continue
        case $line in
        ":PORTMAP-"*)
            chain=${line#:}
            chain=${chain%% *}
            if is_ours "$chain"; then chains="$chains:$chain - [0:0]$nl" gone="$gone-X $chain$nl"; fi
            ;;
        "-A "*" -"[jg]" PORTMAP-"*)
            chain=${line#-A } to=${line##* -[jg] }
            if ! is_ours "${chain%% *}" && is_ours "${to%% *}"; then jumps="$jumps-D${line#-A}$nl"; fi
            ;;
        esac
    done
    IFS=" $nl"
}

load_transaction() {
    d=$R/$1.undo
    { read -r gen && read -r u4 && read -r u6; } 2>/dev/null <"$d/about" || return 1
    use "$u4" "$u6"
}

# --- one at a time --------------------------------------------------------------------------------

# enter T: of all that work on a transaction (its sessions, its timer, a later login) one is inside. Waits for the
# others, but not for dead ones, and for none longer than 20 s. A link is made by one only, and needs no space. It needs
# an inode: where there is none, and nobody inside, an undo must not wait.
enter() {
    after_dead=0 alone=0
    uptime_s
    patience=$((up + 20))
    until ln -s "$$" "$R/$1.busy" 2>/dev/null; do
        inside=$(readlink "$R/$1.busy")
        uptime_s
        if [ "$up" -gt "$patience" ]; then
            after_dead=1
            rm -f "$R/$1.busy"
            ln -s "$$" "$R/$1.busy" 2>/dev/null
            return 0
        elif [ -z "$inside" ]; then
            alone=$((alone + 1))
            [ "$alone" -lt 5 ] || return 0
            doze
        elif alive "$inside"; then
            alone=0
            doze
        else
            after_dead=1
            rm -f "$R/$1.busy"
        fi
    done
}

leave() {
    [ "$(readlink "$R/$1.busy")" != "$$" ] || rm -f "$R/$1.busy"
}

# --- who holds the host ---------------------------------------------------------------------------

ledger() {
    [ -d "$P" ] && { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >>"$P/ledger"; } 2>/dev/null
    return 0
}

holds_lock() {
    holder=''
    read -r holder rest 2>/dev/null <"$R/lock"
    : "${rest-}"
    [ "$holder" = "$1" ]
}

# The lock is one file made by link(2): it is there whole or not at all.
take_lock() {
    { printf '%s\n' "$1" >"$R/lock.$T"; } 2>/dev/null && ln "$R/lock.$T" "$R/lock" 2>/dev/null
    taken=$?
    rm -f "$R/lock.$T"
    return "$taken"
}

# watched T: its timer runs.
watched() { [ -e "$R/$1.unit" ] || alive "$(slurp "$R/$1.pid")"; }

# A transaction that nobody will finish any more is finished, by its own agent. Waits a little for one that is ending.
settle() {
    read -r o_t o_gen o_run o_who o_since o_until o_pid 2>/dev/null <"$R/lock" || return 0
    : "$o_gen" "$o_run" "$o_who" "$o_since"
    uptime_s
    if [ "$up" -le "$o_until" ] && ! decided "$o_t" && ! [ -e "$R/$o_t.undoing" ]; then
        # Its session, or its timer, has time left.
        if alive "$o_pid"; then return 0; fi
        if [ -e "$R/$o_t.armed" ] && watched "$o_t"; then return 0; fi
    fi
    if [ -e "$R/$o_t.sh" ]; then
        detached sh "$R/$o_t.sh" expire "$o_t" </dev/null >/dev/null 2>&1 &
    else
        (rollback "$o_t" timer && tidy "$o_t")
    fi
    tries=0
    while holds_lock "$o_t" && [ "$tries" -lt 50 ]; do
        tries=$((tries + 1))
        doze
    done
}

# Who won stays written until the reboot: a late question must get the same answer. The lock goes first: while it is
# there, so is everything that is needed to finish.
forget() {
    ! holds_lock "$1" || rm -f "$R/lock"
    rm -rf "$R/$1.undo" "$R/$1.sh" "$R/$1.sh.tmp" "$R/$1.armed.tmp" "$R/$1.pid" "$R/$1.unit" "$R/$1.until"
}

known() { [ -d "$R/$1.undo" ]; }

# In $answer what was decided.
decided() {
    if [ -e "$R/$1.confirmed" ]; then
        answer=confirmed
    elif [ -e "$R/$1.undone" ]; then
        by=$(slurp "$R/$1.by")
        answer="undone ${by:-timer}"
    else
        return 1
    fi
}

# tidy T: what is left to do after the answer.
tidy() {
    known "$1" || return 0
    vacant=0
    enter "$1"
    if load_transaction "$1" && holds_lock "$1"; then
        stop_timer "$1"
        if [ -e "$R/$1.undone" ]; then
            take_away "undone $1 $gen by $(slurp "$R/$1.by")"
        elif [ -e "$R/$1.answered" ] && [ -e "$d/remove" ]; then
            remove_all "$1" && vacant=1
        elif [ -e "$R/$1.answered" ]; then
            clean_up "$1"
        else
            leave "$1"
            return 0
        fi
    fi
    forget "$1"
    leave "$1"
    [ "$vacant" = 0 ] || vacate
}

# remove_all T: nothing of ours stays, but for what this transaction itself still needs. In $remains what did not go.
remove_all() {
    remains=''
    for family in 4 6; do
        for table in nat filter; do
            # Who took too long may have been overtaken: then all this is another's.
            holds_lock "$1" || return 1
            uproot "$family" "$table" || remains="$remains, $x table $table"
        done
    done
    holds_lock "$1" || return 1
    # With rules left there is something to load at the next boot: nothing that has an effect.
    if [ -z "$remains" ]; then
        boot_remove || remains=", its start at boot"
        rm -rf "$P" 2>/dev/null
    fi
    [ ! -e "$P" ] || remains="$remains, $P"
    remains=${remains#, }
    # Without our files it would look for them when its time is over.
    tries=0
    while [ -n "$pid" ] && [ "$pid" != "$$" ] && alive "$pid" && [ "$tries" -lt 20 ]; do
        tries=$((tries + 1))
        doze
    done
    [ -z "$remains" ]
}

# vacate: what is remembered of transactions that have ended. Of others nothing is touched.
vacate() {
    set +f
    set -- "$R"/*.confirmed "$R"/*.undone
    set -f
    for ended in "$@"; do
        ended=${ended%.*}
        [ -e "$ended.undo" ] || rm -f "$ended.confirmed" "$ended.answered" "$ended.boot" "$ended.by" "$ended.undone"
    done
    rmdir "$R" 2>/dev/null
    return 0
}

# Nothing leads to the new generation: it goes.
take_away() {
    sweep
    rm -rf "$P/gen-$gen" "$P/gen-$gen.tmp" 2>/dev/null
    [ "$(slurp "$P/next")" != "$gen" ] || rm -f "$P/next" 2>/dev/null
    # Nothing was ever confirmed here: nothing to load at boot.
    [ -s "$P/current" ] || boot_remove
    ledger "$1"
}

# --- rollback: by the timer, by the controller, by any later call ----------------------------------

announce() {
    text="portmap-deploy: change $1 was not confirmed in time; the old rules are back"
    { have logger && $bound logger -t portmap-deploy "$text"; } </dev/null >/dev/null 2>&1
    { have wall && say "$text" | $bound wall; } </dev/null >/dev/null 2>&1
}

# rollback T BY: in $answer what the host runs now. Never ends before the old rules read back when BY is timer.
rollback() {
    moved=0
    if [ "$2" = timer ] && has_time "$1"; then return 1; fi
    mv "$R/$1.armed" "$R/$1.undoing" 2>/dev/null && moved=1
    if decided "$1"; then return 0; fi
    if ! known "$1"; then
        # Somebody has just finished it, or it never was.
        decided "$1" && return 0
        answer=unknown
        return 1
    fi
    enter "$1"
    put_back "$1" "$2"
    ended=$?
    leave "$1"
    return "$ended"
}

put_back() {
    if decided "$1"; then return 0; fi
    load_transaction "$1" || {
        answer=unknown
        return 1
    }
    if [ "$2" = timer ]; then
        # Somebody was inside just before us, and gave it more time.
        [ "$moved" = 0 ] || ! watched "$1" || ! prolonged "$1" || mv "$R/$1.undoing" "$R/$1.armed" 2>/dev/null
        if has_time "$1"; then return 1; fi
    fi
    # Not armed yet: from now on it cannot be, see arm.
    [ -e "$R/$1.undoing" ] || mark "$R/$1.undoing"
    mv "$R/$1.armed" "$R/$1.undoing" 2>/dev/null
    # From here on nobody prolongs it.
    rm -f "$R/$1.until"
    emptied=0 tries=0 wait_s=1
    if [ -e "$R/$1.sh" ]; then
        persist "$1" "$2" || return 1
        # A restore that a dead session had begun may still have been waiting for the lock of xtables.
        if [ "$after_dead" = 1 ]; then
            sleep 6
            persist "$1" "$2" || return 1
        fi
    fi
    by=$2
    [ "$emptied" = 0 ] || by="$2 emptied"
    [ -e "$R/$1.by" ] || write "$R/$1.by" "$by" 2>/dev/null
    mv "$R/$1.undoing" "$R/$1.undone" 2>/dev/null
    answer="undone $by"
}

persist() {
    until undo; do
        tries=$((tries + 1))
        if [ "$2" != timer ] && [ "$tries" -ge 3 ]; then
            answer="undoing $err"
            return 1
        fi
        sleep "$wait_s"
        [ "$wait_s" -ge 10 ] || wait_s=$((wait_s * 2))
    done
}

# prolonged T: in $left the seconds until its time is over; fails when it is.
prolonged() {
    left=0
    read -r ends 2>/dev/null <"$R/$1.until" || return 1
    uptime_s
    left=$((ends - up))
    [ "$left" -gt 0 ]
}

# has_time T: somebody gave it more, and its timer lives to end that.
has_time() {
    [ -e "$R/$1.armed" ] && watched "$1" && prolonged "$1" && answer=prolonged
}

# extend T SECONDS LIMIT: its time is over so much later, LIMIT seconds from now at most. In $answer what is left of it.
extend() {
    answer=unknown
    if ! known "$1"; then
        decided "$1"
        return 1
    fi
    enter "$1"
    prolong "$@"
    extended=$?
    leave "$1"
    return "$extended"
}

prolong() {
    if decided "$1"; then return 1; fi
    answer=undoing
    read -r ends 2>/dev/null <"$R/$1.until" || return 1
    answer='its timer does not run any more'
    watched "$1" || return 1
    uptime_s
    ends=$((ends + $2)) left=$3
    [ "$ends" -le $((up + left)) ] || ends=$((up + left))
    answer="cannot write to $R"
    read -r o_t o_gen o_run o_who o_since o_until o_pid 2>/dev/null <"$R/lock" && [ "$o_t" = "$1" ] || return 1
    # As with lock, nobody takes it before the timer had its time.
    write "$R/lock" "$o_t $o_gen $o_run $o_who $o_since $((ends + 60)) $o_pid$nl" 2>/dev/null || return 1
    write "$R/$1.until" "$ends$nl" 2>/dev/null || return 1
    # A timer whose time was over waits for us to leave: it has not begun.
    mv "$R/$1.undoing" "$R/$1.armed" 2>/dev/null
    answer=undoing
    # Who was overtaken may be too late.
    [ "$(readlink "$R/$1.busy")" = "$$" ] || return 1
    answer="left $((ends - up))"
}

# timer T SECONDS
timer() {
    T=$1 left=$2
    # From the first moment that anybody can know of us.
    trap '' TERM
    echo -1000 2>/dev/null >/proc/self/oom_score_adj
    # Whoever started us reads this until we close it: proof of life without polling.
    say "alive $$"
    exec </dev/null >/dev/null 2>&1
    cd / || exit 1
    load_transaction "$T"
    never_give_up
    sleep_through "$T"
    expire "$T" "${gen-}"
}

# sleep_through T: for $left seconds, and longer when it is prolonged.
sleep_through() {
    nap=''
    uptime_s
    deadline=$((up + left))
    # Only when all is decided does anybody end us; else the rest is slept, less than a second too short.
    trap 'kill "$nap"; if decided "$T"; then trap - EXIT; exit 0; fi' TERM
    while [ "$left" -gt 0 ]; do
        sleep "$left" &
        nap=$!
        wait "$nap"
        uptime_s
        left=$((deadline - up))
        if [ "$left" -le 0 ] && prolonged "$1"; then deadline=$((up + left)); fi
    done
    trap '' TERM
}

# A shell that cannot fork ends. Then it begins anew: an exec needs no fork.
never_give_up() {
    trap 'exec sh "$R/$T.sh" expire "$T" "${gen-}"' EXIT
}

# await_others T: whoever holds the host without knowing of T has its time.
await_others() {
    while read -r holder o_gen o_run o_who o_since o_until rest 2>/dev/null <"$R/lock" && [ "$holder" != "$1" ]; do
        : "$o_gen" "$o_run" "$o_who" "$o_since" "$rest"
        uptime_s
        [ "$up" -le "$o_until" ] || break
        doze
    done
}

# is_past GEN: that, or a later one, was confirmed.
is_past() { [ "$(slurp "$P/current")" -ge "$1" ]; } 2>/dev/null

# expire T [GEN]: the time is over. What is not decided is undone, what is not finished is finished. With GEN it is the
# timer itself.
expire() {
    T=$1 gen=${2-${gen-}}
    never_give_up
    # Somebody emptied /run: what was staged has all that is needed, unless a later change was confirmed since.
    if ! known "$1" && ! decided "$1" && [ -e "$P/gen-${gen-}/about" ] && await_others "$1" && ! is_past "$gen"; then
        mkdir -p "$R" && cp -r "$P/gen-$gen" "$R/$1.undo" && cp "$P/agent.sh" "$R/$1.sh"
        # With the lock, unless somebody else has it by now, what is left of it goes as well.
        take_lock "$1 $gen - - - 0 $$"
    fi
    rollback "$1" timer
    while [ "$answer" = prolonged ] && [ -n "${2-}" ]; do
        write "$R/$1.pid" "$$" 2>/dev/null
        sleep_through "$1"
        rollback "$1" timer
    done
    case $answer in
    # Its own timer waits for that.
    prolonged)
        trap - EXIT
        return
        ;;
    confirmed) confirm "$1" timer ;;
    "undone timer"*) announce "$1" ;;
    esac
    tidy "$1"
    trap - EXIT
}

# --- confirm --------------------------------------------------------------------------------------

# Bounded: a disk that hangs must not hang the answer.
keep_for_boot() {
    {
        if [ "$(slurp "$P/next")" = "$gen" ]; then mv -f "$P/next" "$P/current"; fi
        [ "$(slurp "$P/current")" = "$gen" ] && flush "$P/current" "$P" && mark "$R/$1.boot"
    } </dev/null >/dev/null 2>&1 &
    for nap in 0.01 0.02 0.05 0.1 0.2 0.5 1; do
        [ ! -e "$R/$1.boot" ] || return 0
        sleep "$nap" 2>/dev/null || sleep 1
    done
}

# Every line of ours is as it was when it had been switched, and read by the controller.
in_force() {
    for family in 4 6; do
        for table in nat filter; do
            [ -e "$d/$family.$table.want" ] || continue
            [ -e "$d/$family.$table.live" ] && own "$family" "$table" none || return 1
            same_lines "$(slurp "$d/$family.$table.live")" "$own" || return 1
        done
    done
}

# confirm T BY: in $answer what the host runs now.
confirm() {
    mv "$R/$1.armed" "$R/$1.confirmed" 2>/dev/null
    if [ -e "$R/$1.confirmed" ] && [ ! -e "$R/$1.answered" ] && known "$1"; then
        enter "$1"
        keep "$1" "$2"
        kept=$?
        leave "$1"
        [ "$kept" = 0 ] || return 1
    fi
    # Undoing ends in undone: look at what it ends in once more.
    if ! decided "$1"; then
        answer=unknown
        [ ! -e "$R/$1.undoing" ] || answer=undoing
        decided "$1"
    fi
    [ "$answer" = confirmed ] || return 1
    # Asked again because our answer was lost: the same answer.
    boot=no
    [ ! -e "$R/$1.boot" ] || boot=yes
    answer="confirmed boot=$boot"
}

keep() {
    if [ -e "$R/$1.answered" ] || ! [ -e "$R/$1.confirmed" ]; then return 0; fi
    load_transaction "$1" || {
        answer=unknown
        return 1
    }
    if ! in_force; then
        mv "$R/$1.confirmed" "$R/$1.undoing"
        put_back "$1" "$2"
        answer="changed $answer"
        return 1
    fi
    keep_for_boot "$1"
    # Without an inode for it, it is asked and tidied up once more; confirmed it is.
    mark "$R/$1.answered" || return 0
}

stop_timer() {
    have systemctl && [ -e "$R/$1.unit" ] && $bound systemctl stop "portmap-rollback-$1.timer" >/dev/null 2>&1
    pid=$(slurp "$R/$1.pid")
    case $pid in '' | "$$" | *[!0-9]*) return 0 ;; esac
    case $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") in *"$R/$1.sh timer "* | *"$R/$1.sh expire "*) kill "$pid" ;; esac
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

clean_up() {
    for family in 4 6; do clean "$family"; done
    ledger "confirmed $1 $gen"
    # The last five generations stay for looking back, but what was staged since the one before and never confirmed.
    made=''
    { read -r made && read -r made && read -r made && read -r made; } 2>/dev/null <"$d/about"
    made=${made##* }
    [ "$made" != - ] || made=0
    set +f
    set -- "$P"/gen-*
    for kept in "$@"; do
        number=${kept##*-}
        if [ "$number" -gt "$made" ] && [ "$number" -lt "$gen" ]; then rm -rf "$kept"; fi
    done 2>/dev/null
    set -- "$P"/gen-*
    set -f
    while [ $# -gt 5 ]; do
        rm -rf "$1" 2>/dev/null
        shift
    done
    if [ "$(wc -l 2>/dev/null <"$P/ledger")" -gt 1000 ] 2>/dev/null; then
        tail -n 500 "$P/ledger" >"$P/ledger.tmp" && mv -f "$P/ledger.tmp" "$P/ledger"
    fi
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

# Base chains of nft that packets for this host pass, but for those of iptables-nft: a line each, and the rules of their
# tables (without the members of sets, which may be many) in JSON, where this nft has that and they are not too many.
observe_nft() {
    have nft || return 0
    section nft
    text=$($bound nft list chains 2>/dev/null) || return 0
    nft_shown=$nl
    IFS=$nl
    for line in $text; do
        case $line in
        table*) nft_table=${line#table } nft_table=${nft_table%" {"} ;;
        *chain*) nft_chain=${line#*chain } nft_chain=${nft_chain%" {"} ;;
        *" hook input "* | *" hook prerouting "* | *" hook ingress "*)
            of=${nft_table#ip6 } of=${of#ip }
            case "$of $nft_chain" in
            "filter INPUT" | "nat INPUT" | "nat PREROUTING" | "mangle INPUT" | "mangle PREROUTING") continue ;;
            "raw PREROUTING" | "security INPUT" | bridge* | arp*) continue ;;
            esac
            say "chain $nft_table $nft_chain type ${line#*type }"
            case $nft_shown in *"$nl$nft_table$nl"*) continue ;; esac
            nft_shown=$nft_shown$nft_table$nl
            IFS=' '
            # shellcheck disable=SC2086 # words on purpose: family and name, as nft has them (no globs: set -f)
            json=$($bound nft -j -t list table $nft_table 2>/dev/null) || json=''
            IFS=$nl
            [ ${#json} -gt 400000 ] || [ -z "$json" ] || say "table $nft_table $json"
            ;;
        esac
    done
    IFS=" $nl"
}

# Sockets that wait for connections or datagrams. Those of TCP come first in its file, and the others may be many.
observe_listeners() {
    section listeners
    for family in tcp tcp6; do
        sed -n -e 1d -e 's/^ *[0-9]*: \([0-9A-F]*:[0-9A-F]*\) [0-9A-F:]* 0A .*/tcp \1/p' -e t -e q "/proc/net/$family" 2>/dev/null
    done
    sed -n 's/^ *[0-9]*: \([0-9A-F]*:[0-9A-F]*\) [0-9A-F:]* 07 .*/udp \1/p' /proc/net/udp /proc/net/udp6 2>/dev/null
}

# Who holds the host, and how far that is.
observe_lock() {
    read -r o_t o_gen o_run o_who o_since o_until o_pid 2>/dev/null <"$R/lock" || return 0
    say "lock $o_t $o_gen $o_run $o_who $o_since $o_until $o_pid"
    # Its controller is still at it.
    alive "$o_pid" && say "attended yes"
    if ! [ -e "$R/$o_t.armed" ] || ! prolonged "$o_t"; then return 0; fi
    say "left $left"
    for family in 4 6; do
        for table in nat filter; do
            if [ -e "$R/$o_t.undo/$family.$table.want" ] && ! [ -e "$R/$o_t.undo/$family.$table.live" ]; then return 0; fi
        done
    done
    say "switched yes"
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
        { read -r made && read -r made && read -r made && read -r made && say "made $made"; } 2>/dev/null <"$P/gen-$current/about"
        # Looked at anew: a kernel can learn it. (Asking creates the table where it can, so only where there was none.)
        [ ! -e "$P/gen-$current/6.nonat" ] || single 6 -t nat -S || say "nat6 no"
    fi
    observe_lock
    uptime_s
    say "uptime $up"
    if [ -e "$P" ] || [ -e "$R" ] || has_unit; then say "files yes"; fi
    observe_boot
    section addresses6
    slurp /proc/net/if_inet6
    section addresses
    have ip && ip -o addr show 2>/dev/null
    observe_listeners
    for family in 4 6; do
        name=iptables
        [ "$family" = 4 ] || name=ip6tables
        observe_rules "$family" "$name"
        case $("$name" -V 2>&1) in
        *nf_tables*) observe_rules "$family" "$name-legacy" ;;
        *) observe_rules "$family" "$name-nft" ;;
        esac
    done
    observe_nft
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
    d=$R/$T.undo
    settle
    # Not before: what has just been removed takes it away as well.
    { mkdir -p "$R" && mkdir "$d"; } 2>/dev/null || {
        failed "cannot write to $R"
        return
    }
    since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    uptime_s
    if ! take_lock "$T $gen $run $who $since $((up + $5)) $$"; then
        rm -rf "$d"
        held=$(slurp "$R/lock")
        if [ -n "$held" ]; then failed "locked $up $held"; else failed "cannot write to $R"; fi
        return
    fi
    locked=1 broken=0 short=0
    # With who makes it, and of what.
    before=$(slurp "$P/current")
    if ! still_as_seen; then
        abandon
        failed "changed"
    elif write "$d/about" "$gen$nl$x4$nl$x6$nl$T $run $who $since ${before:--}$nl" 2>/dev/null; then
        done_
    else
        abandon
        failed "cannot write to $R"
    fi
}

# Before the timer is armed nothing was changed: leave no trace. A later login may have done so already, and then
# our number may be another's.
abandon() {
    locked=0
    known "$T" || return 0
    enter "$T"
    if load_transaction "$T" && ours; then take_away "abandoned $T $gen"; fi
    forget "$T"
    leave "$T"
}

ours() { holds_lock "$T" && ! [ -e "$R/$T.undoing" ] && ! [ -e "$R/$T.undone" ]; }

# put NAME LINES. Every line is read, whatever happens: it must not be taken for a request.
put() {
    n=$2 file=/dev/null
    if [ "$locked" = 1 ]; then
        if mark "$d/$1"; then file=$d/$1; else short=1; fi
    fi
    while [ "$n" -gt 0 ]; do
        IFS= read -r line || break
        printf '%s\n' "$line" 2>/dev/null || short=1
        n=$((n - 1))
    done >"$file"
}

write_generation() {
    mkdir -p "$P" && rm -rf "$P/gen-$gen.tmp" "$P/gen-$gen" && mkdir "$P/gen-$gen.tmp" || return 1
    set +f
    cp "$d"/* "$P/gen-$gen.tmp/" && flush "$P/gen-$gen.tmp"/*
    kept=$?
    set -f
    [ "$kept" = 0 ] && keep_agent && mv "$P/gen-$gen.tmp" "$P/gen-$gen" && write "$P/next" "$gen" && flush "$P/next" "$P"
}

stage() {
    if [ "$short" = 1 ]; then
        abandon
        failed "cannot write to $R"
        return
    fi
    if ! why=$(write_generation 2>&1); then
        abandon
        failed "cannot write to $P: $why"
        return
    fi
    ledger "begin $T $gen $run by $who"
    not_at_boot=''
    [ -e "$d/remove" ] || boot_install || not_at_boot=$(printf 'boot %s' "$why" | tr '\n\r\t' '   ')
    for family in 4 6; do
        if ! ours; then
            err='another login ended this change'
        elif restore_file "$family" "$d/$family.stage"; then
            continue
        fi
        why="$family $err"
        [ "$family" = 4 ] || single 6 -t nat -S || why="6 nonat $err"
        abandon
        failed "stage $why"
        return
    done
    done_ "$not_at_boot"
}

# A prolonged one waits as a service, heeds no TERM, and must not hold up a shutdown: that is a rollback by itself.
start_timer() {
    if pid1_is_ours; then
        mark "$R/$T.unit"
        $bound systemd-run --quiet --unit="portmap-rollback-$T" --description="portmap-deploy rollback timer" \
            --on-active="$1s" --timer-property=AccuracySec=100ms --property=OOMScoreAdjust=-1000 \
            --property=Restart=on-failure --property=RestartSec=1s --property=StartLimitIntervalSec=0 \
            --property=KillSignal=SIGKILL \
            /bin/sh -c "[ ! -e $R/$T.sh ] || exec sh $R/$T.sh expire $T $gen; [ ! -e $P/agent.sh ] || exec sh $P/agent.sh expire $T $gen" \
            </dev/null >/dev/null 2>&1 &&
            $bound systemctl is-active --quiet "portmap-rollback-$T.timer" && return 0
        $bound systemctl stop "portmap-rollback-$T.timer" >/dev/null 2>&1
        rm -f "$R/$T.unit"
    fi
    alive=$(detached sh "$R/$T.sh" timer "$T" "$1" </dev/null 2>/dev/null &)
    pid=${alive#alive }
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    # Nobody could tell that it lives.
    if ! write "$R/$T.pid" "$pid" 2>/dev/null; then
        why="cannot write to $R"
        return 1
    fi
    kill -0 "$pid" 2>/dev/null
}

arm() {
    uptime_s
    if ! write "$R/$T.sh" "$s" 2>/dev/null || ! write "$R/$T.until" "$((up + $1))$nl" 2>/dev/null ||
        ! write "$R/$T.armed" "$gen$nl" 2>/dev/null; then
        why="cannot write to $R"
    elif ! ours; then
        why="another login ended this change"
    elif why="the rollback timer did not start" && start_timer "$1"; then
        done_
        return
    fi
    rm -f "$R/$T.armed"
    abandon
    failed "$why"
}

# Nothing is switched when the timer has taken the transaction, and what was is undone again.
still_armed() { [ -e "$R/$T.armed" ]; }

undo_now() {
    why=$1
    rollback "$T" controller
    failed "$answer $why"
    case $answer in undone*)
        tidy "$T"
        locked=0
        ;;
    esac
}

# switch_to STEP...: the restore inputs of these steps, family by family.
switch_to() {
    enter "$T"
    apply "$@"
    applied=$?
    leave "$T"
    [ "$applied" = 0 ] || undo_now "$why"
    return "$applied"
}

apply() {
    for step in "$@"; do
        for family in 4 6; do
            why="the rollback timer was faster"
            still_armed || return 1
            restore_file "$family" "$d/$family.$step" && continue
            why="$step $family $err"
            return 1
        done
    done
}

tighten() {
    switch_to tighten || return 0
    for family in 4 6; do
        for table in nat filter; do
            [ -e "$d/$family.$table.want" ] || continue
            why='the new rules could not be read back'
            if own "$family" "$table" none; then
                why="cannot write to $R"
                write "$d/$family.$table.live" "$own" 2>/dev/null && continue
            fi
            undo_now "$why"
            return
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

# What is kept of generations, and who made them when.
generations() {
    section current
    slurp "$P/current" && say
    set +f
    set -- "$P"/gen-*/mappings
    set -f
    for kept in "$@"; do
        # What is damaged is not told in part: fewer mappings would be mappings as well.
        size=$(wc -c 2>/dev/null <"$kept")
        [ "${size:-0}" -le 4194304 ] || continue
        text=$(slurp "$kept") || continue
        kept=${kept%/mappings}
        section "generation ${kept##*-}"
        [ -z "$text" ] || say "$text"
    done
    section ledger
    tail -n 50 "$P/ledger" 2>/dev/null | tail -c 65536
    done_
}

# The controller may be a later login than the one that began.
resume() {
    T=$1
    load_transaction "$1"
}

# decide VERB T: confirm or rollback, by the agent of the version that armed it.
decide() {
    answer=''
    case $(slurp "$R/$2.sh") in
    '' | "${s%"$nl"}") ;;
    *) answer=$(sh "$R/$2.sh" "$1" "$2" </dev/null 2>/dev/null) ;;
    esac
    # Without an answer it had just ended.
    [ -n "$answer" ] || "$1" "$2" controller
    [ "$answer" != unknown ] || recorded "$2"
    case "$1 $answer" in "confirm confirmed"* | "rollback confirmed"* | "rollback undone"*) done_ "$answer" ;; *) failed "$answer" ;; esac
    case $answer in confirmed* | undone* | "changed undone"*)
        tidy "$2"
        [ "$T" != "$2" ] || locked=0
        ;;
    esac
}

dialogue() {
    ssh_connection=$1 locked=0 broken=0 short=0 T='' gen=''
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
        settled) done_ "${remains:+left $remains}" ;;
        resume) if resume "$a"; then done_; else failed unknown; fi ;;
        rules) rules ;;
        generations) generations ;;
        pending)
            section facts
            uptime_s
            say "uptime $up"
            observe_lock
            done_
            ;;
        extend) if extend "$a" "$b" "$c"; then done_ "$answer"; else failed "$answer"; fi ;;
        ended)
            answer=open
            decided "$a"
            done_ "$answer"
            ;;
        mend) if boot_install; then done_; else failed "$why"; fi ;;
        confirm | rollback) decide "$verb" "$a" ;;
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
expire) expire "$2" "${3-}" ;;
boot) boot ;;
confirm | rollback)
    "$1" "$2" controller
    say "$answer"
    tidy "$2"
    ;;
*) dialogue "${1-}" ;;
esac
