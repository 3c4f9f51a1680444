//! Places, laziness and bounds; what values come out is held against Ansible in `tests/template.rs`.

use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use super::*;
use crate::problem::Source;
use crate::world::{Answer, Kind};
use crate::yaml::{Value, read};

/// A machine with nothing on it.
struct Empty;

impl World for Empty {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::from(io::ErrorKind::NotFound))
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn kind(&self, _: &Path) -> Option<Kind> {
        None
    }

    fn is_world_writable(&self, _: &Path) -> bool {
        false
    }

    fn run(&self, _: &Path, _: &[&str]) -> io::Result<Answer> {
        Err(io::Error::from(io::ErrorKind::NotFound))
    }

    fn find_program(&self, _: &str) -> Option<PathBuf> {
        None
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn current_folder(&self) -> PathBuf {
        PathBuf::from("/")
    }
}

/// Hosts by name, each with the variables of a YAML text.
struct Fleet {
    hosts: HashMap<String, Arc<Host>>,
    order: Vec<String>,
}

struct Host {
    variables: Node,
    fleet: std::sync::OnceLock<Weak<Fleet>>,
    asked: AtomicUsize,
}

impl Scope for Host {
    fn variable(&self, name: &str) -> Option<Variable> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.variables.get(name).cloned().map(Variable::Node)
    }

    fn names(&self) -> Vec<String> {
        let Value::Map(entries) = &self.variables.value else {
            return Vec::new();
        };
        entries
            .iter()
            .filter_map(|(key, _)| key.as_str().map(str::to_owned))
            .collect()
    }

    fn host(&self, name: &str) -> Option<Arc<dyn Scope>> {
        let fleet = self.fleet.get()?.upgrade()?;
        fleet.hosts.get(name).cloned().map(|host| host as Arc<dyn Scope>)
    }

    fn hosts(&self) -> Vec<String> {
        self.fleet
            .get()
            .and_then(Weak::upgrade)
            .map(|fleet| fleet.order.clone())
            .unwrap_or_default()
    }

    fn folders(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

fn fleet(hosts: &[(&str, &str)]) -> Arc<Fleet> {
    let host = |(name, text): &(&str, &str)| {
        let variables = read(&Source::new(format!("{name}.yml"), *text)).unwrap().root;
        let host = Host {
            variables,
            fleet: std::sync::OnceLock::new(),
            asked: AtomicUsize::new(0),
        };
        ((*name).to_owned(), Arc::new(host))
    };
    let fleet = Arc::new(Fleet {
        hosts: hosts.iter().map(host).collect(),
        order: hosts.iter().map(|(name, _)| (*name).to_owned()).collect(),
    });
    for host in fleet.hosts.values() {
        host.fleet.set(Arc::downgrade(&fleet)).unwrap();
    }
    fleet
}

fn templates() -> Templates {
    Templates::new(Arc::new(Empty), Box::new(|text| Ok(format!("opened {text}"))))
}

/// A variable of the first host, rendered.
fn rendered(fleet: &Fleet, name: &str) -> Result<Node, Vec<Problem>> {
    let host = Arc::clone(&fleet.hosts[&fleet.order[0]]);
    let node = host.variables.get(name).expect("a variable").clone();
    templates().render(&node, &(host as Arc<dyn Scope>))
}

fn text_of(variables: &str, name: &str) -> String {
    match rendered(&fleet(&[("h1", variables)]), name).unwrap().value {
        Value::String(text) => text,
        other => format!("{other:?}"),
    }
}

/// The one problem of a variable.
fn problem(variables: &str, name: &str) -> Problem {
    let mut problems = rendered(&fleet(&[("h1", variables)]), name).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn undefined_variables_are_named_with_their_place() {
    let problem = problem("a: \"x {{ nope + 1 }}\"\n", "a");
    assert_eq!(problem.to_string(), "`nope` is undefined (h1.yml:1:10)");
    assert_eq!(problem.at.unwrap().text(), "nope");
}

#[test]
fn undefined_attributes_are_named_with_their_chain() {
    let problem = problem("d: {k: 1}\na: \"{{ d.k }}{{ d.q.z }}\"\n", "a");
    assert_eq!(problem.to_string(), "`d.q` is undefined (h1.yml:2:17)");
}

#[test]
fn the_variable_behind_an_undefined_one_is_named_with_those_that_need_it() {
    let problem = problem("a: '{{ b }}'\nb: '{{ c }}'\nc: '{{ nope }}'\n", "a");
    assert_eq!(
        problem.to_string(),
        "`nope` is undefined, while rendering `c`, needed by `b` (h1.yml:2:4), needed by h1.yml:1:4 (h1.yml:3:8)"
    );
}

#[test]
fn variables_that_need_themselves_are_named() {
    let problem = problem("a: '{{ b.x[0] }}'\nb: {x: ['{{ c }}']}\nc: '{{ b.x[0] }}'\n", "a");
    assert_eq!(
        problem.message,
        "`b.x[0]` needs its own value: `b.x[0]` needs `c` needs `b.x[0]`"
    );
    let of_itself = self::problem("a: '{{ b }}'\nb: '{{ a }}'\n", "a");
    assert_eq!(of_itself.message, "`a` needs its own value: `a` needs `b` needs `a`");
    let fleet = fleet(&[
        ("h1", "a: '{{ hostvars.h2.b }}'\n"),
        ("h2", "b: '{{ hostvars.h1.a }}'\n"),
    ]);
    assert!(
        rendered(&fleet, "a").unwrap_err()[0]
            .message
            .contains("needs its own value")
    );
}

#[test]
fn all_problems_of_a_value_are_told() {
    let problems = rendered(&fleet(&[("h1", "a: ['{{ x }}', {k: '{{ y }}'}, '{{ 1 + }}']\n")]), "a").unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn unknown_names_are_told_with_the_nearest_known() {
    let filter = problem("a: \"{{ 'x' | uper }}\"\n", "a");
    assert_eq!(
        (filter.message.as_str(), filter.hint.as_deref()),
        ("the filter `uper` is not known", Some("did you mean `upper`?"))
    );
    let test = problem("a: \"{{ 'x' is defind }}\"\n", "a");
    assert_eq!(
        (test.message.as_str(), test.hint.as_deref()),
        ("the test `defind` is not known", Some("did you mean `defined`?"))
    );
    let function = problem("a: \"{{ lokup('env', 'x') }}\"\n", "a");
    assert_eq!(function.message, "the function `lokup` is not known");
    let lookup = problem("a: \"{{ lookup('pipe', 'x') }}\"\n", "a");
    assert!(
        lookup
            .message
            .contains("the lookup `pipe` is not known; known are dict, env, file"),
        "{lookup}"
    );
}

#[test]
fn syntax_errors_have_their_place() {
    let problem = problem("a: \"{{ d.x }} {{ 1 + }}\"\n", "a");
    assert!(
        problem.message.starts_with("this template cannot be read: "),
        "{problem}"
    );
    assert_eq!(problem.at.unwrap().line_and_column(), (1, 22));
}

#[test]
fn hostvars_renders_only_what_is_asked_for() {
    let fleet = fleet(&[
        (
            "h1",
            "a: '{{ hostvars.h2.x }} {{ hostvars[\"h3\"].y | default(\"-\") }}'\n",
        ),
        ("h2", "x: '{{ own }}'\nown: of h2\nbad: '{{ nope }}'\n"),
        ("h3", "y: '{{ nope }}'\n"),
        ("h4", "x: 1\n"),
    ]);
    assert_eq!(rendered(&fleet, "a").unwrap().as_str(), Some("of h2 -"));
    assert_eq!(fleet.hosts["h4"].asked.load(Ordering::Relaxed), 0);
    assert_eq!(fleet.hosts["h2"].asked.load(Ordering::Relaxed), 2);
}

#[test]
fn hostvars_can_be_looped_over() {
    let fleet = fleet(&[
        (
            "h1",
            "a: \"{% for h in hostvars %}{{ hostvars[h].n }}{% endfor %}\"\nn: 1\n",
        ),
        ("h2", "n: '{{ 1 + 1 }}'\n"),
    ]);
    assert_eq!(rendered(&fleet, "a").unwrap().as_str(), Some("12"));
    let vars = "a: \"{{ vars.b }}{{ lookup('vars', 'b') }}\"\nb: '{{ 7 }}'\n";
    assert_eq!(text_of(vars, "a"), "77");
}

#[test]
fn values_without_templates_stay_as_they_are() {
    let fleet = fleet(&[("h1", "a: [1, {b: c}]\n")]);
    let host = &fleet.hosts["h1"];
    let node = host.variables.get("a").unwrap();
    assert_eq!(&rendered(&fleet, "a").unwrap(), node);
    assert_eq!(host.asked.load(Ordering::Relaxed), 0);
}

#[test]
fn results_stand_where_their_template_stood_and_are_no_templates() {
    let result = rendered(&fleet(&[("h1", "a: [\"{{ ['{{ x }}'] }}\"]\n")]), "a").unwrap();
    let Value::List(outer) = &result.value else {
        panic!("{result:?}")
    };
    let Value::List(inner) = &outer[0].value else {
        panic!("{result:?}")
    };
    assert_eq!((inner[0].as_str(), inner[0].style), (Some("{{ x }}"), Style::Unsafe));
    assert_eq!(inner[0].at.line_and_column(), (1, 5));
}

#[test]
fn encrypted_values_are_opened_and_stay_out_of_messages() {
    let mut variables = read(&Source::new(
        "h1.yml",
        "a: '{{ s | nope }}'\nb: '{{ s }}'\nc: '{{ 1 / (s | int) }}'\ns: x\n",
    ))
    .unwrap()
    .root;
    if let Value::Map(entries) = &variables.value {
        let hidden = entries.iter().map(|(key, value)| match value.as_str() {
            Some("x") => (
                key.clone(),
                Node {
                    value: Value::Vault("cipher".to_owned()),
                    ..value.clone()
                },
            ),
            _ => (key.clone(), value.clone()),
        });
        variables.value = Value::Map(hidden.collect());
    }
    let host = Host {
        variables,
        fleet: std::sync::OnceLock::new(),
        asked: AtomicUsize::new(0),
    };
    let scope: Arc<dyn Scope> = Arc::new(host);
    let render = |name: &str| {
        let Some(Variable::Node(node)) = scope.variable(name) else {
            panic!("no {name}")
        };
        templates().render(&node, &scope)
    };
    assert_eq!(render("b").unwrap().as_str(), Some("opened cipher"));
    assert_eq!(render("s").unwrap().as_str(), Some("opened cipher"));
    for name in ["a", "c"] {
        assert!(!format!("{:?}", render(name).unwrap_err()).contains("opened"));
    }
}

#[test]
fn templates_end_in_time_and_space() {
    let costly = [
        "{{ 'x' * 10**9 }}",
        "{{ range(10**12) | list }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in range(90000) %}{{ 'x' * 10000 }}{% endfor %}",
        "{% set ns = namespace(x='x') %}{% for a in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{{ [1] * 10**9 }}",
        "{{ 'x' | center(10**9) }}",
        "{{ 'x'.ljust(10**9) }}",
        "{% set t = 'a\\nb' %}{{ t | indent(10**9) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ range(1000) | product(range(1000)) }}",
        "{{ range(30) | permutations }}",
        "{{ range(60) | combinations(30) }}",
        "{{ ('a' * 100000) | regex_replace('', 'x' * 100000) }}",
        "{{ query('sequence', count=10**9) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 2 ** (2 ** 40) }}",
        "{{ [[1] * 1000] | product(repeat=1000) }}",
        "{{ 'x' | replace('', 'x' * 1000000) | replace('x', 'x' * 1000000) }}",
    ];
    for template in costly {
        let started = std::time::Instant::now();
        let problems = rendered(
            &fleet(&[("h1", &format!("a: {}\n", serde_json::to_string(template).unwrap()))]),
            "a",
        );
        assert!(problems.is_err(), "{template}");
        assert!(started.elapsed().as_secs() < 20, "{template}: {:?}", started.elapsed());
    }
}

#[test]
fn variables_that_double_each_other_are_refused() {
    let mut variables = String::from("a0: xxxxxxxxxx\n");
    for level in 1..35 {
        writeln!(variables, "a{level}: '{{{{ a{0} }}}}{{{{ a{0} }}}}'", level - 1).unwrap();
    }
    assert!(rendered(&fleet(&[("h1", &variables)]), "a34").is_err());
}

#[test]
fn chains_of_variables_are_bounded() {
    let mut variables = String::from("a0: x\n");
    for level in 1..200 {
        writeln!(variables, "a{level}: '{{{{ a{} }}}}'", level - 1).unwrap();
    }
    assert_eq!(text_of(&variables, "a30"), "x");
    assert!(problem(&variables, "a199").message.contains("in a chain"));
}

#[test]
fn deep_brackets_do_no_harm() {
    let deep = format!("a: \"{{{{ {} }}}}\"\n", "(".repeat(50_000));
    assert!(rendered(&fleet(&[("h1", &deep)]), "a").is_err());
    let nested = "a: \"{% set ns = namespace(x=[]) %}{% for i in range(20000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}\"\n";
    assert!(rendered(&fleet(&[("h1", nested)]), "a").is_err());
}

#[test]
fn any_text_is_rendered_or_refused() {
    let pieces = [
        "{{", "}}", "{%", "%}", "{#", "#}", "a", ".", "[", "]", "(", ")", "'", "\"", "|", "is", "\\", "\u{e9}", "-",
        "%", ",", "raw", " ",
    ];
    let mut state = 12345_usize;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text += pieces[(state >> 33) % pieces.len()];
        }
        let _ = rendered(
            &fleet(&[("h1", &format!("a: {}\n", serde_json::to_string(&text).unwrap()))]),
            "a",
        );
    }
}

#[test]
fn lines_are_indented_by_a_width_that_memory_has_room_for() {
    assert_eq!(text_of("x: \"{{ 'a\\nb' | indent(2) }}\"", "x"), "a\n  b");
    assert_eq!(text_of("x: \"{{ 'a' | indent(width=2, first=true) }}\"", "x"), "  a");
    for width in ["100000000000", "width=100000000000", "9000000, true"] {
        let wide = problem(&format!("x: \"{{{{ 'a\\nb' | indent({width}) }}}}\""), "x");
        assert!(wide.message.ends_with("this text gets too long"), "{}", wide.message);
    }
}
