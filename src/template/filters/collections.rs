//! Lists and maps.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, Value};

use super::Table;
use crate::template::calls::{Call, entries, fault, kind, list, only_list};
use crate::template::output::MAX_DEPTH;
use crate::template::python;

pub(super) const FILTERS: Table = &[
    ("combine", combine),
    ("dict2items", dict2items),
    ("extract", extract),
    ("first", first),
    ("flatten", flatten_filter),
    ("items2dict", items2dict),
    ("join", join),
    ("last", last),
    ("list", list_filter),
    ("max", max),
    ("min", min),
    ("random", no_chance),
    ("rekey_on_member", rekey_on_member),
    ("shuffle", no_chance),
    ("subelements", subelements),
];

pub(super) fn tuple(items: Vec<Value>) -> Value {
    Value::from(Tuple::from(items))
}

fn no_chance(_: &mut Call) -> Result<Value, Error> {
    Err(fault(
        "chance is not available: what is deployed must not differ from run to run",
    ))
}

fn list_filter(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    Ok(Value::from(call.list()?))
}

/// Of nothing, nothing: what is undefined then is noted by its use.
fn first(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    Ok(call.list()?.into_iter().next().unwrap_or(Value::UNDEFINED))
}

fn last(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    Ok(call.list()?.into_iter().next_back().unwrap_or(Value::UNDEFINED))
}

fn join(call: &mut Call) -> Result<Value, Error> {
    let separator = call.text(0, "d")?.unwrap_or_default();
    let attribute = call.argument(1, "attribute")?;
    call.done(2)?;
    let mut texts = Vec::new();
    for item in call.list()? {
        let item = match &attribute {
            Some(attribute) => path(&item, attribute)?,
            None => item,
        };
        texts.push(python::text(&item)?);
    }
    Ok(Value::from(texts.join(&separator)))
}

/// What a dotted name of attributes leads to.
pub(super) fn path(value: &Value, attribute: &Value) -> Result<Value, Error> {
    let Some(names) = attribute.as_str() else {
        return value.get_item(attribute);
    };
    names
        .split('.')
        .try_fold(value.clone(), |value, name| match name.parse::<usize>() {
            Ok(index) if value.kind() != ValueKind::Map => value.get_item_by_index(index),
            _ => value.get_attr(name),
        })
}

fn extreme(call: &Call, better: fn(&Value, &Value) -> bool) -> Result<Value, Error> {
    let attribute = call.argument(1, "attribute")?;
    let as_written = call.flag(0, "case_sensitive")?;
    let key = |value: &Value| -> Result<Value, Error> {
        let value = attribute
            .as_ref()
            .map_or(Ok(value.clone()), |attribute| path(value, attribute))?;
        Ok(match value.as_str() {
            Some(text) if !as_written => Value::from(text.to_lowercase()),
            _ => value,
        })
    };
    let mut best: Option<(Value, Value)> = None;
    for item in call.list()? {
        let key = key(&item)?;
        if best.as_ref().is_none_or(|(known, _)| better(&key, known)) {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

fn max(call: &mut Call) -> Result<Value, Error> {
    extreme(call, |new, known| new > known)
}

fn min(call: &mut Call) -> Result<Value, Error> {
    extreme(call, |new, known| new < known)
}

fn flatten_filter(call: &mut Call) -> Result<Value, Error> {
    let levels = call
        .integer(0, "levels")?
        .map(|levels| usize::try_from(levels).unwrap_or_default());
    let skips = call.argument(1, "skip_nulls")?.is_none_or(|value| value.is_true());
    call.done(2)?;
    flatten(&only_list(&call.value, "what is flattened")?, levels, skips).map(Value::from)
}

/// Lists in the list opened, as many levels as said.
pub(in super::super) fn flatten(
    items: &[Value],
    levels: Option<usize>,
    skips_nulls: bool,
) -> Result<Vec<Value>, Error> {
    fn open(items: &[Value], levels: usize, skips: bool, out: &mut Vec<Value>) -> Result<(), Error> {
        for item in items {
            let is_null = item.is_none() || matches!(item.as_str(), Some("None" | "null"));
            let is_list = matches!(item.kind(), ValueKind::Seq | ValueKind::Iterable);
            match () {
                () if is_null && skips => {}
                () if is_list && levels > 0 => open(&list(item)?, levels - 1, skips, out)?,
                () => out.push(item.clone()),
            }
        }
        Ok(())
    }
    let mut out = Vec::new();
    open(items, levels.unwrap_or(MAX_DEPTH), skips_nulls, &mut out)?;
    Ok(out)
}

/// How `combine` puts two lists together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merge {
    Replace,
    Keep,
    Append { new_only: bool },
    Prepend { new_only: bool },
}

fn combine(call: &mut Call) -> Result<Value, Error> {
    let recursive = call.flag(usize::MAX, "recursive")?;
    let merge = match call.text(usize::MAX, "list_merge")?.as_deref() {
        None | Some("replace") => Merge::Replace,
        Some("keep") => Merge::Keep,
        Some("append") => Merge::Append { new_only: false },
        Some("append_rp") => Merge::Append { new_only: true },
        Some("prepend") => Merge::Prepend { new_only: false },
        Some("prepend_rp") => Merge::Prepend { new_only: true },
        Some(_) => {
            return Err(fault(
                "`list_merge` is replace, keep, append, prepend, append_rp or prepend_rp",
            ));
        }
    };
    call.done(usize::MAX)?;
    let terms: Vec<Value> = std::iter::once(&call.value).chain(&call.positional).cloned().collect();
    let mut maps = flatten(&terms, Some(1), true)?.into_iter();
    let first = maps
        .next()
        .unwrap_or_else(|| Value::from_pairs(Vec::<(Value, Value)>::new()));
    entries(&first, "what is combined")?;
    maps.try_fold(first, |low, high| merged(&low, &high, recursive, merge, 0))
}

fn merged(low: &Value, high: &Value, recursive: bool, merge: Merge, depth: usize) -> Result<Value, Error> {
    if depth > MAX_DEPTH {
        return Err(fault("the maps are too deep to be combined"));
    }
    let mut result: indexmap::IndexMap<Value, Value> = entries(low, "what is combined")?.into_iter().collect();
    for (key, value) in entries(high, "what is combined")? {
        let value = match result.get(&key) {
            Some(known) if recursive && known.kind() == ValueKind::Map && value.kind() == ValueKind::Map => {
                merged(known, &value, recursive, merge, depth + 1)?
            }
            Some(known) if is_list(known) && is_list(&value) => merged_lists(known, &value, merge)?,
            _ => value,
        };
        result.insert(key, value);
    }
    Ok(Value::from_pairs(result))
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn merged_lists(low: &Value, high: &Value, merge: Merge) -> Result<Value, Error> {
    let (mut low, mut high) = (list(low)?, list(high)?);
    Ok(Value::from(match merge {
        Merge::Replace => high,
        Merge::Keep => low,
        Merge::Append { new_only } => {
            low.retain(|item| !new_only || !high.contains(item));
            low.append(&mut high);
            low
        }
        Merge::Prepend { new_only } => {
            low.retain(|item| !new_only || !high.contains(item));
            high.append(&mut low);
            high
        }
    }))
}

fn dict2items(call: &mut Call) -> Result<Value, Error> {
    let key_name = call.text(0, "key_name")?.unwrap_or_else(|| "key".to_owned());
    let value_name = call.text(1, "value_name")?.unwrap_or_else(|| "value".to_owned());
    call.done(2)?;
    let pair = |(key, value)| Value::from_pairs([(key_name.as_str(), key), (value_name.as_str(), value)]);
    Ok(entries(&call.value, "what becomes items")?
        .into_iter()
        .map(pair)
        .collect())
}

fn items2dict(call: &mut Call) -> Result<Value, Error> {
    let key_name = call.text(0, "key_name")?.unwrap_or_else(|| "key".to_owned());
    let value_name = call.text(1, "value_name")?.unwrap_or_else(|| "value".to_owned());
    call.done(2)?;
    let mut pairs = Vec::new();
    for item in only_list(&call.value, "what becomes a map")? {
        let (key, value) = (item.get_attr(&key_name)?, item.get_attr(&value_name)?);
        if key.is_undefined() || value.is_undefined() {
            return Err(fault(format!("each item must have `{key_name}` and `{value_name}`")));
        }
        pairs.push((key, value));
    }
    Ok(Value::from_pairs(pairs))
}

fn rekey_on_member(call: &mut Call) -> Result<Value, Error> {
    let member = call.required(0, "key")?;
    let overwrites = match call.text(1, "duplicates")?.as_deref() {
        None | Some("error") => false,
        Some("overwrite") => true,
        Some(_) => return Err(fault("`duplicates` is error or overwrite")),
    };
    call.done(2)?;
    let items = match call.value.kind() {
        ValueKind::Map => entries(&call.value, "")?.into_iter().map(|(_, item)| item).collect(),
        _ => only_list(&call.value, "what is keyed")?,
    };
    let mut result = indexmap::IndexMap::new();
    for item in items {
        let key = item.get_item(&member)?;
        if key.is_undefined() {
            return Err(fault("an item does not have the key"));
        }
        if result.insert(key, item).is_some() && !overwrites {
            return Err(fault("two items have the same key"));
        }
    }
    Ok(Value::from_pairs(result))
}

fn extract(call: &mut Call) -> Result<Value, Error> {
    let container = call.required(0, "container")?;
    let more = call.argument(1, "morekeys")?.filter(|keys| !keys.is_none());
    call.done(2)?;
    let mut keys = vec![call.value.clone()];
    match more {
        Some(more) if is_list(&more) => keys.extend(list(&more)?),
        more => keys.extend(more),
    }
    let mut value = container;
    for key in keys {
        value = value.get_item(&key)?;
        if value.is_undefined() {
            break;
        }
    }
    Ok(value)
}

fn subelements(call: &mut Call) -> Result<Value, Error> {
    let path = call.required(0, "subelements")?;
    let skips = call.flag(1, "skip_missing")?;
    call.done(2)?;
    let names: Vec<Value> = match path.as_str() {
        Some(path) => path.split('.').map(Value::from).collect(),
        None => only_list(&path, "`subelements`")?,
    };
    let items = match call.value.kind() {
        ValueKind::Map => entries(&call.value, "")?.into_iter().map(|(_, item)| item).collect(),
        _ => only_list(&call.value, "what is searched")?,
    };
    let mut pairs = Vec::new();
    for item in items {
        for value in within(&item, &names, skips)? {
            pairs.push(tuple(vec![item.clone(), value]));
        }
    }
    Ok(Value::from(pairs))
}

fn within(item: &Value, names: &[Value], skips: bool) -> Result<Vec<Value>, Error> {
    let mut value = item.clone();
    for name in names {
        if value.kind() != ValueKind::Map {
            return Err(fault(format!("a key leads into {}, and not into a map", kind(&value))));
        }
        value = value.get_item(name)?;
        if value.is_undefined() {
            return if skips {
                Ok(Vec::new())
            } else {
                Err(fault("an item does not have the key"))
            };
        }
    }
    only_list(&value, "what a key leads to")
}
