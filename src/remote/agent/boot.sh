# shellcheck shell=sh
# shellcheck disable=SC2016,SC2034,SC2154 # scripts in scripts; variables of agent.sh, which this is a part of
# A part of the agent: rules at boot. R, P and what they hold: design, "State" and "Boot".

# --- the unit -------------------------------------------------------------------------------------
# Printed line by line: what is sent to hosts has no indentation and no lines that begin with #.

# Whatever may load or flush rules comes before us; sshd, and where they can the interfaces, come after. Never ssh.socket:
# what is before sockets.target cannot be after firewalld.
unit_text() {
    printf '%s\n' '[Unit]' \
        'Description=Port mappings of portmap-deploy' \
        'DefaultDependencies=no' \
        "RequiresMountsFor=$P" \
        "ConditionPathExists=$P/agent.sh" \
        'After=local-fs.target systemd-modules-load.service' \
        'After=netfilter-persistent.service ufw.service nftables.service iptables.service ip6tables.service' \
        'After=firewalld.service ferm.service' \
        'Wants=network-pre.target' \
        'Before=network-pre.target ssh.service sshd.service dropbear.service' \
        '' '[Service]' \
        'Type=oneshot' \
        'RemainAfterExit=yes' \
        "ExecStart=/bin/sh $P/agent.sh boot" \
        'TimeoutStartSec=45s' \
        '' '[Install]' \
        'WantedBy=multi-user.target'
}

# Shorewall starts when the network is up, so our unit cannot come after it. And both flush all rules whenever they start.
# So they start us once more.
drop_in_text() {
    printf '%s\n' '[Unit]' \
        'Before=ssh.service sshd.service dropbear.service' \
        '' '[Service]' \
        "ExecStartPost=-/bin/sh $P/agent.sh boot"
}

# No `need`: not every distribution calls its own so, and all of these are of earlier runlevels.
openrc_text() {
    printf '%s\n' '#!/sbin/openrc-run' \
        'description="Port mappings of portmap-deploy"' \
        '' \
        'depend() {' \
        '    after localmount mountall.sh bootmisc iptables ip6tables nftables ufw firewalld shorewall shorewall6' \
        '    before sshd dropbear' \
        '}' \
        '' \
        'start() {' \
        '    ebegin "Loading port mappings"' \
        "    /bin/sh $P/agent.sh boot" \
        '    eend $?' \
        '}'
}

sysv_text() {
    printf '%s\n' '#!/bin/sh' \
        '# chkconfig: 2345 09 91' \
        '# description: Port mappings of portmap-deploy' \
        '### BEGIN INIT INFO' \
        '# Provides:          portmap-deploy' \
        '# Required-Start:    $local_fs' \
        '# Required-Stop:' \
        '# Should-Start:      netfilter-persistent ufw nftables iptables ip6tables firewalld shorewall shorewall6' \
        '# X-Start-Before:    ssh sshd dropbear' \
        '# Default-Start:     2 3 4 5' \
        '# Default-Stop:' \
        '# Short-Description: Port mappings of portmap-deploy' \
        '### END INIT INFO' \
        '' \
        'case "${1-}" in' \
        "start | restart | reload | force-reload) exec /bin/sh $P/agent.sh boot ;;" \
        'stop) ;;' \
        '*) echo "usage: $0 start" >&2; exit 2 ;;' \
        'esac'
}

# What starts services on this host. In $init.
init_system() {
    init=none
    if [ -d /run/systemd/system ]; then
        init=systemd
    elif [ -d /run/openrc ] && [ -d /etc/runlevels/default ]; then
        init=openrc
    elif [ "$(slurp /proc/1/comm)" = init ] && [ -d /etc/init.d ] && { have update-rc.d || have chkconfig; }; then
        init=sysv
    fi
}

units=/etc/systemd/system
flushers='firewalld shorewall shorewall6 shorewall-lite shorewall6-lite'

holds() { [ "$(slurp "$1")" = "$2" ]; }

# install_file FILE MODE TEXT: whole, durable, and only when it is another.
install_file() {
    if holds "$1" "$3"; then return 0; fi
    write "$1" "$3$nl" && chmod "$2" "$1" && flush "$1"
}

# has_link PATTERN...: one of these is there, if only as a link to nothing.
has_link() {
    set +f
    # shellcheck disable=SC2048,SC2086 # patterns on purpose
    set -- $*
    set -f
    for link in "$@"; do
        if [ -L "$link" ] || [ -e "$link" ]; then return 0; fi
    done
    return 1
}

sysv_links='/etc/rc[2345].d/S??portmap-deploy /etc/rc.d/rc[2345].d/S??portmap-deploy'

# In $boot: yes; missing: it should be there and is not; masked: the operator does not want it; none: no way is known.
boot_state() {
    init_system
    boot=missing
    case $init in
    systemd)
        if [ "$(readlink "$units/portmap-deploy.service")" = /dev/null ]; then
            boot=masked
        elif has_link "$units/multi-user.target.wants/portmap-deploy.service" &&
            holds "$units/portmap-deploy.service" "$(unit_text)"; then
            boot=yes
        fi
        ;;
    openrc)
        if has_link /etc/runlevels/default/portmap-deploy && holds /etc/init.d/portmap-deploy "$(openrc_text)"; then boot=yes; fi
        ;;
    sysv)
        if has_link "$sysv_links" && holds /etc/init.d/portmap-deploy "$(sysv_text)"; then boot=yes; fi
        ;;
    none) boot=none ;;
    esac
    [ "$boot" != yes ] || [ -s "$P/agent.sh" ] || boot=missing
}

# keep_agent: what runs at boot, and when /run was emptied, is this very script.
keep_agent() {
    if [ -z "$s" ] || holds "$P/agent.sh" "${s%"$nl"}"; then return 0; fi
    write "$P/agent.sh" "$s" && flush "$P/agent.sh"
}

# boot_install: the rules will be there after a reboot, or in $why why not. It has no effect before the next boot, so
# systemd need not hear of it now.
boot_install() {
    boot_state
    case $boot in
    none) why='it has no systemd, OpenRC or SysV init that could load them' ;;
    masked) why='its portmap-deploy.service is masked' ;;
    *)
        if why=$({ [ "$boot" = yes ] || { keep_agent && "install_$init"; }; } 2>&1); then return 0; fi
        why="portmap-deploy cannot be made to start there: $why"
        ;;
    esac
    return 1
}

install_systemd() {
    install_file "$units/portmap-deploy.service" 644 "$(unit_text)" || return 1
    for flusher in $flushers; do
        has_link "/lib/systemd/system/$flusher.service" "/usr/lib/systemd/system/$flusher.service" \
            "$units/$flusher.service" || continue
        (umask 022 && mkdir -p "$units/$flusher.service.d") || return 1
        install_file "$units/$flusher.service.d/portmap-deploy.conf" 644 "$(drop_in_text)" || return 1
    done
    (umask 022 && mkdir -p "$units/multi-user.target.wants") || return 1
    ln -sfn "$units/portmap-deploy.service" "$units/multi-user.target.wants/portmap-deploy.service" || return 1
    flush "$units" "$units/multi-user.target.wants"
    # Only what is running already has to be told.
    has_drop_in && $bound systemctl daemon-reload
    return 0
}

install_openrc() {
    install_file /etc/init.d/portmap-deploy 755 "$(openrc_text)" || return 1
    ln -sfn /etc/init.d/portmap-deploy /etc/runlevels/default/portmap-deploy || return 1
    flush /etc/init.d /etc/runlevels/default
}

install_sysv() {
    install_file /etc/init.d/portmap-deploy 755 "$(sysv_text)" || return 1
    if have update-rc.d; then
        update-rc.d portmap-deploy defaults </dev/null || return 1
    else
        chkconfig --add portmap-deploy </dev/null || return 1
    fi
    flush /etc/init.d
}

# boot_remove: nothing of ours starts at boot any more. What is not there costs nothing.
boot_remove() {
    rm -f "$P/agent.sh" "$P/agent.sh.tmp" 2>/dev/null
    known_to_systemd=0
    for flusher in $flushers; do
        [ -e "$units/$flusher.service.d/portmap-deploy.conf" ] || continue
        known_to_systemd=1
        rm -f "$units/$flusher.service.d/portmap-deploy.conf"
        rmdir "$units/$flusher.service.d" 2>/dev/null
    done
    if [ -e "$units/portmap-deploy.service" ]; then
        # After a boot the unit is known to systemd, and active.
        if [ -d /run/systemd/system ] && $bound systemctl is-active --quiet portmap-deploy.service; then
            known_to_systemd=1
            # Not by itself, at boot: that would wait for its own end.
            [ "${1-}" = boot ] || $bound systemctl stop portmap-deploy.service
        fi
        rm -f "$units/portmap-deploy.service" "$units/multi-user.target.wants/portmap-deploy.service"
    fi
    if [ "$known_to_systemd" = 1 ] && [ -d /run/systemd/system ]; then $bound systemctl daemon-reload; fi
    if [ -e /etc/init.d/portmap-deploy ]; then
        have chkconfig && ! have update-rc.d && chkconfig --del portmap-deploy
        rm -f /etc/init.d/portmap-deploy /etc/runlevels/default/portmap-deploy
        have update-rc.d && [ ! -d /run/openrc ] && update-rc.d portmap-deploy remove
    fi
    has_unit && return 1
    return 0
} </dev/null >/dev/null 2>&1

has_drop_in() {
    for flusher in $flushers; do
        [ ! -e "$units/$flusher.service.d/portmap-deploy.conf" ] || return 0
    done
    return 1
}

has_unit() { has_link "$units/portmap-deploy.service" /etc/init.d/portmap-deploy; }

# Files from which other tools load rules at boot, and which hold our chains as well.
saved_elsewhere() {
    set +f
    set -- /etc/iptables/rules.v[46] /etc/iptables/*.rules /etc/iptables/rules-save /etc/iptables/rules6-save \
        /etc/sysconfig/iptables /etc/sysconfig/ip6tables /var/lib/iptables/rules-save /var/lib/ip6tables/rules-save \
        /etc/iptables.rules /etc/iptables.up.rules /etc/ufw/*.rules /etc/nftables.conf /etc/sysconfig/nftables.conf
    set -f
    found=''
    for file in "$@"; do
        [ ! -f "$file" ] || found="$found $file"
    done
    # shellcheck disable=SC2086 # words on purpose: names from the list above
    [ -z "$found" ] || found=$(grep -l 'PORTMAP-[A-Z]*-[0-9]' $found 2>/dev/null | tr '\n' ' ')
}

observe_boot() {
    if [ -s "$P/current" ]; then
        boot_state
        say "boot $boot"
    fi
    ! firewalld_runs || say "firewalld yes"
    saved_elsewhere
    [ -z "$found" ] || say "saved ${found% }"
}

# --- at boot --------------------------------------------------------------------------------------

# recorded T: in $answer how the ledger says that it ended. /run does not know any more.
recorded() {
    line=$(grep " $1 " "$P/ledger" 2>/dev/null | tail -n 1)
    case $line in
    *" confirmed $1 "*) answer='confirmed boot=yes' ;;
    *" undone $1 "*" by "*) answer="undone ${line##* by }" ;;
    *) return 1 ;;
    esac
}

# What was open when the host went down was not confirmed, unless it had just been written down for this boot.
book() {
    open=''
    IFS=$nl
    for line in $(tail -n 50 "$P/ledger" 2>/dev/null); do
        IFS=' '
        # shellcheck disable=SC2086 # words on purpose
        set -- $line
        IFS=$nl
        case ${2-} in
        begin) open=${3-} open_gen=${4-} ;;
        confirmed | undone | abandoned) [ "${3-}" != "$open" ] || open='' ;;
        esac
    done
    IFS=" $nl"
    if [ -n "$open" ]; then
        if [ "$open_gen" = "$current" ]; then
            ledger "confirmed $open $open_gen"
        else
            ledger "undone $open $open_gen by reboot"
            say "the change of generation $open_gen had not been confirmed: rolled back by reboot"
        fi
    fi
    for line in "${open:+$open_gen}" "$(slurp "$P/next")"; do
        case $line in '' | "$current" | *[!0-9]*) continue ;; esac
        rm -rf "$P/gen-$line" "$P/gen-$line.tmp"
    done
    rm -f "$P/next"
}

# other FAMILY: the tool of the backend that this family does not use. In $other; empty: there is none.
other() {
    other=''
    tool "$1" || return 0
    case $("$x" -V 2>/dev/null) in
    *nf_tables*) other=${x%-nft}-legacy ;;
    *) other=${x%-legacy}-nft ;;
    esac
    have "$other-save" && have "$other-restore" || other=''
}

# load_table FAMILY TABLE FILES...: our rules of the confirmed generation in place of whatever there is of ours; of the files
# the first that loads. One commit.
load_table() {
    b_family=$1 b_table=$2
    shift 2
    tool "$b_family" || return 1
    for b_try in "$@"; do
        saved=$($bound "$x-save" 2>/dev/null) || return 1
        take_apart "$b_table"
        # Its first line names the table.
        b_text="*$b_table$nl$jumps$(sed 1d "$b_try")"
        # By a pipe: a here-document needs room on a disk in some shells.
        err=$(printf '%s\n' "$b_text" | $bound "$x-restore" --noflush --wait=5 2>&1) && return 0
    done
    return 1
}

# prune FAMILY TABLE: what is left of other generations. Nothing leads to it.
prune() {
    tool "$1" || return 0
    saved=$($bound "$x-save" 2>/dev/null) || return 1
    take_apart "$2"
    b_lines='' b_gone=''
    IFS=$nl
    for line in $chains; do
        chain=${line#:}
        chain=${chain%% *}
        case $chain in *-"$gen") continue ;; esac
        case $chains in *":$chain-$gen "*) continue ;; esac
        b_lines=$b_lines$line$nl b_gone="$b_gone-X $chain$nl"
    done
    IFS=" $nl"
    [ -z "$b_lines" ] || printf '*%s\n%s%sCOMMIT\n' "$2" "$b_lines" "$b_gone" | restore "$1"
}

clear_family() {
    uproot "$1" filter
    b_filter=$?
    uproot "$1" nat && [ "$b_filter" = 0 ]
}

# In files of this generation: boot.INPUT.TRY, the inputs in their order.
load_family() {
    b_done=''
    for b_input in 1 2; do
        [ -s "$d/$1.boot.$b_input.1" ] || break
        read -r b_of <"$d/$1.boot.$b_input.1"
        b_of=${b_of#\*}
        b_family=$1
        set +f
        set -- "$d/$b_family.boot.$b_input".*
        set -f
        # The guard without the mappings would close the way in.
        load_table "$b_family" "$b_of" "$@" || return 1
        set -- "$b_family"
        prune "$1" "$b_of"
        b_done="$b_done $b_of"
    done
    for table in filter nat; do
        case $b_done in *" $table"*) ;; *) uproot "$1" "$table" || return 1 ;; esac
    done
}

boot_family() {
    [ -n "$gen" ] || {
        clear_family "$1"
        return
    }
    for b_again in 1 2 3; do
        load_family "$1" && return 0
        say "IPv$1: $err"
        sleep 1
    done
    case $b_done in
    *nat*) uproot "$1" filter ;;
    *) clear_family "$1" ;;
    esac
    return 1
}

# Rules of ours in the backend that is not used: somebody saved them before it was changed.
clear_other() {
    other "$1"
    [ -n "$other" ] || return 0
    (
        case $1 in 4) x4=$other ;; *) x6=$other ;; esac
        clear_family "$1"
    )
}

firewalld_runs() {
    [ -d /run/systemd/system ] && have firewall-cmd || return 1
    case $($bound systemctl is-active firewalld.service 2>/dev/null) in active | activating | reloading) ;; *) return 1 ;; esac
}

# To systemd it is started when it has its name on the bus; then it flushes all rules and loads its own. It answers after that.
await_firewalld() {
    firewalld_runs || return 0
    $bound firewall-cmd --state >/dev/null 2>&1
}

# boot: the confirmed generation, whole, and nothing else of ours.
boot() {
    await_firewalld
    if [ -s "$R/lock" ]; then
        say "a change of this host is under way: its own timer decides"
        return 0
    fi
    gen='' current=$(slurp "$P/current") boot_failed=0
    case $current in *[!0-9]*) current='' ;; esac
    d=$P/gen-$current
    if [ -n "$current" ] && { read -r gen && read -r u4 && read -r u6; } 2>/dev/null <"$d/about"; then
        use "$u4" "$u6"
        [ ! -e "$d/remove" ] || gen=''
    else
        gen=''
    fi
    for family in 4 6; do
        tool "$family" || continue
        have "$x-restore" || use iptables ip6tables
    done
    for family in 4 6; do
        if ! tool "$family" || ! have "$x-restore"; then continue; fi
        if boot_family "$family"; then
            say "IPv$family: loaded generation ${gen:-none}"
        else
            boot_failed=1
            say "IPv$family: generation ${gen:-none} does not load"
        fi
        clear_other "$family"
    done
    # Confirmed, and the host went down before all was taken away.
    if [ -e "$d/remove" ] && [ "$boot_failed" = 0 ] && ! [ -s "$R/lock" ]; then
        boot_remove boot && rm -rf "$P"
        return 0
    fi
    # A change that has begun meanwhile is open, and nobody booted.
    [ -s "$R/lock" ] || book
    [ -n "$current" ] || boot_remove boot
    return "$boot_failed"
}
