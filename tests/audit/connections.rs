//! The three configurations of the truth table on hosts of every shape: the verdict is what connections do.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use portmap_deploy::firewall::audit::{Rules, Subject, Verdict, Way, audit};
use portmap_deploy::firewall::trace::Host;
use portmap_deploy::firewall::{Family, Ruleset};

use crate::say;
use crate::support::lab::Lab;

const PATIENCE: Duration = Duration::from_millis(400);

/// What lets connections in, beside the redirect: right, and wrong in the two ways of the truth table.
const ACCEPTS: [(&str, &str); 3] = [
    ("right", "-p tcp --dport 22 -m conntrack --ctorigdstport 2222 -j ACCEPT"),
    ("neither", "-p tcp --dport 2222 -j ACCEPT"),
    ("both", "-p tcp --dport 22 -j ACCEPT"),
];

const BARE: &str = r#"
for tool in iptables ip6tables; do
    for table in raw mangle nat filter; do
        case $table in
        raw) chains='PREROUTING OUTPUT' ;;
        mangle) chains='PREROUTING INPUT FORWARD OUTPUT POSTROUTING' ;;
        nat) chains='PREROUTING INPUT OUTPUT POSTROUTING' ;;
        *) chains='INPUT FORWARD OUTPUT' ;;
        esac
        echo "*$table"
        for chain in $chains; do echo ":$chain ACCEPT [0:0]"; done
        echo COMMIT
    done | $tool-restore || exit
done
"#;

/// One host to be made and looked at.
struct Case {
    shape: String,
    v4: String,
    v6: String,
    accept: &'static str,
    what: &'static str,
    command: &'static str,
    policy: &'static str,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/rulesets");
    let mut shapes: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter_map(|name| Some(name.strip_suffix(".v4")?.to_owned()))
        .collect();
    shapes.sort();
    let mut cases = Vec::new();
    for shape in shapes {
        let text = |family: &str| fs::read_to_string(folder.join(format!("{shape}.{family}"))).unwrap();
        for (what, accept) in ACCEPTS {
            for command in ["-I", "-A"] {
                for policy in ["DROP", "ACCEPT"] {
                    cases.push(Case {
                        shape: shape.clone(),
                        v4: text("v4"),
                        v6: text("v6"),
                        accept,
                        what,
                        command,
                        policy,
                    });
                }
            }
        }
    }
    cases
}

impl Case {
    fn name(&self) -> String {
        format!("{} {} {} {}", self.shape, self.what, self.command, self.policy)
    }

    fn make(&self, lab: &Lab) {
        let each = |tool: &str, rules: &str| {
            format!(
                "{tool}-restore <<'RULES'\n{rules}\nRULES\n{tool} -P INPUT {policy}\n\
                 {tool} -t nat {command} PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\n\
                 {tool} {command} INPUT {accept}\n",
                policy = self.policy,
                command = self.command,
                accept = self.accept,
            )
        };
        // Neighbours must be found whatever the policy.
        let neighbours =
            "ip6tables -t mangle -A PREROUTING -p ipv6-icmp -j ACCEPT; ip6tables -I INPUT -p ipv6-icmp -j ACCEPT\n";
        lab.run(
            "host1",
            &format!(
                "{BARE}\n{}{}{neighbours}",
                each("iptables", &self.v4),
                each("ip6tables", &self.v6)
            ),
        );
    }
}

fn host(lab: &Lab) -> Host {
    let net = |family: u8| IpNet::from(lab.address("host1", family));
    Host {
        interfaces: vec![("eth0".to_owned(), vec![net(4), net(6)])],
        default_interface: Some("eth0".to_owned()),
        ..Host::default()
    }
}

/// Whether mapped and direct connections come about.
fn connects(lab: &Lab, family: u8) -> (bool, bool) {
    let to = |port| SocketAddr::new(lab.address("host1", family), port);
    lab.within(|| {
        std::thread::scope(|scope| {
            let both =
                [2222, 22].map(|port| scope.spawn(move || TcpStream::connect_timeout(&to(port), PATIENCE).is_ok()));
            let [mapped, direct] = both.map(|one| one.join().unwrap());
            (mapped, direct)
        })
    })
}

/// What the audit says of the redirect that was made: what the operator's own packets come to.
fn said(lab: &Lab, host: &Host, family: u8) -> (Way, Way, Verdict, Option<String>) {
    let (tool, of) = if family == 4 {
        ("iptables", Family::V4)
    } else {
        ("ip6tables", Family::V6)
    };
    let ruleset = Ruleset::parse(&lab.run("host1", &format!("{tool}-save"))).unwrap();
    let here = lab.within(|| {
        let to = SocketAddr::new(lab.address("host1", family), 9);
        let any = if family == 4 { "0.0.0.0:0" } else { "[::]:0" };
        let socket = std::net::UdpSocket::bind(any).unwrap();
        socket.connect(to).unwrap();
        socket.local_addr().unwrap().ip()
    });
    let report = audit(&Subject {
        families: &[Rules {
            family: of,
            ruleset: &ruleset,
            text: None,
        }],
        host,
        operator: Some(here),
        outside: None,
    });
    let ours = |judged: &&portmap_deploy::firewall::audit::Judged| {
        judged.to_port == Some(22) && judged.port.is_some_and(|span| span.contains(2222))
    };
    let judged = report.redirects.iter().find(ours).unwrap();
    let (mapped, direct) = judged.operator.unwrap_or((judged.mapped, judged.direct));
    (mapped, direct, judged.verdict, judged.reason.clone())
}

/// Where the audit is wrong about a host that is made.
fn fault(lab: &Lab, host: &Host, family: u8) -> Option<String> {
    let (mapped, direct, verdict, reason) = said(lab, host, family);
    let seen = connects(lab, family);
    let told = [mapped, direct].map(|way| match way {
        Way::Open => Some(true),
        Way::Closed | Way::Some => Some(false),
        Way::Unknown => None,
    });
    (told != [Some(seen.0), Some(seen.1)])
        .then(|| format!("IPv{family}: said {mapped:?}, {direct:?} ({verdict:?}, {reason:?}), seen {seen:?}"))
}

fn on(backend: &str, first: usize) {
    let lab = Lab::up(1, backend);
    let host = host(&lab);
    let (mut compared, mut wrong) = (0, Vec::new());
    // Each kind of host has its turn on one of the backends; with this in the environment on both.
    let all = std::env::var_os("PORTMAP_ALL_DUMPS").is_some();
    let mine = |(index, case): (usize, Case)| (all || (index + index / 4) % 2 == first).then_some(case);
    for case in cases().into_iter().enumerate().filter_map(mine) {
        case.make(&lab);
        for family in [4, 6] {
            compared += 1;
            wrong.extend(fault(&lab, &host, family).map(|fault| format!("{} {fault}", case.name())));
        }
    }
    say(&format!(
        "{backend}: {compared} hosts audited and connected to, {} wrong",
        wrong.len()
    ));
    assert!(compared > 100);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn verdicts_are_what_connections_do_nft() {
    on("nft", 0);
}

#[test]
fn verdicts_are_what_connections_do_legacy() {
    on("legacy", 1);
}

/// The three configurations merged into rule sets of real hosts.
#[test]
fn verdicts_of_seeds_are_what_connections_do() {
    let Some(seeds) = super::seeds::texts("seeds") else {
        say("SKIPPED: seeds of the truth table on the kernel: they do not lie beside the checkout");
        return;
    };
    let lab = Lab::up(1, "nft");
    let host = host(&lab);
    let (mut compared, mut wrong) = (0, Vec::new());
    // Those redirect another port.
    for (name, (family, text)) in seeds.iter().filter(|(name, _)| !name.contains("-8080-")) {
        let (tool, family) = if *family == Family::V4 {
            ("iptables", 4)
        } else {
            ("ip6tables", 6)
        };
        lab.run("host1", BARE);
        let neighbours = "ip6tables -I INPUT -p ipv6-icmp -j ACCEPT";
        let loaded = lab.exec(
            "host1",
            &format!("{tool}-restore <<'RULES'\n{text}\nRULES\n{neighbours}"),
        );
        if !loaded.status.success() {
            say(&format!("  {name} does not load here"));
            continue;
        }
        compared += 1;
        wrong.extend(fault(&lab, &host, family).map(|fault| format!("{name} {fault}")));
    }
    say(&format!(
        "{compared} seeds audited and connected to, {} wrong",
        wrong.len()
    ));
    assert!(compared > 50);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
