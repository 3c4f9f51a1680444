//! The rules as a newcomer meets them who is within every rate and on no list: `limit` and the like are settled, and
//! what is left of the rules is walked as ever.

use std::sync::Arc;

use crate::firewall::{Match, Ruleset, Target};

/// The same rules, at the same places, where a newcomer's first packet settles a match that is a matter of luck otherwise.
pub(super) fn calm(ruleset: &Ruleset) -> Ruleset {
    let mut calm = ruleset.clone();
    let chains = calm.tables.iter_mut().flat_map(|table| &mut table.chains);
    for rule in chains.flat_map(|chain| Arc::make_mut(&mut chain.rules)) {
        let answers: Vec<Option<bool>> = rule.matches.iter().map(of_a_newcomer).collect();
        if answers.contains(&Some(false)) {
            rule.matches.clear();
            rule.target = Target::None;
        } else {
            let mut answers = answers.into_iter();
            rule.matches.retain(|_| answers.next().flatten().is_none());
        }
    }
    calm
}

/// Whether a match holds for a newcomer's first packet; `None`: it is no matter of rates or lists.
fn of_a_newcomer(one: &Match) -> Option<bool> {
    let Match::Other { module, words } = one else {
        return match one {
            Match::Not(inner) => of_a_newcomer(inner).map(|holds| !holds),
            _ => None,
        };
    };
    let says = |option: &str| words.iter().any(|word| word == option);
    let turned = words.first().is_some_and(|word| word == "!");
    let holds = match module.as_str() {
        "limit" | "quota" => true,
        "hashlimit" => !says("--hashlimit-above"),
        "connlimit" => !says("--connlimit-above"),
        // `--set` always holds.
        "recent" if says("--set") => return (!turned).then_some(true),
        "recent" | "set" => false,
        _ => return None,
    };
    Some(holds != turned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_is_within_rates_and_on_no_list() {
        let text = "*filter\n:INPUT DROP [0:0]\n\
            -A INPUT -m recent --set --name x\n\
            -A INPUT -m recent --update --seconds 30 --hitcount 6 --name x -j DROP\n\
            -A INPUT -m set --match-set bans src -j DROP\n\
            -A INPUT -m set ! --match-set bans src -j ACCEPT\n\
            -A INPUT -p tcp -m limit --limit 3/min -j ACCEPT\n\
            -A INPUT -m connlimit --connlimit-above 3 -j DROP\n\
            -A INPUT -m time --timestart 10:00 -j DROP\nCOMMIT\n";
        let calm = calm(&Ruleset::parse(text).unwrap());
        let rules = calm.rules("filter", "INPUT");
        let seen: Vec<(usize, Option<&str>)> = rules.iter().map(|rule| (rule.matches.len(), rule.leads_to())).collect();
        assert_eq!(
            seen,
            [
                (0, None),
                (0, None),
                (0, None),
                (0, Some("ACCEPT")),
                (1, Some("ACCEPT")),
                (0, None),
                (1, Some("DROP"))
            ]
        );
    }
}
