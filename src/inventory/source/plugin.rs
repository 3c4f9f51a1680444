//! Sources that configure a plugin of Ansible's (`aws_ec2.yml` and the like): where Ansible is installed, it is asked
//! for what it makes of them.

use std::path::Path;

use super::script;
use crate::inventory::data::Data;
use crate::problem::Problem;
use crate::world::World;
use crate::yaml::Node;

/// Hands the source to `ansible-inventory`.
pub(super) fn read(path: &Path, plugin: &Node, world: &dyn World, data: &mut Data) -> Result<(), Vec<Problem>> {
    let name = plugin.as_str().unwrap_or_default();
    let says = |message: String| Problem::at(&plugin.at, message);
    if ["constructed", "ansible.builtin.constructed"].contains(&name) {
        let problem = says(format!(
            "the plugin {name} builds on the other sources, and is not supported"
        ));
        return Err(vec![problem.hint(SAVE)]);
    }
    let Some(program) = world.find_program("ansible-inventory") else {
        let message =
            format!("this configures the inventory plugin {name}, and Ansible, which has it, is not installed");
        let hint = "install ansible-core with the plugin's collection, or save what `ansible-inventory --list` prints elsewhere";
        return Err(vec![says(message).hint(hint)]);
    };
    let Some(source) = path.to_str() else {
        return Err(vec![says("the path is not UTF-8".to_owned())]);
    };
    // Relative paths that begin with a dash would be options.
    let source = format!("--inventory={source}");
    script::ask(&program, &["--list", "--export", &source], world, data)
        .map(|_| ())
        .map_err(|problems| {
            let asked = says(format!(
                "`ansible-inventory` did not read this configuration of the plugin {name}"
            ));
            std::iter::once(asked).chain(problems).collect()
        })
}

const SAVE: &str = "save what `ansible-inventory --list --export` prints for all of them, and use that";
