use serde_json::{Value as Json, json};

use super::*;
use crate::inventory::tests::recorded::{plain, rows};

fn parse(text: &str) -> Data {
    let mut data = Data::default();
    read(&Source::new("-i", text), &mut data).expect("hosts");
    data
}

#[test]
fn lists_name_the_hosts_that_ansible_finds() {
    let rows = rows(include_str!("../../../../tests/cases/ini/lists.tsv"));
    assert!(rows.len() > 25);
    // Without a comma it is the path of a file.
    for (text, cells) in rows.iter().filter(|(text, _)| text.contains(',')) {
        let data = parse(text);
        let hosts = data.hosts.iter();
        let port = |host: &crate::inventory::data::Host| host.vars.get("ansible_port").map_or(Json::Null, plain);
        let hosts: Json = hosts.map(|(name, host)| json!([name, port(host)])).collect();
        assert_eq!(hosts.to_string(), cells[0], "{text}");
    }
}

#[test]
fn hosts_and_ports_know_their_places() {
    let data = parse(" h1 ,\u{e9}:22, [::1]:2222 ,");
    let places: Vec<_> = data.hosts.values().map(|host| host.at.text()).collect();
    assert_eq!(places, ["h1", "\u{e9}:22", "[::1]:2222"]);
    let ports: Vec<_> = data
        .hosts
        .values()
        .filter_map(|host| host.vars.get("ansible_port"))
        .collect();
    assert_eq!(ports.iter().map(|port| port.raw()).collect::<Vec<_>>(), ["22", "2222"]);
}

#[test]
fn a_host_that_is_known_stays_where_it_is() {
    let mut data = parse("h1:1,");
    let web = data.add_group("web", &data.hosts["h1"].at.clone()).expect("a group");
    data.add_host("h2", Some(web), None, &data.hosts["h1"].at.clone())
        .expect("a host");
    read(&Source::new("-i", "h1:2,h2"), &mut data).expect("hosts");
    let ungrouped = &data.groups["ungrouped"];
    assert_eq!(ungrouped.hosts.len(), 1);
}
