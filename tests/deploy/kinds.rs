//! Every kind of mapping, and what is proven of it.

use super::support::deploy::Seen::{Open, Refused, Silent};
use super::support::deploy::tcp;
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    datagrams,
    ranges,
    refused,
    sources,
    direct_access,
    loopback,
    interfaces,
    many
);

fn datagrams(backend: &str) {
    let lab = Lab::up(1, backend);
    let _echo = lab.serve_udp("host1", 53);
    let _mute = lab.inside("host1", || std::net::UdpSocket::bind("[::]:54").unwrap());
    let udp = |port: u16, to_port: u16| format!("{{port: {port}, to_port: {to_port}, protocol: udp}}");
    let run = lab.deploys(&format!(
        "portmap: ['2222:22', {}, {}, {}]",
        udp(5353, 53),
        udp(5354, 54),
        udp(5355, 55)
    ));
    run.expect("host1", "confirmed")
        .expect_mappings("host1", "5353", "open", "closed");
    // Delivered is all that silence can show.
    run.expect_mappings("host1", "5354", "open", "closed");
    run.expect_mappings("host1", "5355", "refused", "closed");
    for family in [4, 6] {
        assert_eq!(lab.datagram("host1", family, 5353), Open);
        assert_eq!(lab.datagram("host1", family, 53), Silent);
        assert_eq!(lab.datagram("host1", family, 5355), Refused);
    }
}

fn ranges(backend: &str) {
    let lab = Lab::up(1, backend);
    let _all = lab.serve("host1", 8080, "all");
    let _each = [7000, 7001, 7002, 7003].map(|port| lab.serve("host1", port, &port.to_string()));
    let run =
        lab.deploys("portmap: ['2222:22', {port: 8000-8010, to_port: 8080}, {port: 9000-9003, to_port: 7000-7003}]");
    run.expect("host1", "confirmed")
        .expect_mappings("host1", "8000-8010", "open", "closed");
    run.expect_mappings("host1", "9000-9003", "open", "closed");
    for port in [8000, 8005, 8010] {
        lab.expect_server("host1", port, "all");
    }
    for offset in 0..4 {
        lab.expect_server("host1", 9000 + offset, &(7000 + offset).to_string());
    }
    lab.expect_tcp_ports("host1", &[7999, 8011, 8999, 9004], Refused);
    lab.expect_tcp_ports("host1", &[8080, 7000, 7001, 7002, 7003], Silent);
}

fn refused(backend: &str) {
    let lab = Lab::up(1, backend);
    let run = lab.deploys("portmap: ['2222:22', '7777:7778']");
    run.expect("host1", "confirmed")
        .expect_mappings("host1", "7777", "refused", "closed");
    assert!(
        run.mapping_reason("host1", 4, "7777").contains("7778"),
        "{}",
        run.said()
    );
    lab.expect_tcp("host1", 7777, Refused);
    lab.expect_tcp("host1", 7778, Silent);
}

fn sources(backend: &str) {
    let lab = Lab::up(1, backend);
    let [here, here6] = [4, 6].map(|family| lab.second_address(family));
    let _servers = [8081, 8082].map(|port| lab.serve("host1", port, &port.to_string()));
    let run = lab.deploys(&format!(
        "portmap: ['2222:22', {{port: 81, to_port: 8081, source: ['{here}', '{here6}/128']}}, \
         {{port: 82, to_port: 8082, source: [198.18.0.0/15]}}]"
    ));
    run.expect("host1", "confirmed")
        .expect_mappings("host1", "81", "unverified", "closed");
    for family in [4, 6] {
        assert!(
            run.mapping_reason("host1", family, "81")
                .contains("source does not include this machine"),
            "{}",
            run.said()
        );
    }
    run.expect_mapping("host1", 4, "82", "open", "closed")
        .expect_mapping("host1", 6, "82", "unverified", "closed");
    assert!(
        run.mapping_reason("host1", 6, "82").contains("no IPv6 network"),
        "{}",
        run.said()
    );

    for address in [here, here6] {
        assert_eq!(lab.connects_from(address, "host1", 81), Open);
        assert_eq!(lab.connects_from(address, "host1", 8081), Silent);
    }
    lab.expect_tcp("host1", 81, Refused);
    assert_eq!(lab.first_line("host1", 4, 82), "8082");
    assert_eq!(lab.connects("host1", 6, 82), Refused);
    lab.expect_tcp_ports("host1", &[8081, 8082], Silent);
}

fn direct_access(backend: &str) {
    let lab = Lab::up(1, backend);
    let [here, here6] = [4, 6].map(|family| lab.second_address(family));
    let _servers = [8082, 8083, 8084, 8085].map(|port| lab.serve("host1", port, &port.to_string()));
    let run = lab.deploys(&format!(
        "portmap: ['2222:22', {{port: 82, to_port: 8082, direct: reject}}, {{port: 83, to_port: 8083, direct: allow}}, \
         {{port: 84, to_port: 8084, direct_source: [198.18.0.0/15, 'fd00::/8']}}, \
         {{port: 85, to_port: 8085, direct_source: ['{here}', '{here6}']}}, \
         {{port: 86, to_port: 8086, protocol: udp, direct: reject}}]"
    ));
    run.expect("host1", "confirmed")
        .expect_mappings("host1", "82", "open", "closed");
    run.expect_mappings("host1", "83", "open", "open");
    run.expect_mappings("host1", "84", "open", "open");
    run.expect_mappings("host1", "85", "open", "closed");
    run.expect_mappings("host1", "86", "refused", "closed");
    for port in [82, 83, 84, 85] {
        lab.expect_server("host1", port, &(8000 + port).to_string());
    }
    lab.expect_tcp("host1", 8082, Refused);
    lab.expect_tcp_ports("host1", &[8083, 8084], Open);
    lab.expect_tcp("host1", 8085, Silent);
    for address in [here, here6] {
        assert_eq!(lab.connects_from(address, "host1", 8085), Open);
    }
    let _echo = lab.serve_udp("host1", 8086);
    for family in [4, 6] {
        assert_eq!(lab.datagram("host1", family, 86), Open);
        assert_eq!(lab.datagram("host1", family, 8086), Refused);
    }
}

fn loopback(backend: &str) {
    let lab = Lab::up(1, backend);
    let _servers = [8085, 8086].map(|port| lab.serve("host1", port, &port.to_string()));
    let run = lab.deploys("portmap: ['2222:22', {port: 85, to_port: 8085, loopback: true}, {port: 86, to_port: 8086}]");
    run.expect("host1", "confirmed")
        .expect_mappings("host1", "85", "open", "closed")
        .expect_mappings("host1", "86", "open", "closed");
    let own = [4, 6].map(|family| lab.address("host1", family));
    for address in ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap(), own[0], own[1]] {
        let from_itself = |port| lab.inside("host1", || tcp((address, port).into(), None));
        assert_eq!(from_itself(85), (Open, "8085".to_owned()), "{address}");
        assert_eq!(from_itself(86).0, Refused, "{address}");
        assert_eq!(
            from_itself(8085),
            (Open, "8085".to_owned()),
            "{address}: the guard is for others"
        );
        assert_eq!(from_itself(8086), (Open, "8086".to_owned()), "{address}");
    }
    lab.expect_tcp_ports("host1", &[8085, 8086], Silent);
}

fn interfaces(backend: &str) {
    let lab = Lab::up(1, backend);
    let _servers = [8087, 8088].map(|port| lab.serve("host1", port, &port.to_string()));
    let run = lab.deploys(
        "portmap: ['2222:22', {port: 87, to_port: 8087, interface: eth0}, {port: 88, to_port: 8088, interface: wg0}]",
    );
    run.expect("host1", "confirmed")
        .expect_mappings("host1", "87", "open", "closed");
    run.expect_mappings("host1", "88", "unverified", "closed");
    assert!(
        run.mapping_reason("host1", 4, "88").contains("interface"),
        "{}",
        run.said()
    );
    lab.expect_server("host1", 87, "8087");
    lab.expect_tcp("host1", 88, Refused);
    lab.expect_tcp_ports("host1", &[8087, 8088], Silent);
}

/// More probes than may be under way at once: those that are decided make room.
fn many(backend: &str) {
    let lab = Lab::up(1, backend);
    let mappings: Vec<_> = (0..60).map(|n| format!("'{}:{}'", 20_000 + n, 30_000 + n)).collect();
    let run = lab.deploys(&format!("portmap: ['2222:22', {}]", mappings.join(", ")));
    run.expect("host1", "confirmed");
    for port in ["20000", "20059"] {
        run.expect_mappings("host1", port, "refused", "closed");
    }
}
