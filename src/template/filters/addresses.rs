//! Addresses and networks: `ansible.utils.ipaddr` and its kin.

mod network;

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::Table;
use crate::template::calls::{Call, fault, integer, list, only_list};
use network::Network;

pub(super) const FILTERS: Table = &[
    ("cidr_merge", cidr_merge),
    ("ipaddr", |call| ipaddr(call, None)),
    ("ipmath", ipmath),
    ("ipsubnet", ipsubnet),
    ("ipv4", |call| ipaddr(call, Some(4))),
    ("ipv6", |call| ipaddr(call, Some(6))),
    ("ipwrap", ipwrap),
    ("network_in_network", |call| within(call, false)),
    ("network_in_usable", |call| within(call, true)),
    ("nthhost", nthhost),
];

fn none() -> Value {
    Value::from(())
}

/// A value that is an address or network; a number is an address, of version 4 if it is small enough.
fn network(value: &Value) -> Option<Network> {
    match value.kind() {
        ValueKind::Number if value.is_integer() => Network::of_number(u128::try_from(value.clone()).ok()?),
        ValueKind::String => {
            let text = value.as_str()?;
            let number = text
                .parse::<u128>()
                .ok()
                .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
            number.map_or_else(|| Network::parse(text), Network::of_number)
        }
        _ => None,
    }
}

/// An address or network that must be one.
fn required(value: &Value) -> Result<Network, Error> {
    network(value).ok_or_else(|| fault("this is no address and no network"))
}

fn ipaddr(call: &mut Call, version: Option<u8>) -> Result<Value, Error> {
    let query = call.text(0, "query")?.unwrap_or_default();
    let version = match call.argument(1, "version")?.filter(Value::is_true) {
        Some(wanted) => u8::try_from(integer(&wanted, "version")?).ok(),
        None => version,
    };
    let _ = call.argument(2, "alias")?;
    call.done(3)?;
    queried(&call.value, &query, version)
}

/// The answer to a query about a value; of a list, those that there are.
fn queried(value: &Value, query: &str, version: Option<u8>) -> Result<Value, Error> {
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        let answers = list(value)?.into_iter().map(|item| queried(&item, query, version));
        let answers: Vec<Value> = answers.collect::<Result<_, _>>()?;
        return Ok(answers.into_iter().filter(Value::is_true).collect());
    }
    match network(value).filter(|network| version.is_none_or(|version| network.version() == version)) {
        Some(network) => answer(network, query, value),
        None => Ok(Value::from(false)),
    }
}

fn answer(it: Network, query: &str, value: &Value) -> Result<Value, Error> {
    if let Ok(index) = query.parse::<i128>() {
        return Ok(it.indexed(index).map_or(Value::from(false), Value::from));
    }
    let text = |text: Option<String>| text.map_or_else(none, Value::from);
    let kept = |keeps: bool| if keeps { value.clone() } else { none() };
    Ok(match query {
        "" => Value::from(it.as_written()),
        "address" | "ip" => text(it.is_host().then(|| it.address())),
        "address/prefix" | "gateway" | "gw" | "host/prefix" | "hostnet" | "router" => {
            let edge = it.size() > Some(2) && (it.is_first() || it.is_last());
            if edge {
                Value::from(false)
            } else {
                Value::from(it.with_prefix())
            }
        }
        "bool" => Value::from(true),
        "broadcast" => text((it.size() != Some(1) && it.size() != Some(2)).then(|| it.at(it.last()))),
        "cidr" => Value::from(it.with_prefix()),
        "host" => text(it.is_host().then(|| it.with_prefix())),
        "hostmask" | "wildcard" => Value::from(it.at(it.hostmask())),
        "int" => it.number(),
        "ip/prefix" => text(it.is_beside_first().then(|| it.with_prefix())),
        "ip_netmask" => text(
            it.is_beside_first()
                .then(|| format!("{} {}", it.address(), it.at(it.netmask()))),
        ),
        "ipv4" | "v4" => it.as_version_4().map_or(Value::from(false), Value::from),
        "ipv6" | "v6" => {
            if it.version() == 4 {
                Value::from(it.as_version_6())
            } else {
                value.clone()
            }
        }
        "link-local" => kept(it.is_in("169.254.0.0/16") || it.is_in("fe80::/10")),
        "lo" | "loopback" => kept(it.is_in("127.0.0.0/8") || it.is_in("::1/128")),
        "multicast" => kept(it.is_multicast()),
        "net" => text((it.size() != Some(1) && it.is_first()).then(|| it.with_prefix())),
        "netmask" => Value::from(it.at(it.netmask())),
        "network" | "network_id" => Value::from(it.at(it.first())),
        "network_netmask" => Value::from(format!("{} {}", it.at(it.first()), it.at(it.netmask()))),
        "network_wildcard" => Value::from(format!("{} {}", it.at(it.first()), it.at(it.hostmask()))),
        "prefix" => Value::from(it.prefix()),
        "private" => kept(!it.is_global()),
        "public" => kept(it.is_global() && !it.is_multicast() && !it.is_mask()),
        "revdns" => Value::from(it.reverse_name()),
        "size" => it.size().map_or_else(none, Value::from),
        "size_usable" => Value::from(it.usable_size()),
        "network/prefix" | "subnet" => Value::from(it.subnet()),
        "type" => Value::from(if it.size() != Some(1) && it.is_first() {
            "network"
        } else {
            "address"
        }),
        "unicast" => kept(!it.is_multicast()),
        "version" => Value::from(it.version()),
        "wrap" => Value::from(it.wrapped()),
        "first_usable" | "last_usable" | "next_usable" | "peer" | "previous_usable" | "range_usable" => {
            text(of_network(it, query)?)
        }
        _ => return in_network(it, query, value),
    })
}

/// Queries that need a network, written with its prefix.
fn of_network(it: Network, query: &str) -> Result<Option<String>, Error> {
    if !it.has_prefix {
        return Err(fault(format!(
            "`{query}` needs a network with its prefix, and this is an address"
        )));
    }
    let Some((first, last)) = it.usable() else {
        return Ok(None);
    };
    let usable = |value: Option<u128>| {
        value
            .filter(|value| (first..=last).contains(value))
            .map(|value| it.at(value))
    };
    Ok(match query {
        "first_usable" => Some(it.at(first)),
        "last_usable" => Some(it.at(last)),
        "next_usable" => usable(it.value.checked_add(1)),
        "previous_usable" => usable(it.value.checked_sub(1)),
        "range_usable" => Some(format!("{}-{}", it.at(first), it.at(last))),
        _ => match it.size() {
            Some(2) => Some(it.at(it.value ^ 1)),
            Some(4) if (first..=last).contains(&it.value) => Some(it.at(it.value ^ 3)),
            _ => return Err(fault("only addresses of a network of 2 or 4 addresses have a peer")),
        },
    })
}

/// The value if it lies in a network.
fn in_network(it: Network, query: &str, value: &Value) -> Result<Value, Error> {
    let outer =
        Network::parse(query).ok_or_else(|| fault(format!("`{query}` is no query of ipaddr, and no network")))?;
    Ok(if outer.holds(&it) { value.clone() } else { none() })
}

fn ipwrap(call: &mut Call) -> Result<Value, Error> {
    call.done(1)?;
    let wrap = |value: &Value| network(value).map_or_else(|| value.clone(), |network| Value::from(network.wrapped()));
    Ok(match call.value.kind() {
        ValueKind::Seq | ValueKind::Iterable => call.list()?.iter().map(wrap).collect(),
        _ => wrap(&call.value),
    })
}

fn ipmath(call: &mut Call) -> Result<Value, Error> {
    let amount = integer(&call.required(0, "amount")?, "amount")?;
    call.done(1)?;
    let it = required(&call.value)?;
    let moved = it
        .value
        .checked_add_signed(i128::from(amount))
        .filter(|value| it.is_address(*value));
    moved
        .map(|value| Value::from(it.at(value)))
        .ok_or_else(|| fault("there is no such address"))
}

fn nthhost(call: &mut Call) -> Result<Value, Error> {
    let index = integer(&call.required(0, "query")?, "query")?;
    call.done(1)?;
    let Some(it) = network(&call.value) else {
        return Ok(Value::from(false));
    };
    Ok(it
        .nth(i128::from(index))
        .map_or(Value::from(false), |value| Value::from(it.at(value))))
}

/// The size of a subnet, its index, or a network: how many there are, one of them, or where it stands.
fn ipsubnet(call: &mut Call) -> Result<Value, Error> {
    let query = call.text(0, "query")?.unwrap_or_default();
    let index = call.integer(1, "index")?;
    call.done(2)?;
    let Some(it) = network(&call.value) else {
        return Ok(Value::from(false));
    };
    if query.is_empty() {
        return Ok(Value::from(it.subnet()));
    }
    let Ok(prefix) = query.parse::<u32>() else {
        return Err(fault("`ipsubnet` knows prefixes only"));
    };
    if prefix > it.bits() {
        return Ok(Value::from(false));
    }
    match it.subnets(prefix) {
        None if index.unwrap_or_default() == 0 => Ok(Value::from(it.widened(prefix).subnet())),
        None => Err(fault("a network has one network around it of each size")),
        Some(count) => Ok(match index {
            None => Value::from(count.to_string()),
            Some(index) => it
                .nth_subnet(prefix, i128::from(index), count)
                .map_or(Value::from(false), Value::from),
        }),
    }
}

fn within(call: &mut Call, usable: bool) -> Result<Value, Error> {
    let test = required(&call.required(0, "test")?)?;
    call.done(1)?;
    let it = required(&call.value)?;
    let (first, last) = match it.usable() {
        Some(range) if usable => range,
        _ => (it.first(), it.last()),
    };
    let inside = it.version() == test.version() && first <= test.first() && test.last() <= last;
    Ok(Value::from(inside))
}

fn cidr_merge(call: &mut Call) -> Result<Value, Error> {
    let action = call.text(0, "action")?.unwrap_or_else(|| "merge".to_owned());
    call.done(1)?;
    let networks = only_list(&call.value, "what is merged")?
        .iter()
        .map(required)
        .collect::<Result<Vec<_>, _>>()?;
    match action.as_str() {
        "merge" => {
            let merged = network::merged(networks);
            Ok(merged.iter().map(|network| Value::from(network.subnet())).collect())
        }
        "span" => Ok(network::spanning(&networks).map_or_else(none, |network| Value::from(network.subnet()))),
        _ => Err(fault("`action` is merge or span")),
    }
}
