//! Numbers and truth.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::Table;
use crate::template::calls::{Call, fault, kind};
use crate::template::python;

pub(super) const FILTERS: Table = &[
    ("abs", abs),
    ("bool", bool),
    ("float", float),
    ("human_readable", human_readable),
    ("human_to_bytes", human_to_bytes),
    ("int", int),
    ("log", log),
    ("pow", pow),
    ("root", root),
];

/// A number, or a truth as Python counts it.
fn number(value: &Value, what: &str) -> Result<f64, Error> {
    let number = match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    };
    number.ok_or_else(|| fault(format!("{what} must be a number, and is {}", kind(value))))
}

fn finite(number: f64) -> Result<Value, Error> {
    if number.is_nan() || number.is_infinite() {
        return Err(fault("this cannot be calculated"));
    }
    Ok(Value::from(number))
}

fn abs(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    match i64::try_from(call.value.clone()).ok().and_then(i64::checked_abs) {
        Some(number) if call.value.is_integer() || call.value.kind() == ValueKind::Bool => Ok(Value::from(number)),
        _ => Ok(Value::from(number(&call.value, "this")?.abs())),
    }
}

fn bool(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let text = python::text(&call.value)?.to_lowercase();
    let known = matches!(call.value.kind(), ValueKind::String | ValueKind::Bool) || call.value.is_integer();
    let truth = if known {
        matches!(text.as_str(), "yes" | "on" | "true" | "1")
    } else {
        text == "1.0"
    };
    Ok(Value::from(truth))
}

fn float(call: &mut Call) -> Result<Value, Error> {
    let default = call.argument(0, "default")?.unwrap_or_else(|| Value::from(0.0));
    call.done(1)?;
    let number = match call.value.as_str() {
        Some(text) => python_float(text),
        None => number(&call.value, "this").ok(),
    };
    Ok(number.map_or(default, Value::from))
}

/// The number that Python's `float()` reads.
fn python_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = |c: char| c.is_ascii_digit();
    let grouped = !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    let plain = text.replace('_', "");
    let word = plain.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let is_number =
        word.starts_with(|c: char| digits(c) || c == '.') || matches!(word.as_str(), "inf" | "infinity" | "nan");
    (grouped && is_number).then(|| plain.parse().ok()).flatten()
}

fn int(call: &mut Call) -> Result<Value, Error> {
    let default = call.argument(0, "default")?.unwrap_or_else(|| Value::from(0));
    let base = call.integer(1, "base")?.unwrap_or(10);
    call.done(2)?;
    let integer = |number: i128| i64::try_from(number).map_or_else(|_| Value::from(number), Value::from);
    let read = match call.value.as_str() {
        Some(text) => python_int(text, base).or_else(|| python_float(text).and_then(whole)),
        None if call.value.is_integer() => i128::try_from(call.value.clone()).ok(),
        None => number(&call.value, "this").ok().and_then(whole),
    };
    Ok(read.map_or(default, integer))
}

/// The number without its fraction, where it has few enough digits.
#[expect(clippy::cast_possible_truncation, reason = "checked to fit")]
fn whole(number: f64) -> Option<i128> {
    (number.abs() < 1e38).then_some(number.trunc() as i128)
}

/// The number that Python's `int(text, base)` reads.
fn python_int(text: &str, base: i64) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let marks = [("0x", 16), ("0o", 8), ("0b", 2)];
    let marked = marks
        .iter()
        .find_map(|(prefix, radix)| Some((lower.strip_prefix(prefix)?, *radix)));
    let (digits, radix) = match marked {
        Some((rest, radix)) if base == 0 || base == i64::from(radix) => (rest, radix),
        _ if base == 0 => (lower.as_str(), 10),
        _ => (
            lower.as_str(),
            u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?,
        ),
    };
    let grouped = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    let plain = digits.replace('_', "");
    let valid = grouped && plain.starts_with(|c: char| c.is_ascii_alphanumeric());
    valid
        .then(|| i128::from_str_radix(&plain, radix).ok())?
        .map(|number| sign * number)
}

fn log(call: &mut Call) -> Result<Value, Error> {
    let base = call.argument(0, "base")?;
    call.done(1)?;
    let subject = number(&call.value, "this")?;
    let base = base.map(|base| number(&base, "`base`")).transpose()?;
    if subject <= 0.0 {
        return Err(fault("only numbers above 0 have a logarithm"));
    }
    finite(match base {
        None => subject.ln(),
        Some(base) if (base - 10.0).abs() < f64::EPSILON => subject.log10(),
        Some(base) => subject.ln() / base.ln(),
    })
}

fn pow(call: &mut Call) -> Result<Value, Error> {
    let exponent = number(&call.required(0, "y")?, "the exponent")?;
    call.done(1)?;
    finite(number(&call.value, "this")?.powf(exponent))
}

fn root(call: &mut Call) -> Result<Value, Error> {
    let base = call
        .argument(0, "base")?
        .map(|base| number(&base, "`base`"))
        .transpose()?
        .unwrap_or(2.0);
    call.done(1)?;
    let subject = number(&call.value, "this")?;
    finite(if (base - 2.0).abs() < f64::EPSILON {
        subject.sqrt()
    } else {
        subject.powf(1.0 / base)
    })
}

/// Units of sizes, the largest first: letter, factor, name in bits and bytes.
const UNITS: &[(char, f64, &str)] = &[
    ('Y', 1_208_925_819_614_629_174_706_176.0, "yotta"),
    ('Z', 1_180_591_620_717_411_303_424.0, "zetta"),
    ('E', 1_152_921_504_606_846_976.0, "exa"),
    ('P', 1_125_899_906_842_624.0, "peta"),
    ('T', 1_099_511_627_776.0, "tera"),
    ('G', 1_073_741_824.0, "giga"),
    ('M', 1_048_576.0, "mega"),
    ('K', 1024.0, "kilo"),
    ('B', 1.0, ""),
];

fn human_readable(call: &mut Call) -> Result<Value, Error> {
    let (bits, unit) = (call.flag(0, "isbits")?, call.text(1, "unit")?);
    call.done(2)?;
    let size = number(&call.value, "a size")?;
    let wanted = |letter: char, factor: f64| match &unit {
        Some(unit) => unit.to_uppercase() == letter.to_string(),
        None => size >= factor,
    };
    let found = UNITS.iter().find(|(letter, factor, _)| wanted(*letter, *factor));
    let (letter, factor, _) = found.copied().unwrap_or(('B', 1.0, ""));
    let name = match (letter, bits) {
        ('B', true) => "bits".to_owned(),
        ('B', false) => "Bytes".to_owned(),
        (letter, true) => format!("{letter}b"),
        (letter, false) => format!("{letter}B"),
    };
    Ok(Value::from(format!("{:.2} {name}", size / factor)))
}

fn human_to_bytes(call: &mut Call) -> Result<Value, Error> {
    let default = call.text(0, "default_unit")?;
    let bits = call.flag(1, "isbits")?;
    call.done(2)?;
    let text = call.subject()?;
    let text = text.trim_end();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let unit = unit.trim_start();
    let number: Option<f64> = digits.parse().ok().filter(|_| !digits.ends_with('.'));
    let number = number.ok_or_else(|| fault("a size is a number with a unit, as in 10 MB"))?;
    let unit = if unit.is_empty() {
        default.unwrap_or_default()
    } else {
        unit.to_owned()
    };
    let Some(first) = unit.chars().next() else {
        return whole_value(number.round_ties_even());
    };
    let known = UNITS
        .iter()
        .find(|(letter, _, _)| *letter == first.to_ascii_uppercase());
    let (letter, factor, name) = known.ok_or_else(|| fault("this unit of a size is not known"))?;
    let (short, long) = if bits { ("b", "bit") } else { ("B", "byte") };
    let exact = if *letter == 'B' {
        short.to_owned()
    } else {
        format!("{letter}{short}")
    };
    let word = format!("{name}{long}");
    if unit.chars().count() > 1 && unit != exact && unit.to_lowercase() != word {
        return Err(fault(format!(
            "this unit of a size is not known; did you mean {exact}?"
        )));
    }
    whole_value((number * factor).round_ties_even())
}

fn whole_value(number: f64) -> Result<Value, Error> {
    let whole = whole(number).ok_or_else(|| fault("this size is too large"))?;
    Ok(i64::try_from(whole).map_or_else(|_| Value::from(whole), Value::from))
}
