//! Questions about an inventory, answered in the forms of `ansible-inventory` and under Ansible's rules: no host need be
//! fit for a deploy.

use std::sync::Arc;

use super::Request;
use super::data::{ALL, Vars};
use super::dump::Dump;
use super::precedence::{Layered, Precedence};
use super::text::Texts;
use crate::problem::Problem;
use crate::world::World;

/// What to print of an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// All hosts and groups in JSON, as `ansible-inventory --list`.
    List,
    /// The same in YAML.
    ListYaml,
    /// The variables of the one host that a pattern matches, in JSON.
    Host(String),
    /// The same in YAML.
    HostYaml(String),
    /// The tree from a group on, as `ansible-inventory --graph`.
    Graph {
        /// Its name.
        group: String,
        /// With the variables of hosts and groups.
        vars: bool,
    },
    /// The names of the hosts, one a line.
    ListHosts,
}

/// Text for people or programs, and what should be said beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The text, with a line end behind it.
    pub text: String,
    /// What should be said and stops nothing.
    pub warnings: Vec<Problem>,
}

/// Answers a question about sources, under Ansible's rules: no host need be fit for a deploy.
///
/// # Errors
/// Everything that is wrong with the sources, the limit, or the vars files that the answer needs.
pub fn ask(request: &Request, question: &Question, world: &Arc<dyn World>) -> Result<Answer, Vec<Problem>> {
    let mut layered = Layered::load(request, world)?;
    let texts = &layered.files.texts;
    texts.warn(std::mem::take(&mut layered.inventory.data.remarks));
    texts.warn(std::mem::take(&mut layered.inventory.data.lost));
    let none = Vars::new();
    let text = answer(&Precedence::new(&layered, &none, &none), request, question, texts)?;
    let warnings = texts.take_warnings();
    Ok(Answer { text, warnings })
}

fn answer(
    precedence: &Precedence<'_>,
    request: &Request,
    question: &Question,
    texts: &Texts,
) -> Result<String, Vec<Problem>> {
    let (inventory, world) = (&precedence.layered.inventory, &*texts.world);
    let everything = || {
        // Whatever else a limit means to a question that it does not change: its files must be there.
        super::limit(&request.limit, world)?;
        let all = Dump::everything(precedence);
        Ok::<_, Vec<Problem>>(Dump::new(precedence, all).with_playbook(request.playbook_folder.is_some()))
    };
    let limited = || {
        let mut selection = inventory.ask(ALL, &request.limit, world)?;
        texts.warn(std::mem::take(&mut selection.unmatched));
        texts.warn(std::mem::take(&mut selection.warnings));
        Ok::<_, Vec<Problem>>(selection)
    };
    let mut text = match question {
        Question::List => Dump::of(precedence, &limited()?).list()?,
        Question::ListYaml => Dump::of(precedence, &limited()?).yaml()?,
        Question::Host(pattern) => everything()?.host(inventory.one_host(pattern, world)?)?,
        Question::HostYaml(pattern) => everything()?.host_yaml(inventory.one_host(pattern, world)?)?,
        Question::Graph { group, vars } => everything()?.graph(inventory.known_group(group)?, *vars)?,
        Question::ListHosts => {
            let selection = limited()?;
            if selection.hosts.is_empty() && !inventory.data.hosts.is_empty() && !request.limit.is_empty() {
                return Err(vec![Problem::new("the limit leaves no host")]);
            }
            Dump::of(precedence, &selection).names()
        }
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
