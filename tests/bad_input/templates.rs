//! Templates that need themselves, or more than there is.

use super::*;

/// That `--check` refuses a host with these variables.
#[track_caller]
fn refused(variables: &str, texts: &[&str]) {
    let text = format!(
        "all:\n  hosts:\n    h:\n      {}\n",
        variables.replace('\n', "\n      ")
    );
    let place = ["h.yml:"].into_iter().chain(texts.iter().copied());
    let texts: Vec<&str> = place.collect();
    Folder::new()
        .with("h.yml", text)
        .refused(&["-i", "h.yml", "--check"], &texts);
}

fn portmap(template: &str) -> String {
    format!("portmap: \"{template}\"")
}

#[test]
fn circles() {
    refused(
        &(portmap("{{ a }}") + "\na: '{{ b }}'\nb: '{{ a }}'"),
        &["`a` needs `b` needs `a`"],
    );
    refused(&portmap("{{ portmap }}"), &["portmap"]);
    refused(&portmap("{{ hostvars.h.portmap }}"), &["portmap"]);
    refused(&portmap("{{ lookup('vars', 'portmap') }}"), &["portmap"]);
}

#[test]
fn endless_ones() {
    let slow = "takes too long";
    let range = "range(100000)";
    refused(
        &portmap(&format!(
            "{{% for i in {range} %}}{{% for j in {range} %}}{{% endfor %}}{{% endfor %}}"
        )),
        &[slow],
    );
    refused(&portmap("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), &[]);
    refused(&portmap("{{ range(10 ** 9) | list }}"), &["too many elements"]);
    refused(
        &portmap("{{ range(100000) | map('string') | map('upper') | product(range(100000)) | list }}"),
        &[],
    );
}

#[test]
fn large_ones() {
    refused(&portmap("{{ 'x' * 10**9 }}"), &["portmap"]);
    refused(&portmap("{{ [1] * 10**9 }}"), &["portmap"]);
    refused(&portmap("{{ 9**9**9**9 }}"), &["too large"]);
    refused(
        &portmap("{{ 'x' | replace('', 'y' * 100000) | replace('y', 'z' * 100000) }}"),
        &["too long"],
    );
    refused(&portmap("{{ '%1000000000d' | format(1) }}"), &[]);
    refused(&portmap("{{ 'x' | center(10**9) }}"), &[]);
    refused(&portmap("{{ 'x' | indent(10**9, true) }}"), &[]);
}

/// Thirty variables, each twice the next.
#[test]
fn those_that_grow_with_each_other() {
    let texts = lines(30, |at| {
        format!("v{at}: '{{{{ v{next} }}}}{{{{ v{next} }}}}'", next = at + 1)
    });
    refused(&format!("{texts}v30: x\n{}", portmap("{{ v0 }}")), &["v0"]);
    let lists = lines(30, |at| {
        format!("v{at}: ['{{{{ v{next} }}}}', '{{{{ v{next} }}}}']", next = at + 1)
    });
    refused(&format!("{lists}v30: x\n{}", portmap("{{ v0 }}")), &["v0"]);
}

#[test]
fn deep_ones() {
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000));
    refused(&portmap(&nested), &["operators"]);
    refused(
        &portmap(&format!("{{{{ a{} }}}}", ".a".repeat(100_000))),
        &["recursion"],
    );
    for operator in ["not ", "-", "1 + ", "1 ** ", "1 ~ ", "1 and ", "1 if 1 else "] {
        let chain = operator.repeat(50_000);
        refused(&portmap(&format!("{{{{ {chain}1 }}}}")), &["operators"]);
    }
    for operator in ["|a", " is a", "()"] {
        refused(
            &portmap(&format!("{{{{ a{} }}}}", operator.repeat(50_000))),
            &["operators"],
        );
    }
    let branches = "{% elif 1 %}".repeat(20_000);
    refused(&portmap(&format!("{{% if 1 %}}{branches}{{% endif %}}")), &["branches"]);
    let ifs = "{% if 1 %}".repeat(20_000) + &"{% endif %}".repeat(20_000);
    refused(&portmap(&ifs), &[]);
}

#[test]
fn slow_expressions() {
    refused(&portmap("{{ ('a' * 5000) | regex_search('(a+)+(?!a)(b)') }}"), &[]);
    refused(&portmap("{{ ('a' * 5000) | regex_replace('(a|aa)+\\\\1c', '') }}"), &[]);
    refused(&portmap("{{ 'a' | regex_search('(a{1000}){1000}') }}"), &[]);
}
