//! Packets as bytes: written to be sent, read when the kernel hands back a copy.

use std::net::IpAddr;

/// Stands in every packet's payload, before its number.
const MAGIC: [u8; 4] = *b"PmTk";

/// How far sequence numbers of two packets are apart, as a power of two.
const SEQUENCE_SHIFT: u32 = 11;

/// A packet to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// Tells its copies from those of others.
    pub id: u32,
    /// A protocol's number.
    pub protocol: u8,
    /// Its two ends. An echo's number is the source's port.
    pub from: (IpAddr, u16),
    /// Where it goes.
    pub to: (IpAddr, u16),
    /// `false`: conntrack takes it for INVALID.
    pub right_checksum: bool,
    /// The differentiated services code point, which our own rules look at.
    pub dscp: u8,
    /// Bytes after the number.
    pub padding: u16,
}

impl Wire {
    /// From the IP header on.
    pub fn bytes(&self) -> Vec<u8> {
        let mut payload = MAGIC.to_vec();
        payload.extend(self.id.to_be_bytes());
        payload.extend(vec![b'x'; usize::from(self.padding)]);
        let inner = self.transport(payload);
        match (self.from.0, self.to.0) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let length = u16::try_from(20 + inner.len()).unwrap();
                let mut header = vec![0x45, self.dscp << 2];
                header.extend(length.to_be_bytes());
                header.extend([self.id.to_be_bytes()[2], self.id.to_be_bytes()[3], 0x40, 0]);
                header.extend([64, self.protocol, 0, 0]);
                header.extend(from.octets());
                header.extend(to.octets());
                let sum = checksum(&header);
                header[10..12].copy_from_slice(&sum);
                [header, inner].concat()
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let mut header = vec![0x60 | self.dscp >> 2, (self.dscp & 3) << 6, 0, 0];
                header.extend(u16::try_from(inner.len()).unwrap().to_be_bytes());
                header.extend([self.protocol, 64]);
                header.extend(from.octets());
                header.extend(to.octets());
                [header, inner].concat()
            }
            _ => panic!("two families in one packet"),
        }
    }

    /// What follows the IP header.
    fn transport(&self, payload: Vec<u8>) -> Vec<u8> {
        let ports = [self.from.1.to_be_bytes(), self.to.1.to_be_bytes()].concat();
        let length = |header: usize| u16::try_from(header + payload.len()).unwrap().to_be_bytes();
        let (header, place) = match self.protocol {
            6 => (tcp(&ports, self.id), 16),
            17 => ([&ports[..], &length(8), &[0, 0]].concat(), 6),
            1 | 58 => {
                let kind = if self.protocol == 1 { 8 } else { 128 };
                ([&[kind, 0, 0, 0], &ports[..2], &[0, 1]].concat(), 2)
            }
            132 => return sctp(&ports, self.id, &payload, self.right_checksum),
            // The first bytes are a key, an index or nothing at all.
            _ => (vec![0; 8], 4),
        };
        let mut all = [header, payload].concat();
        let mut sum = checksum(&[self.pseudo_header(all.len()), all.clone()].concat());
        if self.protocol == 17 && sum == [0, 0] {
            sum = [0xff, 0xff];
        }
        if !self.right_checksum {
            sum[0] ^= 0x55;
        }
        all[place..place + 2].copy_from_slice(&sum);
        all
    }

    /// What the checksum covers beside the packet's inside.
    fn pseudo_header(&self, length: usize) -> Vec<u8> {
        let length = u32::try_from(length).unwrap().to_be_bytes();
        match (self.from.0, self.to.0) {
            (IpAddr::V4(from), IpAddr::V4(to)) if matches!(self.protocol, 6 | 17) => [
                from.octets().as_slice(),
                &to.octets(),
                &[0, self.protocol],
                &length[2..],
            ]
            .concat(),
            (IpAddr::V6(from), IpAddr::V6(to)) => [
                from.octets().as_slice(),
                &to.octets(),
                &length,
                &[0, 0, 0, self.protocol],
            ]
            .concat(),
            _ => Vec::new(),
        }
    }
}

/// A SYN with a maximum segment size.
fn tcp(ports: &[u8], id: u32) -> Vec<u8> {
    let mut header = ports.to_vec();
    header.extend((id << SEQUENCE_SHIFT).to_be_bytes());
    header.extend([0, 0, 0, 0, 0x60, 2, 0x72, 0x10, 0, 0, 0, 0]);
    header.extend([2, 4, 0x05, 0xb4]);
    header
}

/// An INIT.
fn sctp(ports: &[u8], tag: u32, payload: &[u8], right: bool) -> Vec<u8> {
    let mut all = ports.to_vec();
    // No tag yet, the checksum's place.
    all.extend([0; 8]);
    let mut parameter = 0x8001_u16.to_be_bytes().to_vec();
    parameter.extend(u16::try_from(4 + payload.len()).unwrap().to_be_bytes());
    parameter.extend(payload);
    parameter.resize(parameter.len().next_multiple_of(4), 0);
    all.extend([1, 0]);
    all.extend(u16::try_from(20 + parameter.len()).unwrap().to_be_bytes());
    all.extend(tag.to_be_bytes());
    all.extend([0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
    all.extend(parameter);
    let sum = crc32c(&all) ^ u32::from(!right);
    all[8..12].copy_from_slice(&sum.to_le_bytes());
    all
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2);
    let mut sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap()).to_be_bytes()
}

/// A packet that the kernel showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its protocol's number.
    pub protocol: u8,
    /// Where it came from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// The port there, of protocols that have ports.
    pub port: Option<u16>,
    /// The number of the packet that it is, or that it is an answer to.
    pub id: Option<u32>,
    /// Whether it tells a sender that its packet was refused: an ICMP error or an RST.
    pub refusal: bool,
}

impl Seen {
    /// Reads one, from the IP header on.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (protocol, source, destination, inner) = match bytes.first()? >> 4 {
            4 => {
                let address = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?));
                let length = usize::from(bytes.first()? & 15) * 4;
                (*bytes.get(9)?, address(12)?, address(16)?, bytes.get(length..)?)
            }
            6 => {
                let address = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok()?));
                (*bytes.get(6)?, address(8)?, address(24)?, bytes.get(40..)?)
            }
            _ => return None,
        };
        let with_ports = matches!(protocol, 6 | 17 | 132);
        let reset = protocol == 6 && inner.get(13)? & 4 != 0;
        let refused = match (protocol, inner.first()) {
            (1, Some(kind)) => *kind == 3,
            (58, Some(kind)) => *kind == 1,
            _ => reset,
        };
        Some(Self {
            protocol,
            source,
            destination,
            port: inner
                .get(2..4)
                .filter(|_| with_ports)
                .map(|port| u16::from_be_bytes([port[0], port[1]])),
            id: if reset { reset_of(inner) } else { number(inner) },
            refusal: refused,
        })
    }
}

/// Which SYN it answers: it acknowledges the number, the SYN, and the payload, which is shorter than a step.
fn reset_of(inner: &[u8]) -> Option<u32> {
    let acknowledged = u32::from_be_bytes(inner.get(8..12)?.try_into().ok()?);
    Some(acknowledged >> SEQUENCE_SHIFT)
}

fn number(inner: &[u8]) -> Option<u32> {
    let at = inner.windows(4).position(|window| window == MAGIC)?;
    Some(u32::from_be_bytes(inner.get(at + 4..at + 8)?.try_into().ok()?))
}
