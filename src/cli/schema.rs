//! JSON Schemas of what people write, for editors: made of structs that describe the files and are never filled.
//!
//! Draft 7, which yaml-language-server supports best. A test holds their keys to those that the parsers know.

mod inventory;
mod playbook;
mod portmap;
mod value;

use std::io::Write as _;

use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};

use crate::report::ExitCode;

/// What to describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    /// A playbook.
    Playbook,
    /// The value of the variable `portmap`.
    Portmap,
    /// An inventory in YAML.
    Inventory,
    /// A file of variables, as in `group_vars` and `host_vars`.
    Vars,
}

/// Prints a schema.
pub(super) fn run(what: What) -> ExitCode {
    let text = format!("{:#}\n", schema(what).as_value());
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::Done,
        Err(_) => ExitCode::Error,
    }
}

fn schema(what: What) -> Schema {
    match what {
        What::Playbook => of::<playbook::Playbook>(),
        What::Portmap => of::<portmap::Portmap>(),
        What::Inventory => of::<inventory::Inventory>(),
        What::Vars => of::<inventory::Vars>(),
    }
}

fn of<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(value::tidy));
    settings.into_generator().into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests;
