//! Hosts that lack IPv6, or a part of it: the rest is managed, and what is missing is said.

use super::support::deploy::Run;
use super::support::deploy::Seen::{Open, Silent};
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    without_ip6tables,
    with_ipv6_disabled,
    without_an_ipv6_nat_table,
    with_ip6tables_that_load_nothing
);

const MAPPINGS: &str = "portmap: ['2222:22']";

fn works_over_ipv4(lab: &Lab) {
    assert!(lab.first_line("host1", 4, 2222).starts_with("SSH-"));
    assert_eq!(lab.connects("host1", 4, 22), Silent);
}

#[track_caller]
fn expect_warning(run: &Run, words: &str) {
    assert!(run.warnings("host1").contains(words), "{}", run.said());
}

fn without_ip6tables(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.run("host1", "rm /usr/sbin/ip6tables*; ! command -v ip6tables");
    let refused = lab.deploys(MAPPINGS);
    refused.expect("host1", "refused");
    assert!(
        refused.reason("host1").contains("stay open over IPv6"),
        "{}",
        refused.said()
    );
    let run = lab.deploy_to(&[("host1", MAPPINGS)], &["--force"]);
    run.expect("host1", "confirmed")
        .expect_mapping("host1", 4, "2222", "open", "closed")
        .expect_no_proof("host1", 6);
    expect_warning(&run, "no ip6tables");
    works_over_ipv4(&lab);
    assert_eq!(
        lab.connects("host1", 6, 22),
        Open,
        "nothing can close it, which is what the warning says"
    );
    let again = lab.deploys(MAPPINGS);
    again.expect("host1", "unchanged").expect_logins("host1", 1);
    expect_warning(&again, "no ip6tables");
}

fn with_ipv6_disabled(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.run(
        "host1",
        "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ! grep -q . /proc/net/if_inet6",
    );
    let run = lab.deploys(MAPPINGS);
    run.expect("host1", "confirmed")
        .expect_mapping("host1", 4, "2222", "open", "closed");
    run.expect_mapping("host1", 6, "2222", "unverified", "unverified");
    assert!(
        run.mapping_reason("host1", 6, "2222").contains("no IPv6 address"),
        "{}",
        run.said()
    );
    works_over_ipv4(&lab);
    lab.deploys(MAPPINGS)
        .expect("host1", "unchanged")
        .expect_logins("host1", 1);
}

/// What the tools say on a kernel without `ip6table_nat`: tables before it are committed, it fails.
const NO_NAT: &str = r#"
cat >/usr/local/sbin/ip6tables-restore <<'SH'
#!/bin/sh
input=$(cat)
case $input in
*'*nat'*)
    before=$(printf '%s\n' "$input" | sed '/^\*nat/,$d')
    [ -z "$before" ] || printf '%s\n' "$before" | /usr/sbin/ip6tables-restore "$@" || exit
    echo "ip6tables-restore v1.8.9 (legacy): ip6tables-restore: unable to initialize table 'nat'" >&2
    echo "Error occurred at line: 1" >&2
    exit 1 ;;
esac
printf '%s\n' "$input" | exec /usr/sbin/ip6tables-restore "$@"
SH
for tool in ip6tables ip6tables-save; do
cat >/usr/local/sbin/$tool <<SH
#!/bin/sh
case " \$* " in *' -t nat '*)
    echo "$tool: can't initialize ip6tables table 'nat': Table does not exist (do you need to insmod?)" >&2
    exit 3 ;;
esac
exec /usr/sbin/$tool "\$@"
SH
done
chmod 755 /usr/local/sbin/ip6tables*
! ip6tables -t nat -S 2>/dev/null
! printf '*nat\nCOMMIT\n' | ip6tables-restore 2>/dev/null
"#;

fn without_an_ipv6_nat_table(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.run("host1", NO_NAT);
    let run = lab.deploys(MAPPINGS);
    run.expect("host1", "confirmed")
        .expect_mapping("host1", 4, "2222", "open", "closed");
    expect_warning(&run, "nat");
    works_over_ipv4(&lab);
    assert_eq!(lab.connects("host1", 6, 22), Silent, "the guard needs no nat table");
    let files = lab.files("host1");
    let again = lab.deploys(MAPPINGS);
    again.expect("host1", "unchanged").expect_logins("host1", 1);
    expect_warning(&again, "nat");
    assert_eq!(lab.files("host1"), files, "it was tried again");
}

fn with_ip6tables_that_load_nothing(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.run(
        "host1",
        "printf '#!/bin/sh\\necho no such luck >&2\\nexit 1\\n' >/usr/local/sbin/ip6tables-restore; \
         chmod 755 /usr/local/sbin/ip6tables-restore",
    );
    let run = lab.deploys(MAPPINGS);
    run.expect("host1", "failed");
    assert!(run.reason("host1").contains("no such luck"), "{}", run.said());
    assert_eq!(lab.our_rules("host1"), "");
    assert_eq!(lab.files("host1").matches("gen-").count(), 0);
    lab.expect_tcp("host1", 22, Open);
}
