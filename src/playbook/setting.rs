//! A keyword's value, or the template that stands for it.

use crate::problem::{Location, Problem};
use crate::template::needs_rendering;
use crate::yaml::Node;

/// A type that a keyword of a play can have.
pub trait Keyword: Sized + Clone {
    /// Reads a value without templates.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>>;
}

/// The value of a keyword: known, or a template that needs variables to become known.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting<T> {
    key: &'static str,
    node: Node,
    known: Option<T>,
}

impl<T: Keyword> Setting<T> {
    pub(super) fn read(node: &Node, key: &'static str) -> Result<Self, Vec<Problem>> {
        let known = if needs_rendering(node) {
            None
        } else {
            Some(T::read(node, key)?)
        };
        let node = node.clone();
        Ok(Self { key, node, known })
    }

    /// A value that is never looked at.
    pub(super) fn stand_in(node: &Node) -> Self {
        Self {
            key: "",
            node: node.clone(),
            known: None,
        }
    }

    /// Where it was written.
    pub fn at(&self) -> &Location {
        &self.node.at
    }

    /// The value, unless a template stands in its place.
    pub fn known(&self) -> Option<&T> {
        self.known.as_ref()
    }

    /// The value; if it is a template, what `render` makes of it.
    ///
    /// # Errors
    /// What `render` says, and everything that is wrong with what it made.
    pub fn resolve(&self, render: &mut Render<'_>) -> Result<T, Vec<Problem>> {
        match &self.known {
            Some(known) => Ok(known.clone()),
            None => T::read(&render(&self.node)?, self.key),
        }
    }
}

/// Renders all templates in a value.
pub type Render<'r> = dyn FnMut(&Node) -> Result<Node, Vec<Problem>> + 'r;
