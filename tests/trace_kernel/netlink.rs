//! What is asked of the kernel's netfilter over netlink(7): copies of packets at the ends of their ways (NFLOG), and
//! connections that exist or do not (ctnetlink).

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};

/// The group that the rules of the harness log to.
pub const GROUP: u16 = 4242;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
const NESTED: u16 = 0x8000;
const CONNTRACK: u16 = 1 << 8;
const EXPECTATION: u16 = 2 << 8;
const LOG: u16 = 4 << 8;

/// A socket to netfilter in the network namespace of the thread that made it.
pub struct Netlink(OwnedFd);

/// A packet as it was at a hook.
#[derive(Debug)]
pub struct Logged {
    /// 1: INPUT, 3: OUTPUT, 4: POSTROUTING.
    pub hook: u8,
    /// From the IP header on.
    pub packet: Vec<u8>,
}

impl Netlink {
    /// A fresh one.
    pub fn new() -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER)).unwrap();
        bind(&socket, &SocketAddrNetlink::new(0, 0)).unwrap();
        Self(socket)
    }

    /// One that hears what is logged to [`GROUP`].
    pub fn listening() -> Self {
        let socket = Self::new();
        set_socket_recv_buffer_size_force(&socket.0, 256 << 20).unwrap();
        let bind = attribute(1, &[1]);
        // All of each packet, each at once.
        let whole = attribute(2, &[0, 0, 0xff, 0xff, 2, 0]);
        let at_once = attribute(5, &1_u32.to_be_bytes());
        for attributes in [bind, whole, at_once] {
            socket.ask(LOG | 1, REQUEST | ACK, 0, GROUP, &attributes).unwrap();
        }
        socket
    }

    /// What was logged since.
    pub fn logged(&self) -> Vec<Logged> {
        let mut all = Vec::new();
        self.each(|kind, body| {
            if kind == LOG {
                all.extend(read_logged(body));
            }
        });
        all
    }

    /// Forgets all connections.
    pub fn flush_connections(&self) {
        self.ask(CONNTRACK | 2, REQUEST | ACK, 0, 0, &[]).unwrap();
    }

    /// Makes a connection of this protocol that has seen packets both ways; whether the kernel takes it.
    pub fn add_connection(&self, protocol: u8, from: (IpAddr, u16), to: (IpAddr, u16)) -> bool {
        let family = if from.0.is_ipv4() { 2 } else { 10 };
        let mut attributes = nested(1, &[tuple(protocol, from, to, false)]);
        attributes.extend(nested(2, &[tuple(protocol, to, from, true)]));
        attributes.extend(attribute(3, &(2_u32 | 4 | 8).to_be_bytes()));
        attributes.extend(attribute(7, &600_u32.to_be_bytes()));
        if protocol == 6 {
            // State ESTABLISHED, either side's window taken as it comes.
            let liberal = [0x0a, 0x0a];
            let state = [attribute(1, &[3]), attribute(4, &liberal), attribute(5, &liberal)].concat();
            attributes.extend(nested(4, &[nested(1, &[state])]));
        }
        let flags = REQUEST | ACK | CREATE | EXCLUSIVE;
        self.ask(CONNTRACK, flags, family, 0, &attributes).is_ok()
    }

    /// Makes a connection that expects another one of this protocol, whose first packet is then RELATED; whether the
    /// kernel takes it. The number tells it from others.
    pub fn expect_connection(&self, number: u16, protocol: u8, from: (IpAddr, u16), to: (IpAddr, u16)) -> bool {
        let (family, one, other, ones): (u8, IpAddr, IpAddr, IpAddr) = if from.0.is_ipv4() {
            (2, [198, 18, 0, 1].into(), [198, 18, 0, 2].into(), [255; 4].into())
        } else {
            (10, [0xfd; 16].into(), [0xfe; 16].into(), [255; 16].into())
        };
        let (client, server) = ((one, number), (other, 21));
        let mut attributes = nested(1, &[tuple(6, client, server, false)]);
        attributes.extend(nested(2, &[tuple(6, server, client, true)]));
        attributes.extend(attribute(3, &8_u32.to_be_bytes()));
        attributes.extend(nested(5, &[attribute(1, b"ftp\0")]));
        attributes.extend(attribute(7, &600_u32.to_be_bytes()));
        attributes.extend(nested(4, &[nested(1, &[attribute(1, &[3])])]));
        let flags = REQUEST | ACK | CREATE | EXCLUSIVE;
        if self.ask(CONNTRACK, flags, family, 0, &attributes).is_err() {
            return false;
        }
        let mut attributes = nested(1, &[tuple(6, client, server, false)]);
        attributes.extend(nested(2, &[tuple(protocol, from, to, false)]));
        attributes.extend(nested(3, &[tuple(protocol, (ones, 0), (ones, 0xffff), false)]));
        attributes.extend(attribute(4, &600_u32.to_be_bytes()));
        self.ask(EXPECTATION, flags, family, 0, &attributes).is_ok()
    }

    /// Asks, and hears whether it was done.
    fn ask(&self, kind: u16, flags: u16, family: u8, resource: u16, attributes: &[u8]) -> Result<(), i32> {
        let length = u32::try_from(20 + attributes.len()).unwrap();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend([family, 0]);
        message.extend(resource.to_be_bytes());
        message.extend(attributes);
        send(&self.0, &message, SendFlags::empty()).unwrap();
        let mut answer = None;
        self.each(|kind, body| {
            if kind == 2 {
                answer = Some(i32::from_ne_bytes(body[..4].try_into().unwrap()));
            }
        });
        match answer {
            Some(0) => Ok(()),
            Some(error) => Err(error),
            None => panic!("netfilter did not answer"),
        }
    }

    /// Every message that is there: its type and what follows its header.
    fn each(&self, mut hear: impl FnMut(u16, &[u8])) {
        let mut buffer = vec![0; 1 << 17];
        loop {
            let length = match recv(&self.0, &mut buffer, RecvFlags::empty()) {
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => return,
                Err(error) => panic!("netlink: {error}"),
            };
            let mut rest = &buffer[..length];
            while rest.len() >= 16 {
                let size = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
                hear(u16::from_ne_bytes([rest[4], rest[5]]), &rest[16..size]);
                rest = &rest[size.next_multiple_of(4).min(rest.len())..];
            }
        }
    }
}

fn read_logged(body: &[u8]) -> Option<Logged> {
    let mut rest = body.get(4..)?;
    let (mut hook, mut packet) = (None, None);
    while rest.len() >= 4 {
        let size = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        let value = rest.get(4..size)?;
        match u16::from_ne_bytes([rest[2], rest[3]]) & !NESTED {
            1 => hook = value.get(2).copied(),
            9 => packet = Some(value.to_vec()),
            _ => {}
        }
        rest = &rest[size.next_multiple_of(4).min(rest.len())..];
    }
    Some(Logged {
        hook: hook?,
        packet: packet?,
    })
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, values: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NESTED, &values.concat())
}

/// A connection's packets of one direction.
fn tuple(protocol: u8, from: (IpAddr, u16), to: (IpAddr, u16), reply: bool) -> Vec<u8> {
    let address = |kind: u16, address: IpAddr| match address {
        IpAddr::V4(address) => attribute(kind, &address.octets()),
        IpAddr::V6(address) => attribute(kind + 2, &address.octets()),
    };
    let addresses = nested(1, &[address(1, from.0), address(2, to.0)]);
    let mut ends = vec![attribute(1, &[protocol])];
    // An echo has one number for both.
    let id = if reply { to.1 } else { from.1 };
    match protocol {
        1 => ends.extend([
            attribute(4, &id.to_be_bytes()),
            attribute(5, &[if reply { 0 } else { 8 }]),
            attribute(6, &[0]),
        ]),
        58 => ends.extend([
            attribute(7, &id.to_be_bytes()),
            attribute(8, &[if reply { 129 } else { 128 }]),
            attribute(9, &[0]),
        ]),
        _ => ends.extend([attribute(2, &from.1.to_be_bytes()), attribute(3, &to.1.to_be_bytes())]),
    }
    [addresses, nested(2, &ends)].concat()
}
