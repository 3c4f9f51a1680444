//! Variables of a play, and the files that hold more of them.

use super::value::items;
use crate::problem::Problem;
use crate::template::needs_rendering;
use crate::yaml::{Node, Value};

/// Reads `vars`: names and values, in their order.
pub(super) fn vars(node: &Node) -> Result<Vec<(String, Node)>, Vec<Problem>> {
    let Value::Map(entries) = &node.value else {
        let problem = Problem::at(&node.at, format!("vars is {}, and must be a map", node.value.kind()));
        return Err(vec![problem.hint("write each variable as `name: value`")]);
    };
    let mut problems = Vec::new();
    let mut vars = Vec::new();
    for (key, value) in entries.iter() {
        match name(key) {
            Ok(name) => vars.push((name.to_owned(), value.clone())),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(vars) } else { Err(problems) }
}

/// A name that templates can say: Ansible's `validate_variable_name`.
fn name(key: &Node) -> Result<&str, Problem> {
    const TAKEN: [&str; 7] = ["true", "false", "none", "True", "False", "None", "not"];
    let is_name = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !TAKEN.contains(text)
    };
    key.as_str().filter(is_name).ok_or_else(|| {
        Problem::at(&key.at, format!("`{}` cannot name a variable", key.raw()))
            .hint("names have letters, digits and underscores, and begin with no digit")
    })
}

/// Reads `vars_files`: for each item its candidates, of which the first that exists is read.
pub(super) fn files(node: &Node) -> Result<Vec<Vec<Node>>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut file = |node: &Node| match path(node) {
        Ok(()) => Some(node.clone()),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let all = items(node)
        .iter()
        .map(|item| items(item).iter().filter_map(&mut file).collect())
        .collect();
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

fn path(node: &Node) -> Result<(), Problem> {
    if needs_rendering(node) && node.as_str().is_some() {
        return Ok(());
    }
    match node.text("an item of vars_files")? {
        "" => Err(Problem::at(&node.at, "an item of vars_files is empty")),
        _ => Ok(()),
    }
}
