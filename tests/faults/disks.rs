//! Hosts whose disks take nothing, or not enough: nothing is changed, and the report says where.

use crate::support::lab::Lab;
use crate::support::run::{FOREIGN, deploy, on_all, rules, run, runs_as_before, runs_the_mapping};

/// How a disk is broken, what the report names, and how it is mended.
const DISKS: [(&str, &str, &str); 7] = [
    (
        "mount -t tmpfs -o ro none /var/lib",
        "/var/lib/portmap-deploy",
        "umount /var/lib",
    ),
    (
        "mount -t tmpfs -o size=4k none /var/lib; head -c 4096 /dev/zero >/var/lib/full",
        "/var/lib/portmap-deploy",
        "umount /var/lib",
    ),
    (
        "mount -t tmpfs -o nr_inodes=4 none /var/lib",
        "/var/lib/portmap-deploy",
        "umount /var/lib",
    ),
    (
        "mount -t tmpfs -o size=16k none /var/lib",
        "/var/lib/portmap-deploy",
        "umount /var/lib",
    ),
    (
        "mkdir /run/portmap-deploy; mount -t tmpfs -o ro none /run/portmap-deploy",
        "/run/portmap-deploy",
        "umount /run/portmap-deploy; rmdir /run/portmap-deploy",
    ),
    (
        "mkdir /run/portmap-deploy; mount -t tmpfs -o size=12k none /run/portmap-deploy",
        "/run/portmap-deploy",
        "umount /run/portmap-deploy; rmdir /run/portmap-deploy",
    ),
    (
        "mkdir /run/portmap-deploy; mount -t tmpfs -o nr_inodes=9 none /run/portmap-deploy",
        "/run/portmap-deploy",
        "umount /run/portmap-deploy; rmdir /run/portmap-deploy",
    ),
];

#[test]
fn a_host_that_cannot_be_written_to_is_not_changed() {
    let lab = Lab::up(DISKS.len(), "mixed");
    let old = on_all(&lab, |host, index| {
        let (breaks, ..) = DISKS[index];
        lab.run(host, &format!("set -e; {FOREIGN}; {breaks}"));
        rules(&lab, host)
    });
    let ended = run(deploy(&lab, r#"["2222:22"]"#, &[]));
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    on_all(&lab, |host, index| {
        let (breaks, names, mended) = DISKS[index];
        assert_eq!(ended.state(host), "failed", "{breaks}: {ended:#?}");
        let reason = ended.reason(host);
        assert!(
            reason.contains("cannot write") && reason.contains(names),
            "{breaks}: {reason}"
        );
        runs_as_before(&lab, host, &old[index]);
        lab.run(host, mended);
    });
    let ended = run(deploy(&lab, r#"["2222:22"]"#, &[]));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    on_all(&lab, |host, _| runs_the_mapping(&lab, host));
}
