//! Whether anybody gets in without our accept.

use super::*;

fn lets_in(policy: &str, chains: &str, rules: &str) -> bool {
    let mut view = view(chains, rules);
    view.ruleset.tables[0].chains[0].policy = Some(policy.to_owned());
    view.lets_in_without_us(22)
}

#[test]
fn rules_that_let_nobody_in() {
    for (policy, chains, rules) in [
        ("DROP", "", ""),
        (
            "DROP",
            "",
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -i lo -j ACCEPT",
        ),
        (
            "DROP",
            "",
            "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n-A INPUT -p udp -j ACCEPT\n-A INPUT -j LOG",
        ),
        ("DROP", "", "-A INPUT -j RETURN\n-A INPUT -j ACCEPT"),
        (
            "ACCEPT",
            "",
            "-A INPUT -p tcp -j DROP\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
        ),
        (
            "ACCEPT",
            "",
            "-A INPUT -s 192.0.2.9/32 -j DROP\n-A INPUT -j REJECT --reject-with icmp-port-unreachable",
        ),
        (
            "ACCEPT",
            "RH A",
            "-A INPUT -j RH\n-A RH -p tcp -m tcp --dport 80 -j ACCEPT\n-A RH -j A\n-A RH -j REJECT --reject-with icmp-host-prohibited\n-A A -j RETURN",
        ),
        (
            "DROP",
            "A B",
            "-A INPUT -j A\n-A A -j B\n-A B -j A\n-A B -p tcp -m tcp --dport 23 -j ACCEPT",
        ),
        (
            "DROP",
            "PORTMAP-ACCEPT",
            "-A INPUT -m comment --comment portmap-deploy-000001 -j PORTMAP-ACCEPT\n-A PORTMAP-ACCEPT -j ACCEPT",
        ),
    ] {
        assert!(!lets_in(policy, chains, rules), "{policy} {chains}\n{rules}");
    }
}

#[test]
fn rules_that_let_some_in_or_may() {
    for (policy, chains, rules) in [
        ("ACCEPT", "", ""),
        ("ACCEPT", "", "-A INPUT -s 10.0.0.0/8 -j DROP"),
        ("ACCEPT", "", "-A INPUT -j RETURN\n-A INPUT -j DROP"),
        ("DROP", "", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"),
        (
            "DROP",
            "",
            "-A INPUT -s 198.51.100.0/24 -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -j DROP",
        ),
        ("DROP", "", "-A INPUT -m set --match-set admins src -j ACCEPT"),
        ("DROP", "", "-A INPUT -j NFQUEUE --queue-num 0"),
        (
            "DROP",
            "A B",
            "-A INPUT -p tcp -g A\n-A A -j B\n-A B -p tcp -m tcp --dport 22 -j ACCEPT",
        ),
    ] {
        assert!(lets_in(policy, chains, rules), "{policy} {chains}\n{rules}");
    }
}

/// Doubling at each of a hundred chains, it would never end.
#[test]
fn chains_of_chains_take_no_time() {
    let names: Vec<_> = (0..100).map(|number| format!("C{number}")).collect();
    let rule = |number: usize| {
        let next = number + 1;
        format!("-A C{number} -j C{next}\n-A C{number} -g C{next}")
    };
    let rules: Vec<_> = (0..99).map(rule).collect();
    assert!(!lets_in(
        "DROP",
        &names.join(" "),
        &format!("-A INPUT -j C0\n{}", rules.join("\n"))
    ));
}
