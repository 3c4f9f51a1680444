//! What a deploy foresees and refuses: each danger set up for real on a host of its own, told before anything is touched,
//! and shown to be true where `--force` tries all the same.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::net::{IpAddr, SocketAddr, TcpListener};

use support::deploy::Run;
use support::deploy::Seen::{Open, Refused, Silent};
use support::lab::Lab;

/// A danger: a host's set-up (sh), what is deployed to it, what the refusal must say, and how a forced deploy ends.
struct Case {
    name: &'static str,
    setup: &'static str,
    variables: &'static str,
    says: &'static [&'static str],
    forced: &'static str,
}

/// sshd listens at the address that the controller knows, which is the second one of its interface.
const SECOND: &str = r#"
dev=$(ip -o -4 route show default | sed 's/.* dev \([^ ]*\).*/\1/')
via=$(ip -o -4 route show default | sed 's/.* via \([^ ]*\).*/\1/')
old=$(ip -o -4 addr show dev "$dev" | sed 's/.* inet \([^ ]*\).*/\1/')
new=${old%.*}.251/${old#*/}
ip addr del "$old" dev "$dev"
ip addr add "$new" dev "$dev"
ip addr add "$old" dev "$dev"
ip route replace default via "$via" src "${old%/*}"
echo "ListenAddress ${old%/*}" >>/etc/ssh/sshd_config
kill -HUP "$(cat /run/sshd.pid)"
"#;

const CASES: &[Case] = &[
    Case {
        name: "a drop before nat",
        setup: "iptables -t raw -A PREROUTING -p tcp --dport 2222 -j DROP",
        variables: "portmap: ['2222:22']",
        says: &["cut off from sshd", "-t raw -A PREROUTING", "--dport 2222 -j DROP"],
        forced: "rolled_back",
    },
    Case {
        name: "no tracking of the new way in",
        setup: "iptables -t raw -A PREROUTING -p tcp --dport 2222 -j CT --notrack",
        variables: "portmap: ['2222:22']",
        says: &["to port 2222 would not be redirected", "--notrack"],
        forced: "rolled_back",
    },
    Case {
        name: "no tracking of a mapped port",
        setup: "for t in iptables ip6tables; do $t -t raw -A PREROUTING -p tcp --dport 80 -j CT --notrack; done",
        variables: "portmap: ['80:8080']",
        says: &["80 → 8080 would not work", "not redirected", "--notrack"],
        forced: "rolled_back",
    },
    Case {
        name: "a target without sshd",
        setup: "",
        variables: "portmap: ['22:2223']",
        says: &["port 2223, where nothing listens", "22 → 2223 would take tcp port 22"],
        forced: "rolled_back",
    },
    Case {
        name: "a mapping for others",
        setup: "",
        variables: "portmap: [{port: 2222, to_port: 22, source: [203.0.113.0/24, 2001:db8::/32]}]",
        says: &["to port 2222 would not be redirected"],
        forced: "rolled_back",
    },
    Case {
        name: "a rule against mapped packets",
        setup: "for t in iptables ip6tables; do $t -I INPUT -p tcp -m conntrack --ctorigdstport 80 -j DROP; done",
        variables: "portmap: ['80:8080']",
        says: &["80 → 8080 would not work", "--ctorigdstport 80 -j DROP"],
        forced: "rolled_back",
    },
    Case {
        name: "an untracked target of udp",
        setup: "for t in iptables ip6tables; do $t -t raw -A PREROUTING -p udp --dport 53 -j CT --notrack; done",
        variables: "portmap: [{port: 5353, to_port: 53, protocol: udp}]",
        says: &["udp port 53 itself would stay open", "--notrack"],
        forced: "confirmed",
    },
    Case {
        name: "a way in by hand",
        setup: "iptables -t nat -A PREROUTING -p tcp --dport 2200 -j REDIRECT --to-ports 22",
        variables: "portmap: ['2222:22'], ansible_port: 2200",
        says: &["to port 2200 would be cut off from sshd", "PORTMAP-GUARD"],
        forced: "rolled_back",
    },
    Case {
        name: "sshd at a second address",
        setup: SECOND,
        variables: "portmap: ['2222:22']",
        says: &["where sshd does not listen"],
        forced: "rolled_back",
    },
    Case {
        name: "a live service",
        setup: "",
        variables: "portmap: ['81:8080']",
        says: &["81 → 8080 would take tcp port 81"],
        forced: "confirmed",
    },
    Case {
        name: "a published port of a container",
        setup: "iptables -t nat -N DOCKER
            iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
            iptables -t nat -A DOCKER ! -i docker0 -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80",
        variables: "portmap: ['80:8080']",
        says: &[
            "80 → 8080 would take tcp port 80 from what it is sent on to",
            "-j DNAT --to-destination 172.17.0.2:80",
        ],
        forced: "confirmed",
    },
    Case {
        name: "without ip6tables",
        setup: "rm /usr/sbin/ip6tables*",
        variables: "portmap: ['2222:22']",
        says: &["tcp port 22 would stay open over IPv6"],
        forced: "confirmed",
    },
    Case {
        name: "a service at a second address",
        setup: "dev=$(ip -o -4 route show default | sed 's/.* dev \\([^ ]*\\).*/\\1/')
            old=$(ip -o -4 addr show dev \"$dev\" | sed 's/.* inet \\([^ ]*\\).*/\\1/')
            ip addr add \"${old%.*}.252/${old#*/}\" dev \"$dev\"",
        variables: "portmap: ['80:8082']",
        says: &["80 → 8082 leads to", "but the service listens at"],
        forced: "confirmed",
    },
];

/// The address that the last case has added.
fn second(first: IpAddr) -> IpAddr {
    match first {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            [a, b, c, 252].into()
        }
        IpAddr::V6(_) => first,
    }
}

/// All that a deploy could have changed on a host.
fn everything(lab: &Lab, host: &str) -> String {
    // Not every host has all of these.
    let saved = lab.run(
        host,
        "for t in iptables ip6tables iptables-nft ip6tables-nft; do ! command -v $t-save >/dev/null || $t-save; done | \
         sed -e '/^#/d' -e 's/ \\[[0-9]*:[0-9]*\\]$//'; nft list tables",
    );
    format!("{saved}\n{}", lab.files(host))
}

struct Rig {
    lab: Lab,
    /// What was on each host before.
    before: Vec<String>,
}

impl Rig {
    fn up(backend: &str) -> Self {
        let lab = Lab::up(CASES.len(), backend);
        for (host, case) in lab.hosts().iter().zip(CASES) {
            lab.run(host, &format!("set -e; {}", case.setup));
        }
        let before = lab.hosts().iter().map(|host| everything(&lab, host)).collect();
        Self { lab, before }
    }

    fn host(&self, name: &str) -> &str {
        let at = CASES.iter().position(|case| case.name == name).unwrap();
        self.lab.hosts()[at]
    }

    fn deploys(&self, args: &[&str]) -> Run {
        let variables = CASES
            .iter()
            .map(|case| format!("{}, portmap_rollback_after: 12", case.variables));
        let variables: Vec<_> = variables.collect();
        let hosts: Vec<_> = self
            .lab
            .hosts()
            .into_iter()
            .zip(variables.iter().map(String::as_str))
            .collect();
        self.lab.deploy_to(&hosts, args)
    }

    /// Each is refused with its reason, and nothing whatsoever is another on its host.
    fn expect_refusals(&self) {
        let run = self.deploys(&[]);
        assert_eq!(run.code, Some(2), "{}", run.said());
        for ((host, case), before) in self.lab.hosts().iter().zip(CASES).zip(&self.before) {
            assert_eq!(run.state(host), "refused", "{}: {}", case.name, run.said());
            for words in case.says {
                assert!(
                    run.reason(host).contains(words),
                    "{}: no {words:?}: {}",
                    case.name,
                    run.reason(host)
                );
            }
            let hint = run.host(host)["hint"].as_str().unwrap_or_default();
            assert!(hint.contains("--force"), "{}: {hint}", case.name);
            assert_eq!(everything(&self.lab, host), *before, "{}", case.name);
            assert_eq!(run.host(host)["connections"], 1, "{}", run.said());
        }
    }

    /// Each is tried with the timer armed; what was foreseen comes true.
    fn expect_truth(&self) {
        let run = self.deploys(&["--force"]);
        for (host, case) in self.lab.hosts().iter().zip(CASES) {
            assert_eq!(run.state(host), case.forced, "{}: {}", case.name, run.said());
            assert!(
                run.warnings(host).contains("overridden by --force"),
                "{}: {}",
                case.name,
                run.said()
            );
            if case.forced == "rolled_back" {
                assert_eq!(self.lab.our_rules_if_any(host), "", "{}", case.name);
                let port = if case.variables.contains("ansible_port: 2200") {
                    2200
                } else {
                    22
                };
                assert!(self.lab.first_line(host, 4, port).starts_with("SSH-"), "{}", case.name);
            }
        }
        self.expect_what_was_lost();
    }

    /// What was confirmed all the same is as bad as it was said.
    fn expect_what_was_lost(&self) {
        let (lab, live) = (&self.lab, self.host("a live service"));
        assert_eq!(lab.first_line(live, 4, 81), "new");
        assert_eq!(
            lab.first_line(self.host("a published port of a container"), 4, 80),
            "new"
        );
        let open = self.host("without ip6tables");
        assert_eq!((lab.connects(open, 4, 22), lab.connects(open, 6, 22)), (Silent, Open));
        assert_eq!(lab.datagram(self.host("an untracked target of udp"), 4, 53), Open);
        let elsewhere = self.host("a service at a second address");
        let to = SocketAddr::new(second(lab.address(elsewhere, 4)), 80);
        assert_eq!(lab.connects_to(to), Refused);
    }
}

trait Ours {
    fn our_rules_if_any(&self, host: &str) -> String;
}

impl Ours for Lab {
    /// Also where a tool is missing.
    fn our_rules_if_any(&self, host: &str) -> String {
        self.run(
            host,
            "for t in iptables ip6tables; do ! command -v $t-save >/dev/null || $t-save; done | grep PORTMAP- || :",
        )
    }
}

fn dangers_are_foreseen_and_true(backend: &str) {
    let rig = Rig::up(backend);
    let lab = &rig.lab;
    let web = |name: &str| lab.serve(rig.host(name), 8080, "new");
    let _services = [
        web("no tracking of a mapped port"),
        web("a rule against mapped packets"),
        web("a live service"),
        web("a published port of a container"),
        lab.serve(rig.host("a live service"), 81, "old"),
        lab.serve_udp(rig.host("an untracked target of udp"), 53),
    ];
    let elsewhere = rig.host("a service at a second address");
    let bound = SocketAddr::new(second(lab.address(elsewhere, 4)), 8082);
    let _bound = lab.inside(elsewhere, || TcpListener::bind(bound).unwrap());
    assert_eq!(lab.connects_to(bound), Open);
    assert_eq!(lab.first_line(rig.host("a live service"), 4, 81), "old");

    rig.expect_refusals();
    assert_eq!(lab.first_line(rig.host("a live service"), 4, 81), "old");
    rig.expect_truth();
}

/// The other backend's rules are in force as well, and neither tool shows them.
fn rules_in_both_backends_do_what_was_feared(backend: &str) {
    let lab = Lab::up(1, backend);
    let other = if backend == "nft" { "legacy" } else { "nft" };
    lab.run(
        "host1",
        &format!(
            "iptables -A INPUT -p tcp --dport 9 -j DROP
             iptables-{other} -A INPUT -p tcp -m conntrack --ctorigdstport 2222 -j DROP"
        ),
    );
    let run = lab.deploys("portmap: ['2222:22']");
    run.expect("host1", "refused");
    assert!(run.reason("host1").contains("rules are in both"), "{}", run.said());
    assert_eq!(lab.files("host1"), "");
    let forced = lab.deploy_to(
        &[("host1", "portmap: ['2222:22'], portmap_rollback_after: 9")],
        &["--force"],
    );
    forced.expect("host1", "rolled_back");
    assert!(
        forced
            .warnings("host1")
            .contains("overridden by --force: rules are in both"),
        "{}",
        forced.said()
    );
    assert_eq!(lab.our_rules("host1"), "");
    lab.expect_tcp("host1", 22, Open);
}

/// A jail that looks for the port before nat bans nobody; that is said, and no reason to refuse.
fn a_jail_on_the_mapped_port_bans_nobody(backend: &str) {
    let lab = Lab::up(1, backend);
    let banned = lab.second_address(4);
    lab.run(
        "host1",
        &format!(
            "iptables -N f2b-sshd
             iptables -A f2b-sshd -s {banned} -j DROP
             iptables -A f2b-sshd -j RETURN
             iptables -I INPUT -p tcp -m multiport --dports 2222 -j f2b-sshd"
        ),
    );
    let run = lab.deploys("portmap: ['2222:22']");
    run.expect("host1", "confirmed");
    let warned = run.warnings("host1");
    assert!(
        warned.contains("jail sshd bans port 2222")
            && warned.contains("[sshd]: port = 22")
            && warned.contains("--dports 2222 -j f2b-sshd"),
        "{warned}"
    );
    assert_eq!(lab.connects_from(banned, "host1", 2222), Open);
    lab.run("host1", "iptables -I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd");
    assert_eq!(lab.connects_from(banned, "host1", 2222), Silent, "the remedy is none");
}

/// What is not modelled is not guessed: the change is tried, and the timer relied on.
fn what_is_not_known_of_the_way_in_is_said(backend: &str) {
    let lab = Lab::up(2, backend);
    let hosts = lab.hosts();
    for (host, port) in hosts.iter().zip([9, 2222]) {
        lab.run(
            host,
            &format!("iptables -t raw -A PREROUTING -p tcp --dport {port} -m u32 --u32 '0>>28=4' -j DROP"),
        );
    }
    let all: Vec<_> = hosts
        .iter()
        .map(|host| (*host, "portmap: ['2222:22'], portmap_rollback_after: 9"))
        .collect();
    let run = lab.deploy_to(&all, &[]);
    assert_eq!(run.state("host1"), "confirmed", "{}", run.said());
    assert!(!run.warnings("host1").contains("not known"), "{}", run.said());
    assert_eq!(run.state("host2"), "rolled_back", "{}", run.said());
    let warned = run.warnings("host2");
    assert!(warned.contains("is not known") && warned.contains("u32"), "{warned}");
}

on_both_backends!(
    dangers_are_foreseen_and_true,
    rules_in_both_backends_do_what_was_feared,
    a_jail_on_the_mapped_port_bans_nobody,
    what_is_not_known_of_the_way_in_is_said,
);
