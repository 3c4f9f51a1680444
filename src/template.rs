//! Templates in variables (`{{ }}`, `{% %}`), as ansible-core 2.19 renders them with Jinja2 3.1.
//!
//! A variable that holds templates is rendered when it is used and only as far as it is used, in the scope of the
//! host that it belongs to. A template that is one expression gives that expression's value, with its type; mixed
//! text gives text. What a template gives is never taken for a template again. Filters and tests are Jinja2's and
//! Ansible's; `minijinja` does the language. This module asks a [`World`] for files and the environment, and a
//! [`Scope`] for variables; it does not know where variables come from. What a template may cost is bounded.

mod calls;
mod context;
mod fault;
mod filters;
mod functions;
mod lazy;
mod output;
mod python;
mod source;
mod tests_of_values;

use std::path::PathBuf;
use std::sync::Arc;

pub use minijinja::Value as Computed;

use crate::problem::Problem;
use crate::world::World;
use crate::yaml::{self, Node, Style};

/// Opens the text of an encrypted value; the error says why it stays closed, without the text.
pub type Decrypt = dyn Fn(&str) -> Result<String, String> + Send + Sync;

/// A variable, before its templates are rendered.
#[derive(Debug, Clone)]
pub enum Variable {
    /// As it stands in a file.
    Node(Node),
    /// Made by the program: a magic variable.
    Computed(Computed),
}

/// Where variables come from: one host's, all sources merged, the magic ones included.
///
/// `hostvars`, `vars` and `omit` are no variables of a scope: they are made from [`Scope::host`], [`Scope::names`]
/// and nothing.
pub trait Scope: Send + Sync {
    /// The variable of a name; asked for once per rendering.
    fn variable(&self, name: &str) -> Option<Variable>;

    /// The names of all variables.
    fn names(&self) -> Vec<String>;

    /// The scope of another host, for `hostvars`.
    fn host(&self, name: &str) -> Option<Arc<dyn Scope>>;

    /// The names of all hosts, in the inventory's order, for loops over `hostvars`.
    fn hosts(&self) -> Vec<String>;

    /// The folders in which `lookup('file', …)` looks, the nearest first; each is tried with `files/` first.
    fn folders(&self) -> Vec<PathBuf>;
}

/// Renders templates. Made once per run; a clone costs nothing.
#[derive(Clone)]
pub struct Templates(Arc<context::Engine>);

impl Templates {
    /// Templates that read files and the environment of this world.
    #[must_use]
    pub fn new(world: Arc<dyn World>, decrypt: Box<Decrypt>) -> Self {
        Self(Arc::new(context::Engine::new(world, decrypt)))
    }

    /// The value with all templates in it replaced by what they give, and encrypted values by their text; each part
    /// keeps the place that it was written at. In lists and maps, what is `omit` is left out.
    ///
    /// # Errors
    /// One problem for each template that cannot be rendered, at its place.
    pub fn render(&self, node: &Node, scope: &Arc<dyn Scope>) -> Result<Node, Vec<Problem>> {
        if !needs_rendering(node) {
            return Ok(node.clone());
        }
        output::Rendering::new(&self.0, scope).top(node)
    }
}

/// Whether the text holds the beginning of a template.
#[must_use]
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// Whether this value alone is a template.
fn is_template_node(node: &Node) -> bool {
    node.style != Style::Unsafe && node.as_str().is_some_and(is_template)
}

/// Whether anything in the value is a template or encrypted.
#[must_use]
pub fn needs_rendering(node: &Node) -> bool {
    match &node.value {
        yaml::Value::List(items) => items.iter().any(needs_rendering),
        yaml::Value::Map(entries) => entries.iter().any(|(_, value)| needs_rendering(value)),
        yaml::Value::Vault(_) => true,
        _ => is_template_node(node),
    }
}

#[cfg(test)]
mod tests;
