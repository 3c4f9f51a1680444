//! The options of one rule, each with the module or target that it belongs to, as `iptables-restore` deals them out
//! (iptables 1.8 `xshared.c`, `do_parse`): of several that know an option the one loaded last has it, beginnings of names
//! will do, and a protocol's own module is loaded when one of its options comes.

mod reader;

use super::extensions::Takes;
use super::parse::Fault;
use super::values;
use super::words::Word;

/// What follows `-A CHAIN`.
#[derive(Debug, Clone, Default)]
pub(super) struct Spec {
    /// Options of no module, by their short names.
    pub general: Vec<Opt>,
    /// In the order in which they are loaded.
    pub modules: Vec<Module>,
    pub target: Option<Aim>,
    /// A word that belongs to no option, or an option that nothing knows: iptables refuses both.
    pub stray: Option<Fault>,
}

/// An option and its values.
#[derive(Debug, Clone)]
pub(super) struct Opt {
    pub negated: bool,
    /// As it is written in full; empty for words that belong to none.
    pub name: String,
    pub values: Vec<String>,
}

impl Opt {
    /// As words of a rule.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        let negation = self.negated.then(|| "!".to_owned());
        negation
            .into_iter()
            .chain(Some(self.name.clone()).filter(|name| !name.is_empty()))
            .chain(self.values.iter().cloned())
    }
}

/// A module and its options.
#[derive(Debug, Clone)]
pub(super) struct Module {
    pub name: String,
    pub options: Vec<Opt>,
    takes: Option<Takes>,
}

/// A target, or another chain, and its options.
#[derive(Debug, Clone)]
pub(super) struct Aim {
    /// Whether by `-g`.
    pub goto: bool,
    pub name: String,
    pub options: Vec<Opt>,
    takes: Option<Takes>,
}

/// Whom an option belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    General,
    Module(usize),
    Target,
}

impl Spec {
    /// Deals out the words.
    pub fn read(words: &[Word]) -> Result<Self, Fault> {
        reader::read(words)
    }

    fn options(&mut self, place: Place) -> &mut Vec<Opt> {
        let module = match place {
            Place::Module(index) => self.modules.get_mut(index),
            _ => None,
        };
        match (module, place, &mut self.target) {
            (Some(module), _, _) => &mut module.options,
            (None, Place::Target, Some(target)) => &mut target.options,
            _ => &mut self.general,
        }
    }

    fn takes(&self, place: Place) -> Option<Takes> {
        match place {
            Place::Module(index) => self.modules.get(index)?.takes,
            Place::Target => self.target.as_ref()?.takes,
            Place::General => None,
        }
    }

    /// The protocol that the rule is about, by name.
    fn protocol(&self) -> Option<String> {
        let option = self.general.iter().rev().find(|option| option.name == "-p")?;
        (!option.negated)
            .then(|| values::protocol_name(option.values.first()?))
            .flatten()
    }
}
