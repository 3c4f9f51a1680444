//! Kernels that lack the match that marks our probes: our source address tells them from others' packets.

use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(probes_are_told_by_their_source);

/// Refuses the match as a kernel without its module does, which need not name it.
const NO_TCPMSS: &str = r#"
for tool in iptables ip6tables; do
cat >/usr/local/sbin/$tool-restore <<SH
#!/bin/sh
input=\$(cat)
case \$input in *tcpmss*)
    echo "$tool-restore: line 9 failed" >&2
    exit 1 ;;
esac
printf '%s\n' "\$input" | exec /usr/sbin/$tool-restore "\$@"
SH
done
chmod 755 /usr/local/sbin/*-restore
"#;

fn probes_are_told_by_their_source(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.run("host1", NO_TCPMSS);
    lab.deploys("portmap: ['2222:22', '80:8080']")
        .expect("host1", "confirmed")
        .expect_mappings("host1", "2222", "open", "closed")
        .expect_mappings("host1", "80", "refused", "closed");
    let rules = lab.our_rules("host1");
    assert!(
        rules.contains("PORTMAP-GUARD") && !rules.contains("-s "),
        "a probe's rule stayed:\n{rules}"
    );
}
