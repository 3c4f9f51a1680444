#!/bin/sh
# Makes the system of booted lab hosts, in mount and PID namespaces of its own. All in the environment: LAB_TREE (an empty
# directory), LAB_PACKAGES (words), and either LAB_SUITE, LAB_MIRROR and LAB_COMPONENTS to make one from nothing, or LAB_BASE,
# a tree that the packages are added to, installed and not enabled.
set -eu
umask 022

# deb-policy: 101 is "forbidden by policy". Nothing is started while it is installed.
forbid_starts() { printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d && chmod 755 usr/sbin/policy-rc.d; }

enabled() { find etc/systemd/system -type l -path '*.wants/*' | sort; }

bootstrap() {
    debootstrap --variant=minbase --components="$LAB_COMPONENTS" --include="$(printf %s "$LAB_PACKAGES" | tr ' ' ,)" \
        "$LAB_SUITE" "$LAB_TREE" "$LAB_MIRROR"
}

in_tree() { chroot . env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }

add() {
    cp -a --reflink=auto "$LAB_BASE/." "$LAB_TREE"
    cd "$LAB_TREE"
    before=$(enabled)
    mount -t proc proc proc
    forbid_starts
    cat /etc/resolv.conf >etc/resolv.conf
    set -- "http_proxy=${http_proxy-}" "https_proxy=${https_proxy-}" apt-get -q -o APT::Sandbox::User=root
    in_tree "$@" update
    # shellcheck disable=SC2086 # a list of words
    in_tree "$@" -y --no-install-recommends install $LAB_PACKAGES
    enabled | while read -r link; do
        case "
$before
" in *"
$link
"*) ;; *) rm -f "$link" ;; esac
    done
    umount proc
}

if [ -n "${LAB_BASE-}" ]; then add; else bootstrap; fi
cd "$LAB_TREE"
rm -rf usr/sbin/policy-rc.d var/cache/apt/archives/*.deb var/lib/apt/lists/* var/cache/debconf/*-old etc/ssh/ssh_host_*
: >etc/machine-id
