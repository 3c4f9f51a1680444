//! One dump, and the ways in that its text speaks of.

use std::path::Path;

use super::way::Way;

/// Text of `iptables-save`.
pub struct Dump {
    /// The file's name.
    pub name: String,
    /// 4 or 6.
    pub family: u8,
    /// The file.
    pub text: String,
}

/// All of a folder, the biggest, which take longest, at the end; `None`: there is no such folder.
pub fn all(folder: &Path) -> Option<Vec<Dump>> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut dumps: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| Dump {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            family: if path.extension().is_some_and(|end| end == "v6") {
                6
            } else {
                4
            },
            text: std::fs::read_to_string(&path).unwrap(),
        })
        .collect();
    dumps.sort_by_key(|dump| dump.text.len());
    Some(dumps)
}

/// Enough to find the one that a dump lets in.
const MOST_WAYS: usize = 150;

impl Dump {
    fn filter(&self) -> &str {
        let after = self.text.split_once("*filter").map_or("", |(_, after)| after);
        after.split_once("\nCOMMIT").map_or(after, |(table, _)| table)
    }

    /// Whether it has a filter INPUT.
    pub fn has_input(&self) -> bool {
        self.filter().lines().any(|line| line.starts_with(":INPUT "))
    }

    /// A port that none of its rules names.
    pub fn free_port(&self) -> u16 {
        let named = |port: &u16| self.words().any(|word| word == port.to_string());
        [2222, 2022, 42022].into_iter().find(|port| !named(port)).unwrap()
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split(|c: char| !c.is_ascii_alphanumeric())
    }

    /// Ways in that may work, by the interfaces, ports and addresses that its rules name; the plain one first.
    pub fn ways(&self) -> Vec<Way> {
        let mut interfaces = vec!["eth0".to_owned()];
        let mut rules = vec![Way::plain()];
        for line in self
            .filter()
            .lines()
            .filter(|line| line.starts_with("-A") || line.starts_with('['))
        {
            let words: Vec<_> = line.split_whitespace().collect();
            let value = |option: &str| {
                let at = words.iter().position(|word| *word == option)?;
                (at > 0 && words[at - 1] != "!")
                    .then(|| words.get(at + 1).copied())
                    .flatten()
            };
            interfaces.extend(
                value("-i")
                    .filter(|name| *name != "lo")
                    .map(|name| name.replace('+', "0")),
            );
            if matches!(value("-p"), None | Some("tcp")) {
                rules.extend([true, false].map(|plain| {
                    Way {
                        interface: String::new(),
                        port: value("--dport")
                            .or(value("--dports"))
                            .and_then(first_port)
                            .unwrap_or(22),
                        from: value("-s").filter(|_| !plain).and_then(|net| self.address(net)),
                        to: value("-d").filter(|_| !plain).and_then(|net| self.address(net)),
                    }
                }));
            }
        }
        let mut ways: Vec<Way> = Vec::new();
        for way in &rules {
            for interface in &interfaces {
                let way = Way {
                    interface: interface.clone(),
                    ..way.clone()
                };
                if !ways.contains(&way) && ways.len() < MOST_WAYS {
                    ways.push(way);
                }
            }
        }
        ways
    }

    /// An address of a network that a host or a controller can have.
    fn address(&self, net: &str) -> Option<std::net::IpAddr> {
        use std::net::IpAddr;
        let net: ipnet::IpNet = if net.contains('/') {
            net.parse().ok()?
        } else {
            net.parse::<IpAddr>().ok()?.into()
        };
        let address = if net.prefix_len() == net.max_prefix_len() {
            net.addr()
        } else {
            net.hosts().nth(6).or(net.hosts().next())?
        };
        let usable = match address {
            IpAddr::V4(ip) => {
                !ip.is_loopback() && !ip.is_multicast() && !ip.is_broadcast() && ip.octets()[0] != 0 && self.family == 4
            }
            IpAddr::V6(ip) => {
                !ip.is_loopback() && !ip.is_multicast() && ip.segments()[0] & 0xffc0 != 0xfe80 && self.family == 6
            }
        };
        usable.then_some(address)
    }
}

fn first_port(text: &str) -> Option<u16> {
    text.split([',', ':']).next()?.parse().ok().filter(|port| *port > 0)
}
