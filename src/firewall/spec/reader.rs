//! Deals out the words of a rule, from left to right.

use super::super::extensions::{Takes, Values, implied};
use super::super::parse::{Fault, excerpt};
use super::super::words::Word;
use super::{Aim, Module, Opt, Place, Spec};

/// An option of no module: its short name, its long ones, its values.
type General = (&'static str, &'static [&'static str], usize);

const GENERAL: [General; 9] = [
    ("-s", &["--source", "--src"], 1),
    ("-d", &["--destination", "--dst"], 1),
    ("-i", &["--in-interface"], 1),
    ("-o", &["--out-interface"], 1),
    ("-p", &["--protocol"], 1),
    ("-f", &["--fragment"], 0),
    ("-4", &["--ipv4"], 0),
    ("-6", &["--ipv6"], 0),
    ("-c", &["--set-counters"], 2),
];

/// Options that lead to a module, a target or a chain.
const LEADS: [(&str, &str); 3] = [("-m", "--match"), ("-j", "--jump"), ("-g", "--goto")];

/// What `--syn` is short for.
const SYN: (&str, [&str; 2]) = ("--tcp-flags", ["FIN,SYN,RST,ACK", "SYN"]);

struct Reader<'a> {
    words: std::iter::Peekable<std::slice::Iter<'a, Word>>,
    spec: Spec,
    /// Modules and target in the order in which they came.
    loaded: Vec<Place>,
    last: Place,
    /// Whether words that are no options go to the last option.
    open: bool,
    /// Options that nothing knew when they came, and how much was loaded then.
    early: Vec<(usize, String, usize)>,
}

/// The options that words are.
pub(super) fn read(words: &[Word]) -> Result<Spec, Fault> {
    let mut reader = Reader {
        words: words.iter().peekable(),
        spec: Spec::default(),
        loaded: Vec::new(),
        last: Place::General,
        open: false,
        early: Vec::new(),
    };
    while let Some(word) = reader.words.next() {
        reader.word(word)?;
    }
    reader.end()
}

impl Reader<'_> {
    fn word(&mut self, word: &Word) -> Result<(), Fault> {
        let negated = word.is("!") && self.words.peek().is_some_and(|next| next.is_option());
        let option = if negated { self.words.next() } else { Some(word) };
        match option {
            Some(option) if option.is_option() => self.option(option, negated),
            _ => {
                self.stray(word);
                Ok(())
            }
        }
    }

    fn option(&mut self, option: &Word, negated: bool) -> Result<(), Fault> {
        let name = option.text.as_str();
        if let Some((lead, _)) = LEADS.iter().find(|(short, long)| [*short, *long].contains(&name)) {
            return self.lead(lead, option, negated);
        }
        if let Some(general) = GENERAL
            .iter()
            .find(|(short, long, _)| *short == name || long.contains(&name))
        {
            return self.general(*general, option, negated);
        }
        if let Some((place, name, values)) = self.resolve(name) {
            return self.known(place, (name, values), None, option, negated);
        }
        if let Some((before, value)) = name.split_once('=')
            && let Some((place, name, values @ Values::Exactly(1))) = self.resolve(before)
        {
            return self.known(place, (name, values), Some(value.to_owned()), option, negated);
        }
        if let Some(general) = self.abbreviated(name) {
            return self.general(general, option, negated);
        }
        self.unknown(option, negated);
        Ok(())
    }

    /// `-m`, `-j` and `-g`.
    fn lead(&mut self, lead: &str, option: &Word, negated: bool) -> Result<(), Fault> {
        if negated {
            return Err((option.at, format!("a `!` before {lead}")));
        }
        let name = self.value(option)?.text.clone();
        if lead == "-m" {
            let name = match name.as_str() {
                "icmpv6" | "ipv6-icmp" => "icmp6".to_owned(),
                _ => name,
            };
            self.load(name);
            return Ok(());
        }
        if self.spec.target.is_some() {
            return Err((option.at, format!("a second target, {}", excerpt(&name))));
        }
        let goto = lead == "-g";
        let takes = if goto { None } else { Takes::of_target(&name) };
        self.open = takes.is_none() && !goto;
        self.spec.target = Some(Aim {
            goto,
            name,
            options: Vec::new(),
            takes,
        });
        self.enter(Place::Target);
        Ok(())
    }

    fn load(&mut self, name: String) -> Place {
        let takes = Takes::of_module(&name);
        self.open = takes.is_none();
        let place = Place::Module(self.spec.modules.len());
        self.spec.modules.push(Module {
            name,
            options: Vec::new(),
            takes,
        });
        self.enter(place);
        place
    }

    fn enter(&mut self, place: Place) {
        self.loaded.push(place);
        self.last = place;
    }

    fn general(&mut self, (short, _, count): General, option: &Word, negated: bool) -> Result<(), Fault> {
        if self.spec.general.iter().any(|other| other.name == short) {
            return Err((option.at, format!("a second {short}")));
        }
        self.add(
            Place::General,
            short.to_owned(),
            Values::Exactly(count),
            None,
            option,
            negated,
        )
    }

    fn known(
        &mut self,
        place: Place,
        (name, values): (&str, Values),
        value: Option<String>,
        option: &Word,
        negated: bool,
    ) -> Result<(), Fault> {
        self.add(place, format!("--{}", in_short(name)), values, value, option, negated)?;
        if let ("syn", Some(option)) = (name, self.spec.options(place).last_mut()) {
            SYN.0.clone_into(&mut option.name);
            option.values = SYN.1.map(str::to_owned).to_vec();
        }
        Ok(())
    }

    fn add(
        &mut self,
        place: Place,
        name: String,
        values: Values,
        value: Option<String>,
        option: &Word,
        mut negated: bool,
    ) -> Result<(), Fault> {
        let missing = match values {
            Values::Exactly(count) => count - usize::from(value.is_some()),
            Values::Any => 0,
        };
        let mut given = Vec::from_iter(value);
        // The old place of the negation.
        if missing > 0 && self.words.peek().is_some_and(|next| next.is("!")) {
            self.words.next();
            negated = true;
        }
        for _ in 0..missing {
            given.push(self.value(option)?.text.clone());
        }
        self.last = place;
        self.open = values == Values::Any;
        self.spec.options(place).push(Opt {
            negated,
            name,
            values: given,
        });
        Ok(())
    }

    fn value(&mut self, option: &Word) -> Result<&Word, Fault> {
        self.words
            .next()
            .ok_or_else(|| (option.at, format!("{} without a value", excerpt(&option.text))))
    }

    /// Who has an option, its full name and its values. `None`: nobody is known to have it.
    fn resolve(&mut self, word: &str) -> Option<(Place, &'static str, Values)> {
        let name = word.strip_prefix("--")?;
        for &place in self.loaded.iter().rev() {
            match self.spec.takes(place) {
                Some(takes) => {
                    if let Some((name, values)) = takes.option(name) {
                        return Some((place, name, values));
                    }
                }
                // It may be one of theirs. Targets that we do not know are mostly chains, which have none.
                None if self.is_foreign(place) => return None,
                None => {}
            }
        }
        match self.beginning(name) {
            Beginning::None => {}
            Beginning::Several => return None,
            Beginning::Of(place, name, values) => return Some((place, name, values)),
        }
        let module = implied(&self.spec.protocol()?)?;
        let (name, values) = Takes::of_module(module)?.option(name)?;
        let place = self.load(module.to_owned());
        Some((place, name, values))
    }

    /// The one option that begins so.
    fn beginning(&self, begin: &str) -> Beginning {
        let mut found = Beginning::None;
        for &place in self.loaded.iter().filter(|_| !begin.is_empty()) {
            let options = self.spec.takes(place).into_iter().flat_map(Takes::options);
            for (name, values) in options.filter(|(name, _)| name.starts_with(begin)) {
                match found {
                    Beginning::Of(_, other, _) if in_short(other) != in_short(name) => return Beginning::Several,
                    _ => found = Beginning::Of(place, name, values),
                }
            }
        }
        found
    }

    /// The option of no module that alone begins so.
    fn abbreviated(&self, word: &str) -> Option<General> {
        if self.loaded.iter().any(|place| self.is_foreign(*place)) {
            return None;
        }
        let mut found = GENERAL
            .into_iter()
            .filter(|(_, long, _)| word.len() > 2 && long.iter().any(|long| long.starts_with(word)));
        found.next().filter(|_| found.next().is_none())
    }

    /// Whether it is a module whose options we do not know.
    fn is_foreign(&self, place: Place) -> bool {
        matches!(place, Place::Module(_)) && self.spec.takes(place).is_none()
    }

    /// Goes to the module or target that we do not know, else to the last one, with the words that follow.
    fn unknown(&mut self, option: &Word, negated: bool) {
        let unknown = |place: &&Place| self.spec.takes(**place).is_none();
        let place = self.loaded.iter().rev().find(unknown).or(self.loaded.last());
        let place = place.copied().unwrap_or(Place::General);
        let goto = self.spec.target.as_ref().is_some_and(|target| target.goto);
        if !self.is_foreign(place) {
            self.early.push((option.at, option.text.clone(), self.loaded.len()));
        }
        if self.spec.takes(place).is_some() || place == Place::General || (place == Place::Target && goto) {
            let fault = || (option.at, format!("unknown option {}", excerpt(&option.text)));
            self.spec.stray.get_or_insert_with(fault);
        }
        self.last = place;
        self.open = true;
        self.spec.options(place).push(Opt {
            negated,
            name: option.text.clone(),
            values: Vec::new(),
        });
    }

    /// A word that is no option and no value of one.
    fn stray(&mut self, word: &Word) {
        if !self.open {
            let fault = || (word.at, format!("{} belongs to no option", excerpt(&word.text)));
            self.spec.stray.get_or_insert_with(fault);
        }
        let options = self.spec.options(self.last);
        match options.last_mut() {
            Some(option) => option.values.push(word.text.clone()),
            None => options.push(Opt {
                negated: false,
                name: String::new(),
                values: vec![word.text.clone()],
            }),
        }
    }

    /// Options that stand before what they belong to would be dealt out otherwise in another order.
    fn end(mut self) -> Result<Spec, Fault> {
        for (at, name, loaded) in std::mem::take(&mut self.early) {
            let later = self.loaded.iter().skip(loaded).any(|place| self.is_foreign(*place));
            let alone = name.split_once('=').map_or(name.as_str(), |(before, _)| before);
            if later || self.resolve(&name).is_some() || self.resolve(alone).is_some() {
                return Err((at, format!("{} stands before what it belongs to", excerpt(&name))));
            }
        }
        Ok(self.spec)
    }
}

/// The options that begin in a way.
enum Beginning {
    None,
    Several,
    Of(Place, &'static str, Values),
}

/// Of two names of one option the one that iptables prints.
fn in_short(name: &str) -> &str {
    match name {
        "source-port" => "sport",
        "destination-port" => "dport",
        "source-ports" => "sports",
        "destination-ports" => "dports",
        _ => name,
    }
}
