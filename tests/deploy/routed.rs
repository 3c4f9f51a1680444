//! Traffic that a host only routes is none of its mappings' business.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::support::deploy::{Seen, Server, in_namespace, tcp};
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(routed_connections_to_mapped_ports_pass);

/// `host1` routes to a network behind it.
const BEHIND: &str = "\
ip netns add behind
ip link add to-behind type veth peer name eth0 netns behind
ip address add 10.77.0.1/24 dev to-behind
ip address add fd77::1/64 dev to-behind nodad
for n in 2 3 4 5 6 7 8; do ip address add fd77:$n::1/64 dev to-behind nodad; done
ip link set to-behind up
ip -n behind address add 10.77.0.2/24 dev eth0
ip -n behind address add fd77::2/64 dev eth0 nodad
ip -n behind link set lo up
ip -n behind link set eth0 up
ip -n behind route add default via 10.77.0.1
ip -n behind route add default via fd77::1
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding";

fn routed_connections_to_mapped_ports_pass(backend: &str) {
    let lab = Lab::up(2, backend);
    lab.run("host1", BEHIND);
    for (family, network) in [(4, "10.77.0.0/24"), (6, "fd77::/64")] {
        lab.run(
            "host2",
            &format!("ip route add {network} via {}", lab.address("host1", family)),
        );
    }
    let behind: PathBuf = lab.root_of("host1").join("run/netns/behind");
    let _host1 = [
        lab.serve("host1", 8080, "host1"),
        lab.serve("host2", 2222, "host2"),
        lab.serve("host2", 80, "host2"),
    ];
    let _behind = in_namespace(&behind, || [2222, 80].map(|port| Server::tcp(port, "behind")));

    lab.deploys("portmap: ['2222:22', '80:8080']")
        .expect("host1", "confirmed")
        .expect_mappings("host1", "80", "open", "closed");

    let addresses: [IpAddr; 2] = ["10.77.0.2".parse().unwrap(), "fd77::2".parse().unwrap()];
    for (family, address) in [4, 6].into_iter().zip(addresses) {
        for port in [2222, 80] {
            let inwards = lab.inside("host2", || tcp(SocketAddr::new(address, port), None));
            assert_eq!(inwards, (Seen::Open, "behind".to_owned()), "IPv{family}, {port}");
            let outwards = SocketAddr::new(lab.address("host2", family), port);
            let outwards = in_namespace(&behind, || tcp(outwards, None));
            assert_eq!(outwards, (Seen::Open, "host2".to_owned()), "IPv{family}, {port}");
        }
        assert_eq!(lab.first_line("host1", family, 80), "host1");
    }
}
