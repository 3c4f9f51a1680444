//! Clients that open connections and reset them at once, and their servers.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::support::deploy::in_namespace;
use super::support::lab::Lab;

/// Connections a second, all clients together.
const RATE: u32 = 2000;

/// When Linux sends a SYN for the second time (RFC 6298), less what clocks may be off.
const SYN_AGAIN: Duration = Duration::from_millis(950);

/// Source ports of one client, used over and over.
const SOURCE_PORTS: u16 = 400;

/// Takes connections on some ports until the test ends.
pub struct Servers(Arc<AtomicBool>);

impl Servers {
    /// In this thread's namespace, on all addresses of both families.
    pub fn on(ports: &[u16]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for port in ports {
            let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
            socket
                .bind(&SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), *port).into())
                .unwrap();
            // Longer than what may come while this thread has to wait for the processor.
            socket.listen(4096).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // The client resets it: a reset from here could come before the client knows that it connected.
                    drop(socket.accept());
                }
            });
        }
        Self(stop)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Where to and why, and how many.
pub type Failures = BTreeMap<String, usize>;

/// What the clients saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Connections that were begun.
    pub made: usize,
    /// Those that did not come about: why, and how many.
    pub failed: Failures,
    /// Those that took as long as a SYN that is sent again.
    pub slow: usize,
    /// SYNs, and answers to them, that were sent again (`TCPSynRetrans`), by these clients or others there.
    pub sent_again: usize,
}

impl Seen {
    /// Connections that failed or lost a packet. (A stalled machine is slow as well, but sends nothing again.)
    pub fn lost(&self) -> usize {
        self.failed.values().sum::<usize>() + self.slow.min(self.sent_again)
    }
}

/// Clients on the router in front of a lab's hosts, where nobody else opens connections.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<(usize, usize, Failures)>>,
    namespace: PathBuf,
    before: usize,
}

impl Load {
    /// A client for each of these ports, in both families, on each host.
    pub fn on(lab: &Lab, ports: &[u16]) -> Self {
        let namespace = PathBuf::from(format!("/proc/{}/ns/net", lab.state().upstream.init.pid()));
        let stop = Arc::new(AtomicBool::new(false));
        let ways: Vec<SocketAddr> = lab
            .hosts()
            .into_iter()
            .flat_map(|host| [4, 6].map(|family| lab.address(host, family)))
            .flat_map(|address| ports.iter().map(move |port| SocketAddr::new(address, *port)))
            .collect();
        let pause = Duration::from_secs(1) * u32::try_from(ways.len()).unwrap() / RATE;
        let (before, clients) = in_namespace(&namespace, || {
            let client = |(index, to): (usize, &SocketAddr)| {
                let (to, stop) = (*to, Arc::clone(&stop));
                let first = 10_000 + SOURCE_PORTS * u16::try_from(index).unwrap();
                std::thread::spawn(move || client(to, first, pause, &stop))
            };
            (sent_again(), ways.iter().enumerate().map(client).collect())
        });
        Self {
            stop,
            clients,
            namespace,
            before,
        }
    }

    /// Ends it.
    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let mut seen = Seen::default();
        for client in self.clients {
            let (made, slow, failed) = client.join().unwrap();
            seen.made += made;
            seen.slow += slow;
            seen.failed.extend(failed);
        }
        seen.sent_again = in_namespace(&self.namespace, sent_again) - self.before;
        seen
    }
}

/// One connection after the other until told to stop: how many, how many were slow, and which failed.
fn client(to: SocketAddr, first_port: u16, pause: Duration, stop: &AtomicBool) -> (usize, usize, Failures) {
    let (mut made, mut slow, mut failed) = (0, 0, BTreeMap::new());
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let port = first_port + u16::try_from(made % usize::from(SOURCE_PORTS)).unwrap();
        made += 1;
        let began = Instant::now();
        let connected = connect(to, port);
        slow += usize::from(began.elapsed() >= SYN_AGAIN);
        if let Err(error) = connected {
            *failed.entry(format!("{to}: {error}")).or_insert(0) += 1;
        }
        // Late ones are not made up for.
        next = (next + pause).max(Instant::now());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    (made, slow, failed)
}

fn connect(to: SocketAddr, port: u16) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_linger(Some(Duration::ZERO))?;
    let any: IpAddr = if to.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    socket.bind(&SocketAddr::new(any, port).into())?;
    socket.connect_timeout(&to.into(), Duration::from_secs(5))
}

/// `TCPSynRetrans` of this thread's namespace.
fn sent_again() -> usize {
    let text = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
    let [names, values] = text
        .lines()
        .filter(|line| line.starts_with("TcpExt:"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{text}")
    };
    let at = names.split(' ').position(|name| name == "TCPSynRetrans").unwrap();
    values.split(' ').nth(at).unwrap().parse().unwrap()
}
