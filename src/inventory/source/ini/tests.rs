use super::*;
use crate::inventory::recorded::{plain, rows};

fn parse(text: &str) -> Result<Data, Vec<Problem>> {
    let mut data = Data::default();
    read(&Source::new("hosts", text), &mut data)?;
    Ok(data)
}

fn variable(data: &Data, owner: &str) -> Node {
    let vars = match data.groups.get(owner) {
        Some(group) => &group.vars,
        None => &data.hosts[owner].vars,
    };
    vars["v"].clone()
}

/// As the table has it; `!` for what is refused.
fn value(text: &str, owner: &str) -> String {
    match parse(text) {
        Ok(data) => plain(&variable(&data, owner)).to_string(),
        Err(_) => "!".to_owned(),
    }
}

/// There is no table of the names of characters, and numbers beyond 128 bits are text.
fn is_read_otherwise(text: &str) -> bool {
    let number = text.trim_start_matches(['-', '0', 'x']);
    text == "'\\N{BULLET}'" || (number.len() > 38 && number.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[test]
fn values_are_those_of_ansible() {
    let mut wrong = Vec::new();
    let rows = rows(include_str!("../../../../tests/cases/ini/literals.tsv"));
    assert!(rows.len() > 300);
    for (text, cells) in rows {
        let host = value(&format!("h1 v={text}\n"), "h1");
        let group = value(&format!("[g]\n[g:vars]\nv={text}\n"), "g");
        if !is_read_otherwise(&text) && (host != cells[0] || group != cells[1]) {
            wrong.push(format!("{text:?}: {host} {group} and not {cells:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
