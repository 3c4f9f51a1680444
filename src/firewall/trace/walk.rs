//! All ways of a packet through the chains of one table at a time.
//!
//! The ways walk side by side: at a condition that may hold both ways go on, and ways between which nothing is different any
//! more are one again, so that their number is that of the differences and not of the conditions.

use super::condition::{Facts, Holds};
use super::effect::Effect;
use super::nat;
use super::program::{Act, Line, Lines, Program};
use super::way::{Cause, End, Way, merge};
use super::{Host, State, Step, Verdict};
use crate::firewall::Ruleset;

/// Chains in chains are followed this deep; the kernel itself follows 16 of nft's.
const DEEPEST: usize = 200;
/// So many rules are asked, once for each way.
const LONGEST: usize = 8_000_000;
/// So many ways are followed.
const MOST_WAYS: usize = 1024;
/// So many rules are named as the packet's way.
const MOST_STEPS: usize = 200_000;

const TOO_DEEP: &str = "chains lead to one another in a circle, or too deep";
const TOO_MANY: &str = "too many rules may apply or not, each with another outcome";
const TOO_LONG: &str = "the rules lead through one another in too many ways to follow";

/// A packet's walk.
pub(super) struct Walk<'t, 'a> {
    pub program: &'t Program,
    ruleset: &'a Ruleset,
    pub host: &'t Host,
    pub steps: Vec<Step<'a>>,
    pub ends: Vec<End<'t>>,
    /// Which steps took the packet away, and which accepted it in filter.
    taken: Vec<usize>,
    accepted: Vec<usize>,
    /// Ways that are done with the table at hand.
    passed: Vec<Way<'t>>,
    /// How many ways left the chains that they were in for good.
    gone: usize,
    left: usize,
    /// Whether there is but one way so far.
    sure: bool,
}

impl<'t, 'a> Walk<'t, 'a> {
    pub fn new(program: &'t Program, ruleset: &'a Ruleset, host: &'t Host) -> Self {
        Self {
            program,
            ruleset,
            host,
            steps: Vec::new(),
            ends: Vec::new(),
            taken: Vec::new(),
            accepted: Vec::new(),
            passed: Vec::new(),
            gone: 0,
            left: LONGEST,
            sure: true,
        }
    }

    /// Leads ways through a table's built-in chain; hands back those that pass.
    pub fn hook(&mut self, table: &'static str, hook: &'static str, mut ways: Vec<Way<'t>>) -> Vec<Way<'t>> {
        let Some(index) = self.program.entry(table, hook) else {
            return ways;
        };
        if ways.is_empty() {
            return ways;
        }
        for way in &mut ways {
            way.facts.table = table;
            way.facts.hook = hook;
        }
        let (gone, ended) = (self.gone, self.ends.len());
        let rest = self.chain(index, ways, self.sure, 0);
        let rest = self.policy(index, rest, self.sure && self.gone == gone);
        let mut passed = std::mem::take(&mut self.passed);
        passed.extend(rest);
        merge(&mut passed);
        if passed.len() > MOST_WAYS {
            self.give_up(std::mem::take(&mut passed), TOO_MANY);
        }
        self.sure &= self.ends.len() == ended;
        passed
    }

    /// Ways go apart for good.
    pub fn part(&mut self) {
        self.sure = false;
    }

    /// What the policy leaves.
    fn policy(&mut self, index: usize, rest: Vec<Way<'t>>, certain: bool) -> Vec<Way<'t>> {
        let Some(chain) = self.program.chain(index).filter(|_| !rest.is_empty()) else {
            return rest;
        };
        let accepts = !chain.drops;
        if accepts && chain.table != "filter" {
            return rest;
        }
        let step = self.step(chain, 0, 0, certain);
        if accepts {
            self.accepted.extend(step);
            return rest;
        }
        self.end(rest, Verdict::Drop, step);
        Vec::new()
    }

    /// Notes a rule by its number from 1, or the policy by 0.
    fn step(&mut self, lines: &Lines, number: usize, depth: usize, certain: bool) -> Option<usize> {
        let table = self.ruleset.tables.get(lines.at.0)?;
        let chain = table.chains.get(lines.at.1)?;
        if self.steps.len() >= MOST_STEPS {
            self.left = 0;
        }
        self.steps.push(Step {
            table: &table.name,
            chain: &chain.name,
            number,
            rule: number.checked_sub(1).and_then(|index| chain.rules.get(index)),
            policy: chain.policy.as_deref().filter(|_| number == 0),
            depth,
            certain,
            decides: false,
        });
        Some(self.steps.len() - 1)
    }

    /// Leads ways through a chain; hands back those that come out of its end, or by RETURN.
    fn chain(&mut self, index: usize, mut here: Vec<Way<'t>>, mut sure: bool, depth: usize) -> Vec<Way<'t>> {
        let program = self.program;
        let Some(chain) = program.chain(index) else {
            return here;
        };
        if depth > DEEPEST {
            self.give_up(here, TOO_DEEP);
            return Vec::new();
        }
        let mut back = Vec::new();
        for (number, line) in (1..).zip(&chain.rules) {
            if here.is_empty() {
                break;
            }
            // Comparing ways with one another costs as well.
            let cost = here.len() + here.len().pow(2) / 16;
            if self.left < cost {
                self.give_up(std::mem::take(&mut here), TOO_LONG);
                break;
            }
            self.left -= cost;
            let (matched, open) = self.select(line, &mut here);
            if matched.is_empty() {
                continue;
            }
            let certain = sure && !open && here.is_empty();
            let step = self.step(chain, number, depth, certain);
            let (gone, returned) = (self.gone, back.len());
            self.act(line, step, matched, (&mut here, &mut back), certain, depth);
            if !here.is_empty() && (self.gone > gone || back.len() > returned) {
                sure = false;
            }
            merge(&mut here);
        }
        back.append(&mut here);
        merge(&mut back);
        back
    }

    /// Takes out of `here` the ways to which a rule applies. One to which it may apply is in both after that. Says whether
    /// there is such a one.
    fn select(&self, line: &'t Line, here: &mut Vec<Way<'t>>) -> (Vec<Way<'t>>, bool) {
        let mut matched = Vec::new();
        let mut maybe = false;
        let mut index = 0;
        while let Some(way) = here.get_mut(index) {
            let (holds, memory, open) = line.holds(|asked| way.recalls(asked), &way.facts, self.host);
            match holds {
                Holds::No => index += 1,
                Holds::Yes => matched.push(here.swap_remove(index)),
                Holds::Maybe(reason) | Holds::Unknown(reason) => {
                    maybe = true;
                    // A rule that only counts needs no two ways.
                    if matches!(line.act, Act::Effect(Effect::Nothing)) {
                        matched.push(way.clone());
                        here.swap_remove(index);
                        continue;
                    }
                    let mut other = way.clone();
                    // Of several open conditions one failed, but which?
                    let memory = memory.filter(|_| open == 1);
                    other.assume(memory, true);
                    way.assume(memory, false);
                    other.parted(reason, true);
                    way.parted(reason, false);
                    matched.push(other);
                    index += 1;
                }
            }
        }
        (matched, maybe)
    }

    /// Does what a rule does to the ways that it applies to: some stay in the chain, some go back.
    fn act(
        &mut self,
        line: &'t Line,
        step: Option<usize>,
        mut matched: Vec<Way<'t>>,
        (here, back): (&mut Vec<Way<'t>>, &mut Vec<Way<'t>>),
        certain: bool,
        depth: usize,
    ) {
        let effect = match &line.act {
            Act::Jump(index) => return here.extend(self.chain(*index, matched, certain, depth + 1)),
            Act::Goto(index) => return back.extend(self.chain(*index, matched, certain, depth + 1)),
            Act::Effect(effect) => effect,
        };
        match effect {
            Effect::Return => back.append(&mut matched),
            Effect::Accept => self.accept(matched, step),
            Effect::Drop => self.end(matched, Verdict::Drop, step),
            Effect::Reject => self.end(matched, Verdict::Reject, step),
            Effect::Unknown(reason) => self.unknown(matched, reason, step, here),
            Effect::Tproxy { mark, .. } => self.tproxy(&matched, *mark, step),
            effect if nat::is_rewriting(effect) => self.rewrite(matched, effect, step),
            effect => {
                for way in &mut matched {
                    change(&mut way.facts, effect);
                    if matches!(effect, Effect::ChangeSet(_)) {
                        way.forget();
                    }
                }
                here.append(&mut matched);
            }
        }
    }

    fn accept(&mut self, ways: Vec<Way<'t>>, step: Option<usize>) {
        if ways.first().is_some_and(|way| way.facts.table == "filter") {
            self.accepted.extend(step);
        }
        self.gone += ways.len();
        for way in ways {
            match self.passed.last_mut() {
                Some(last) if last.equals(&way) => last.share(&way),
                _ => self.passed.push(way),
            }
        }
    }

    fn rewrite(&mut self, ways: Vec<Way<'t>>, effect: &Effect, step: Option<usize>) {
        for way in ways {
            let rewritten = nat::rewrite(&way, effect, self.host);
            if rewritten.is_empty() {
                self.end(vec![way], Verdict::Drop, step);
            } else {
                self.accept(rewritten, step);
            }
        }
    }

    /// Whether something listens there is not known.
    fn tproxy(&mut self, ways: &[Way<'t>], mark: Option<(u32, u32)>, step: Option<usize>) {
        for way in ways {
            let [mut lost, mut taken] = [way.clone(), way.clone()];
            lost.parted(nat::TPROXY, false);
            taken.parted(nat::TPROXY, true);
            if let Some((value, mask)) = mark {
                change(&mut taken.facts, &Effect::Mark { value, mask });
            }
            self.end(vec![lost], Verdict::Drop, step);
            self.accept(vec![taken], step);
        }
    }

    /// A target that is not modelled may do anything. In mangle and security that is to take the packet, to let it pass, or to
    /// mark it; whoever takes it afterwards does so all the same.
    fn unknown(&mut self, ways: Vec<Way<'t>>, reason: &'t str, step: Option<usize>, here: &mut Vec<Way<'t>>) {
        for mut way in ways {
            way.causes.push(Cause { reason, holds: true });
            if !matches!(way.facts.table, "mangle" | "security") {
                self.end(vec![way], Verdict::Unknown, step);
                continue;
            }
            self.end(vec![way.clone()], Verdict::Drop, step);
            way.facts.mark = None;
            way.facts.connmark = None;
            self.accept(vec![way.clone()], step);
            here.push(way);
        }
    }

    pub fn end(&mut self, ways: Vec<Way<'t>>, verdict: Verdict, step: Option<usize>) {
        self.taken.extend(step);
        self.gone += ways.len();
        self.ends.extend(ways.into_iter().map(|way| End {
            verdict,
            destination: None,
            port: None,
            local: None,
            causes: way.causes,
        }));
    }

    fn give_up(&mut self, mut ways: Vec<Way<'t>>, reason: &'static str) {
        for way in &mut ways {
            way.causes.push(Cause { reason, holds: true });
        }
        self.end(ways, Verdict::Unknown, None);
    }

    /// Marks the steps that decide.
    pub fn decide(&mut self, verdict: Verdict) {
        let accepts = matches!(verdict, Verdict::Accept | Verdict::Unknown);
        let accepted = self.accepted.iter().filter(|_| accepts);
        for index in accepted.chain(&self.taken) {
            if let Some(step) = self.steps.get_mut(*index) {
                step.decides = true;
            }
        }
    }
}

/// What a target that is no verdict changes.
fn change(facts: &mut Facts, effect: &Effect) {
    let tracked = facts.is_tracked();
    match effect {
        Effect::Mark { value, mask } => facts.mark = marked(facts.mark, *mask, Some(*value), u32::MAX),
        Effect::SomeMark => facts.mark = None,
        Effect::ChangeSet(name) if !facts.changed_sets.contains(name) => facts.changed_sets.push(name.clone()),
        Effect::Connmark { value, mask } if tracked => {
            facts.connmark = marked(facts.connmark, *mask, Some(*value), u32::MAX);
        }
        Effect::SaveMark { ctmask, nfmask } if tracked => {
            facts.connmark = marked(facts.connmark, *ctmask, facts.mark, *nfmask);
        }
        Effect::RestoreMark { ctmask, nfmask } if tracked => {
            facts.mark = marked(facts.mark, *nfmask, facts.connmark, *ctmask);
        }
        Effect::Notrack if !tracked => facts.state = State::Untracked,
        _ => {}
    }
}

/// `(mark & !lost) ^ (from & bits)`, as far as that is known.
fn marked(mark: Option<u32>, lost: u32, from: Option<u32>, bits: u32) -> Option<u32> {
    let kept = if lost == u32::MAX {
        Some(0)
    } else {
        mark.map(|mark| mark & !lost)
    };
    let new = if bits == 0 {
        Some(0)
    } else {
        from.map(|from| from & bits)
    };
    Some(kept? ^ new?)
}
