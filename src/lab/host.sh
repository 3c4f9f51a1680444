#!/bin/sh
# PID 1 of one member of a lab: a rehearsal host, the router in front of them ("upstream"), or what becomes the systemd of
# a booted host.
#
# Runs in fresh network, mount, PID, UTS, IPC and cgroup namespaces. Says on stdout what it is ready for and
# goes on when stdin says so; the end of stdin means that `lab up` failed or died, and so ends this member too.
#
#   says  pid N          its process id outside, for those who make its links
#   hears go             the links are there
#   says  key TYPE KEY   its SSH host key (hosts only)
#   says  ready          addresses set, sshd started (booted: systemd is next)
#   hears stay           the lab is up: no longer listen to stdin
#
# Arguments, all in the environment: LAB_ROLE (host, upstream, booted), LAB_HOST (its name), LAB_SCRATCH (an empty
# directory), LAB_BACKEND (nft, legacy, or empty: the machine's), LAB_LINKS (lines for `ip -batch`),
# LAB_KEY (the public key that may log in), LAB_ADMINS (accounts with sudo), LAB_RULES (lines for `nft -f`); of a booted
# host LAB_IMAGE (the system's tree), LAB_DISK (what it has written, kept over reboots), LAB_CGROUP (its cgroup).
set -eu
umask 022

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

await() {
    read -r word || exit 1
    [ "$word" = "$1" ] || fail "expected $1, got $word"
}

# $1: a file below /proc/sys/net, which may be missing (no IPv6, no bridge filter); $2: its value.
tune() {
    if [ -e "/proc/sys/net/$1" ]; then
        printf '%s' "$2" >"/proc/sys/net/$1"
    fi
}

tune_network() {
    for scope in all default; do
        tune "ipv6/conf/$scope/disable_ipv6" 0
        tune "ipv6/conf/$scope/accept_ra" 0
        tune "ipv6/conf/$scope/accept_dad" 0
    done
    if [ "$LAB_ROLE" = upstream ]; then
        tune ipv4/ip_forward 1
        tune ipv6/conf/all/forwarding 1
        tune bridge/bridge-nf-call-iptables 0
        tune bridge/bridge-nf-call-ip6tables 0
    fi
}

layers=0
# $1: a directory of the machine, shown at $2; what is written to it stays in this member's memory.
layer() {
    layers=$((layers + 1))
    mkdir -p "upper$layers" "work$layers"
    mount -t overlay -o "lowerdir=$1,upperdir=$PWD/upper$layers,workdir=$PWD/work$layers" overlay "$2"
}

# A file system of its own over the machine's, which may have several: an overlay does not reach into mounts.
stack_root() {
    mount -t tmpfs -o mode=0755 portmap-lab "$LAB_SCRATCH"
    cd "$LAB_SCRATCH"
    mkdir root
    layer / root
    while read -r _ where _; do
        case $where in
        /usr | /etc | /var | /opt | /bin | /sbin | /lib | /lib64) layer "$where" "root$where" ;;
        esac
    done </proc/self/mounts
}

# A booted host's own system; what it writes outlives it.
insert_disk() {
    mount -t tmpfs -o mode=0755 portmap-lab "$LAB_SCRATCH"
    cd "$LAB_SCRATCH"
    mkdir root
    mount -t overlay -o "lowerdir=$LAB_IMAGE,upperdir=$LAB_DISK/upper,workdir=$LAB_DISK/work" overlay root
    echo 0 >"$LAB_CGROUP/cgroup.procs"
}

fill_dev() {
    mount -t tmpfs -o mode=0755,nosuid dev root/dev
    while read -r node major minor; do
        mknod -m 666 "root/dev/$node" c "$major" "$minor"
    done <<NODES
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
NODES
    mkdir root/dev/pts root/dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts root/dev/pts
    mount -t tmpfs -o mode=1777,nosuid,nodev shm root/dev/shm
    ln -s pts/ptmx root/dev/ptmx
    ln -s /proc/self/fd root/dev/fd
    ln -s fd/0 root/dev/stdin
    ln -s fd/1 root/dev/stdout
    ln -s fd/2 root/dev/stderr
}

# Nothing below may be the machine's: its sockets and locks (/run), its users' files, its state of this program.
fill_root() {
    mount -t proc proc root/proc
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs root/sys
    fill_dev
    mkdir -p root/run root/tmp root/root root/home
    mount -t tmpfs -o mode=0755 run root/run
    mount -t tmpfs -o mode=1777 tmp root/tmp
    [ "$LAB_ROLE" != booted ] || return 0
    mount -t tmpfs -o mode=0700 root root/root
    mount -t tmpfs -o mode=0755 home root/home
    mkdir -p root/run/lock root/run/sshd root/var/lib root/var/log
    rm -rf root/var/lib/portmap-deploy root/etc/systemd/system/portmap-deploy* root/etc/nologin
    ln -sfn /run root/var/run
}

# The kernel's settings that are not of a namespace stay readable only.
shield_kernel() {
    for part in kernel vm fs; do
        mount -o bind,ro "/proc/sys/$part" "/proc/sys/$part"
    done
    [ ! -e /proc/sysrq-trigger ] || mount --bind /dev/null /proc/sysrq-trigger
}

enter_root() {
    cd root
    mkdir .machine
    pivot_root . .machine
    cd /
    umount -l /.machine
    rmdir /.machine
}

name_host() {
    printf '%s' "$LAB_HOST" >/proc/sys/kernel/hostname
    rm -f /etc/hostname /etc/hosts /etc/resolv.conf
    printf '%s\n' "$LAB_HOST" >/etc/hostname
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost\n' "$LAB_HOST" >/etc/hosts
    : >/etc/resolv.conf # no name server: lookups fail at once
}

# $1: a command's name without family, such as tables-save.
choose_variant() {
    for family in ip ip6; do
        link=/etc/alternatives/$family$1
        case $1 in
        tables) variant=${family}tables-$LAB_BACKEND ;;
        *) variant=${family}tables-$LAB_BACKEND-${1#tables-} ;;
        esac
        target=$(command -v "$variant") || fail "no $variant on this machine: install iptables 1.8 or later"
        [ -h "$link" ] || fail "$link is missing: this distribution has no alternatives, use lab up without --backend"
        ln -sfn "$target" "$link"
    done
}

choose_backend() {
    [ -n "$LAB_BACKEND" ] || return 0
    for command in tables tables-save tables-restore; do
        choose_variant "$command"
    done
    case $LAB_BACKEND in
    nft) expected='(nf_tables)' ;;
    *)
        expected='(legacy)'
        # Asked in another namespace: asking would make the table.
        unshare --net iptables -S >/dev/null || fail "this kernel has no legacy iptables: use --backend nft"
        ;;
    esac
    case $(iptables -V) in
    *"$expected") ;;
    *) fail "iptables is not $LAB_BACKEND in spite of its alternative: $(command -v iptables)" ;;
    esac
}

# $1: account, $2: number, $3: home. Its password is none, which sshd without PAM tells from a locked one.
account() {
    printf '%s:x:%s:%s::%s:%s\n' "$1" "$2" "$2" "$3" "$shell" >>/etc/passwd
    printf '%s:x:%s:\n' "$1" "$2" >>/etc/group
    printf '%s:*:19000:0:99999:7:::\n' "$1" >>/etc/shadow
    mkdir -p "$3/.ssh"
    printf '%s\n' "$LAB_KEY" >"$3/.ssh/authorized_keys"
    chmod 700 "$3/.ssh"
    chown -R "$2:$2" "$3"
}

make_accounts() {
    shell=/bin/sh
    [ ! -x /bin/bash ] || shell=/bin/bash
    numbers=60900
    for name in root plain $LAB_ADMINS; do
        sed -i "/^$name:/d" /etc/passwd /etc/group
    done
    if [ "$LAB_ROLE" = host ]; then
        # The machine's passwords are nobody's business here.
        rm -f /etc/shadow /etc/gshadow
        : >/etc/shadow
        chmod 600 /etc/shadow
    else
        for name in root plain $LAB_ADMINS; do
            sed -i "/^$name:/d" /etc/shadow
        done
    fi
    account root 0 /root
    for name in plain $LAB_ADMINS; do
        numbers=$((numbers + 1))
        account "$name" "$numbers" "/home/$name"
    done
}

allow_sudo() {
    mkdir -p /etc/sudoers.d
    rm -f /etc/sudoers /etc/sudoers.d/*
    {
        printf 'Defaults secure_path="%s"\n' "$PATH"
        printf 'root ALL=(ALL:ALL) ALL\n'
        for name in $LAB_ADMINS; do
            printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$name"
        done
        printf '#includedir /etc/sudoers.d\n'
    } >/etc/sudoers
    chmod 440 /etc/sudoers
}

configure_sshd() {
    rm -rf /etc/ssh/ssh_host_* /etc/ssh/sshd_config /etc/ssh/sshd_config.d
    ssh-keygen -q -t ed25519 -N '' -C "$LAB_HOST" -f /etc/ssh/ssh_host_ed25519_key
    cat >/etc/ssh/sshd_config <<CONFIG
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthenticationMethods publickey
PermitRootLogin prohibit-password
UsePAM $1
UseDNS no
MaxStartups 200
PrintMotd no
PrintLastLog no
LogLevel VERBOSE
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
CONFIG
}

prepare_host() {
    name_host
    choose_backend
    make_accounts
    allow_sudo
    configure_sshd no
}

# A booted host's first start. Not in a container: timers that use the network, and consoles that are not there.
install_host() {
    [ ! -e /etc/ssh/sshd_config.lab ] || return 0
    name_host
    choose_backend
    make_accounts
    allow_sudo
    configure_sshd yes
    tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
    for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
        getty.target console-getty.service systemd-sysctl.service systemd-udevd.service systemd-modules-load.service; do
        ln -sfn /dev/null "/etc/systemd/system/$unit"
    done
    : >/etc/ssh/sshd_config.lab
}

connect_host() {
    printf '%s\n' "$LAB_LINKS" | ip -batch -
    read -r key </etc/ssh/ssh_host_ed25519_key.pub
    printf 'key %s\n' "$key"
}

start_host() {
    connect_host
    # Without these variables: sshd and all sessions would show them.
    env -i PATH="$PATH" "$(command -v sshd)" -D -E /var/log/sshd.log >/dev/null 2>&1 &
}

read -r pid _ </proc/self/stat
printf 'pid %s\n' "$pid"

tune_network
if [ "$LAB_ROLE" = booted ]; then insert_disk; else stack_root; fi
fill_root
enter_root
case $LAB_ROLE in
host) prepare_host ;;
booted) install_host ;;
*) name_host ;;
esac
shield_kernel
await go
case $LAB_ROLE in
host) start_host ;;
booted) connect_host ;;
*) printf '%s\n' "$LAB_RULES" | nft -f - ;;
esac
printf 'ready\n'

if [ "$LAB_ROLE" = booted ]; then
    exec 3<&0
    # Who waits for `stay` instead of PID 1, which is systemd's from here on, and pulls the plug where it does not come.
    # (Without the 3 it would hear nothing: what runs behind & has no stdin.)
    { (await stay) || poweroff --force --force --no-sync; } <&3 >/dev/null 2>&1 &
    # A cgroup namespace anew, now that this is in a cgroup of its own: systemd takes its root for the whole tree. It may
    # neither set the machine's clock nor touch its modules and devices.
    # shellcheck disable=SC2093 # it ends here where it does not fail
    exec env -i PATH="$PATH" container=lab unshare --cgroup -- sh -c '
        mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
            exec setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-mac_admin,-mac_override /sbin/init
    ' </dev/null >/dev/null 3<&-
fi
await stay

# From here on a small init, without this script's arguments: it adopts and buries what sessions leave behind. The
# sleep keeps `wait` from returning.
exec env -i PATH="$PATH" sh -c 'while :; do sleep infinity & wait; done' </dev/null >/dev/null 2>&1
