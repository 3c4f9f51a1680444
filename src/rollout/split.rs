//! How the hosts of a play are ordered and split into batches, as Ansible's `order` and `serial` say.

use std::str::FromStr;

/// How many hosts a batch has: an item of `serial`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchSize {
    /// So many; 0: all that are left.
    Hosts(u32),
    /// So many of a hundred of all the play's hosts, rounded down, but at least one.
    Percent(u32),
}

impl BatchSize {
    /// The size of a batch of a play with so many hosts; `None`: all that are left.
    fn of(self, all: usize) -> Option<usize> {
        match self {
            Self::Hosts(0) => None,
            Self::Hosts(count) => Some(usize::try_from(count).unwrap_or(usize::MAX)),
            Self::Percent(percent) => Some(share(percent, all).max(1)),
        }
    }
}

/// Python rounds the binary fraction down, so that 29 percent of 100 is 28: as Ansible, so this program.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "hosts are few, neither number is negative, and rounding down is what is wanted"
)]
fn share(percent: u32, all: usize) -> usize {
    (f64::from(percent) / 100.0 * all as f64) as usize
}

/// `3`, or `25%`.
impl FromStr for BatchSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let (digits, make): (_, fn(u32) -> Self) = match trimmed.strip_suffix('%') {
            Some(digits) => (digits.trim_end(), Self::Percent),
            None => (trimmed, Self::Hosts),
        };
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = if plain { digits.parse().ok() } else { None };
        number
            .map(make)
            .ok_or_else(|| format!("`{text}` is neither a number of hosts such as 3 nor a share such as 25%"))
    }
}

/// Splits so many hosts: a batch of each size, the last size again and again. Returns the size of each batch.
#[must_use]
pub fn batches(all: usize, serial: &[BatchSize]) -> Vec<usize> {
    let last = serial.last().copied().unwrap_or(BatchSize::Hosts(0));
    let mut sizes = serial.iter().copied().chain(std::iter::repeat(last));
    let mut left = all;
    let mut batches = Vec::new();
    while left > 0 {
        let size = sizes.next().and_then(|size| size.of(all)).unwrap_or(left).min(left);
        batches.push(size);
        left -= size;
    }
    batches
}

/// In which order the hosts of a play come: Ansible's `order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// As the inventory has them.
    #[default]
    Inventory,
    /// The other way round.
    ReverseInventory,
    /// By their names, as Python compares texts: by code points.
    Sorted,
    /// By their names, the other way round.
    ReverseSorted,
    /// At random.
    Shuffle,
}

impl Order {
    /// Every order with its name in Ansible.
    pub const ALL: [(&'static str, Self); 5] = [
        ("inventory", Self::Inventory),
        ("reverse_inventory", Self::ReverseInventory),
        ("sorted", Self::Sorted),
        ("reverse_sorted", Self::ReverseSorted),
        ("shuffle", Self::Shuffle),
    ];

    /// Puts hosts, given as the inventory has them, into this order. `below` draws a number below another one.
    pub fn arrange<T>(self, hosts: &mut [T], name: impl Fn(&T) -> &str, mut below: impl FnMut(usize) -> usize) {
        match self {
            Self::Inventory => {}
            Self::ReverseInventory => hosts.reverse(),
            Self::Sorted => hosts.sort_by(|a, b| name(a).cmp(name(b))),
            Self::ReverseSorted => hosts.sort_by(|a, b| name(b).cmp(name(a))),
            Self::Shuffle => {
                for left in (2..=hosts.len()).rev() {
                    hosts.swap(left - 1, below(left).min(left - 1));
                }
            }
        }
    }
}
