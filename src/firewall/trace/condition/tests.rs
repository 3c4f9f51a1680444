//! Each match with packets that it holds for, that it does not hold for, turned round, and where it is not told.

use super::*;

/// A SYN from 192.0.2.10:40000 to 198.51.100.5:22 by eth0, redirected from 2222; or the like over IPv6.
fn facts(family: Family) -> Facts {
    let address = |v4: &str, v6: &str| if family == Family::V4 { v4.parse() } else { v6.parse() };
    let source = address("192.0.2.10", "2001:db8::10").ok();
    let destination = address("198.51.100.5", "2001:db8:1::5").ok();
    Facts {
        family,
        protocol: Some(protocol::TCP),
        source,
        destination,
        to_us: None,
        source_port: Some(40000),
        destination_port: Some(22),
        in_interface: Some("eth0".to_owned()),
        out_interface: Some(String::new()),
        table: "filter",
        hook: "INPUT",
        state: State::New,
        original_destination: destination,
        original_destination_port: Some(2222),
        original_source: source,
        original_source_port: Some(40000),
        dnat: true,
        snat: false,
        mark: Some(0x11),
        connmark: Some(0x20),
        changed_sets: Vec::new(),
    }
}

/// A packet of which nothing is told.
fn blank() -> Facts {
    Facts {
        protocol: None,
        source: None,
        destination: None,
        source_port: None,
        destination_port: None,
        in_interface: None,
        out_interface: None,
        original_destination: None,
        original_destination_port: None,
        original_source: None,
        original_source_port: None,
        mark: None,
        connmark: None,
        ..facts(Family::V4)
    }
}

/// `yes`, `no`, `maybe` or `unknown`.
fn answer(spec: &str, facts: &Facts, host: &Host) -> &'static str {
    let rule = Rule::from_spec(spec).unwrap_or_else(|| panic!("cannot be read: {spec}"));
    let conditions = Condition::of(&rule, facts.family);
    let all = conditions
        .iter()
        .fold(Holds::Yes, |sum, one| sum.and(one.holds(facts, host)));
    match all {
        Holds::Yes => "yes",
        Holds::No => "no",
        Holds::Maybe(_) => "maybe",
        Holds::Unknown(_) => "unknown",
    }
}

/// Lines of `spec => answer`.
#[track_caller]
fn table(facts: &Facts, host: &Host, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (spec, expected) = line.split_once(" => ").unwrap_or_else(|| panic!("no answer: {line}"));
        assert_eq!(answer(spec, facts, host), expected, "{spec}\n{facts:?}");
    }
}

/// For the packet of [`facts`] over IPv4, on a host of which nothing is told.
#[track_caller]
fn v4(lines: &str) {
    table(&facts(Family::V4), &Host::default(), lines);
}

#[test]
fn protocols() {
    v4("-p tcp => yes
        -p 6 => yes
        -p udp => no
        ! -p udp => yes
        ! -p tcp => no
        -p all => yes
        -p 47 => no
        -p gre => no
        -p nonsense => unknown");
    table(
        &blank(),
        &Host::default(),
        "-p tcp => maybe\n! -p tcp => maybe\n-p all => yes",
    );
}

#[test]
fn addresses() {
    v4("-s 192.0.2.10 => yes
        -s 192.0.2.0/24 => yes
        -s 192.0.3.0/24 => no
        ! -s 192.0.3.0/24 => yes
        ! -s 192.0.2.0/24 => no
        -d 198.51.100.0/255.255.255.0 => yes
        -d 0.0.0.5/0.0.0.255 => yes
        -d 0.0.0.6/0.0.0.255 => no
        ! -d 0.0.0.5/0.0.0.255 => no
        -d 10.0.0.1,198.51.100.5 => yes
        -s 0.0.0.0/0 => yes
        ! -s 0.0.0.0/0 => no
        -s host.example => unknown");
    table(
        &facts(Family::V6),
        &Host::default(),
        "-s 2001:db8::/64 => yes
         -s 2001:db8::10/ffff:ffff::ffff => yes
         -s 2001:db8::11/ffff:ffff::ffff => no
         ! -d 2001:db8:1::5 => no",
    );
    table(
        &blank(),
        &Host::default(),
        "-s 192.0.2.0/24 => maybe\n! -d 1.2.3.4 => maybe\n-s 0.0.0.0/0 => yes",
    );
}

#[test]
fn interfaces() {
    v4("-i eth0 => yes
        -i eth+ => yes
        -i eth => no
        -i eth1 => no
        -i + => yes
        ! -i + => no
        ! -i eth1 => yes
        ! -i eth+ => no
        -o eth0 => no
        ! -o eth0 => yes");
    table(
        &blank(),
        &Host::default(),
        "-i eth0 => maybe\n-i lo => no\n! -i lo => yes\n-i lo+ => maybe\n! -i eth0 => maybe\n-o eth0 => maybe",
    );
}

#[test]
fn ports() {
    v4("-p tcp --dport 22 => yes
        -p tcp --dport ssh => yes
        -p tcp --dport 23 => no
        -p tcp ! --dport 23 => yes
        -p tcp ! --dport ssh => no
        -p tcp --dport :1024 => yes
        -p tcp --sport 1024: => yes
        -p tcp --sport 1024:2048 => no
        -p tcp --dport nonsense => unknown
        -p udp --dport nonsense => no
        -p tcp -m multiport --dports 21,22:23 => yes
        -p tcp -m multiport --dports http,https => no
        -p tcp -m multiport --dports ssh,https => yes
        -p tcp -m multiport ! --dports 80,443 => yes
        -p tcp -m multiport --sports 39999:40001 => yes
        -p tcp -m multiport --ports 40000 => yes
        -p tcp -m multiport --ports 22 => yes
        -p tcp -m multiport ! --ports 22 => no
        -p tcp -m multiport --ports 23 => no");
    table(
        &blank(),
        &Host::default(),
        "-m multiport --ports 22 => maybe\n-p tcp --dport 0:65535 => maybe\n-m multiport --sports 0:65535 => yes",
    );
}

#[test]
fn connections() {
    v4("-m state --state NEW => yes
        -m state ! --state NEW => no
        -m state --state RELATED,ESTABLISHED => no
        -m conntrack --ctstate DNAT => yes
        -m conntrack --ctstate SNAT => no
        -m conntrack --ctorigdstport 2222 => yes
        -m conntrack ! --ctorigdstport 2222 => no
        -m conntrack --ctorigdstport 22 => no
        -m conntrack --ctorigdstport 2000:3000 => yes
        -m conntrack --ctorigsrcport 40000 => yes
        -m conntrack --ctorigsrc 192.0.2.0/24 => yes
        -m conntrack ! --ctorigsrc 192.0.2.0/24 => no
        -m conntrack --ctorigdst 198.51.100.5 => yes
        -m conntrack --ctreplsrc 198.51.100.5 => yes
        -m conntrack --ctrepldst 192.0.2.10 => yes
        -m conntrack --ctreplsrcport 22 => yes
        -m conntrack --ctrepldstport 40000 => yes
        -m conntrack --ctproto tcp => yes
        -m conntrack ! --ctproto 17 => yes
        -m conntrack --ctdir ORIGINAL => yes
        -m conntrack --ctdir REPLY => no
        -m conntrack --ctstatus NONE => no
        -m conntrack --ctstatus SEEN_REPLY,CONFIRMED => no
        -m conntrack ! --ctstatus ASSURED => yes
        -m conntrack --ctexpire 1:100 => maybe
        -m conntrack --ctnonsense 1 => unknown");
}

#[test]
fn connections_that_stand() {
    let related = Facts {
        state: State::Related,
        ..facts(Family::V4)
    };
    table(
        &related,
        &Host::default(),
        "-m conntrack --ctstate RELATED,ESTABLISHED => yes
         -m conntrack --ctstatus EXPECTED => yes
         -m conntrack --ctstatus CONFIRMED => no
         -m helper --helper ftp => maybe",
    );
    let established = Facts {
        state: State::Established,
        dnat: false,
        ..facts(Family::V4)
    };
    table(
        &established,
        &Host::default(),
        "-m conntrack --ctstate ESTABLISHED => yes
         -m conntrack --ctstate DNAT => maybe
         -m conntrack --ctstate NEW,INVALID => no
         -m conntrack --ctstatus CONFIRMED => yes
         -m conntrack --ctstatus ASSURED => maybe
         -m conntrack --ctdir REPLY => maybe
         -m conntrack --ctreplsrc 198.51.100.5 => maybe",
    );
}

/// Packets that conntrack did not look at, did not understand, or has not seen yet.
#[test]
fn packets_without_a_connection() {
    let lines = "-m conntrack --ctorigdstport 2222 => no
        -m conntrack ! --ctorigdstport 2222 => no
        -m conntrack --ctdir ORIGINAL => no
        -m conntrack ! --ctproto 17 => no
        -m conntrack --ctstate DNAT => no
        -m state --state NEW => no
        -m state ! --state NEW => yes
        -m connmark --mark 0x20 => no
        -m connmark ! --mark 0x20 => no
        -m connbytes --connbytes 0 --connbytes-dir both --connbytes-mode bytes => no
        -m connlabel --label 1 => no
        -m connlabel ! --label 1 => yes
        -m helper --helper ftp => no
        -m helper ! --helper ftp => yes
        -m conntrack --ctstate NEW --ctorigdstport 2222 => no
        -m conntrack --ctstate NEW -m conntrack --ctorigdstport 2222 => no";
    for (state, name) in [(State::Untracked, "UNTRACKED"), (State::Invalid, "INVALID")] {
        let facts = Facts {
            state,
            ..facts(Family::V4)
        };
        table(&facts, &Host::default(), lines);
        let own = "-m conntrack --ctstate STATE => yes
            -m conntrack ! --ctstate STATE => no
            -m conntrack --ctstate STATE --ctorigdstport 9 => yes
            -m conntrack --ctstate NEW,STATE ! --ctorigdstport 2222 => yes
            -m conntrack --ctstate STATE -m conntrack --ctorigdstport 2222 => no
            -m conntrack ! --ctstate NEW --ctorigdst 10.0.0.1 --ctdir REPLY => yes
            -m state --state STATE -m conntrack --ctorigdstport 2222 => no";
        table(&facts, &Host::default(), &own.replace("STATE", name));
    }
    let raw = Facts {
        table: "raw",
        hook: "PREROUTING",
        ..facts(Family::V4)
    };
    table(
        &raw,
        &Host::default(),
        "-m conntrack --ctstate NEW => no\n-m conntrack --ctstate INVALID => yes\n-m connmark --mark 0x20 => no",
    );
    let looped = Facts {
        in_interface: Some("lo".to_owned()),
        ..raw
    };
    table(&looped, &Host::default(), "-m conntrack --ctstate NEW => yes");
}

#[test]
fn marks() {
    v4("-m mark --mark 0x11 => yes
        -m mark --mark 17 => yes
        -m mark --mark 0x1/0xf => yes
        -m mark --mark 0x2/0xf => no
        -m mark ! --mark 0x2/0xf => yes
        -m mark --mark 0x11/0x1 => no
        -m connmark --mark 0x20 => yes
        -m connmark ! --mark 0x20/0x20 => no
        -m mark --mark nonsense => unknown");
    table(
        &blank(),
        &Host::default(),
        "-m mark --mark 1 => maybe\n-m connmark ! --mark 1 => maybe",
    );
}

#[test]
fn flags() {
    v4("-p tcp --syn => yes
        -p tcp ! --syn => no
        -p tcp --tcp-flags ALL SYN => yes
        -p tcp --tcp-flags SYN,ACK SYN,ACK => no
        -p tcp ! --tcp-flags ACK ACK => yes
        -p tcp --tcp-flags ALL NONE => no
        -p tcp --tcp-flags RST NONE => yes
        -p tcp --tcp-option 8 => maybe
        -p tcp -m tcpmss --mss 1:1400 => maybe
        -p tcp -m ecn --ecn-tcp-cwr => no
        -p tcp -m ecn ! --ecn-tcp-ece => yes");
}

#[test]
fn whole_rules() {
    v4("-s 192.0.2.10 -p tcp --dport 22 -j ACCEPT => yes
        -s 192.0.2.11 -m limit --limit 1/s -j ACCEPT => no
        -m limit --limit 1/s -m nonsense --x -p udp => no
        -m limit --limit 1/s -p tcp => maybe
        -m limit --limit 1/s -m nonsense --x => unknown
        -m nonsense ! --x -p tcp => unknown
        -m comment --comment \"-p udp\" => yes");
}

mod modules;
mod sets;
