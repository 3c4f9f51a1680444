pub(super) mod recorded;

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::problem::{Severity, render};
use crate::world::InMemory;

/// A request for files of these texts, and the files.
fn asked(texts: &[&str], limit: &[&str]) -> (Request, Arc<dyn World>) {
    let mut request = Request {
        limit: limit.iter().map(|limit| (*limit).to_owned()).collect(),
        ..Request::default()
    };
    let mut world = InMemory::default();
    for (at, text) in texts.iter().enumerate() {
        request.inventory.push(format!("{at}.yaml"));
        world = world.file(format!("{at}.yaml"), *text);
    }
    (request, Arc::new(world))
}

fn loaded(text: &str) -> Result<Loaded, Vec<Problem>> {
    let (request, world) = asked(&[text], &[]);
    load(&request, &world)
}

fn answer(texts: &[&str], question: &Question) -> String {
    let (request, world) = asked(texts, &[]);
    match ask(&request, question, &world) {
        Ok(answer) => answer.text,
        Err(problems) => panic!("{}", render(&problems, Severity::Error, false)),
    }
}

fn value(texts: &[&str], host: &str, name: &str) -> String {
    let shown = answer(texts, &Question::Host(host.to_owned()));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    match &shown[name] {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn hosts(texts: &[&str]) -> String {
    answer(texts, &Question::ListHosts).trim_end().replace('\n', " ")
}

#[test]
fn the_deepest_group_wins_by_its_longest_path() {
    let deep = "
all: {vars: {v: all}}
a: {vars: {v: a}, children: {b: {vars: {v: b}, children: {c: {vars: {v: c}}}}}}
z: {vars: {v: z}, children: {c: {hosts: {h: }}}}
zz: {vars: {v: zz}, hosts: {h: }}
";
    assert_eq!(value(&[deep], "h", "v"), "c");
}

#[test]
fn priority_counts_within_one_depth_only() {
    let text = "
a: {vars: {v: a, ansible_group_priority: 10}, hosts: {h: , i: }}
b: {vars: {v: b}, hosts: {h: }, children: {c: {vars: {v: c}, hosts: {i: }}}}
";
    assert_eq!(value(&[text], "h", "v"), "a");
    assert_eq!(value(&[text], "i", "v"), "c");
    assert_eq!(value(&[text], "h", "ansible_group_priority"), "null");
}

#[test]
fn a_host_wins_over_its_groups_and_the_later_mention_over_the_earlier() {
    let text = "
web: {hosts: {h: {v: first, w: 1}}, vars: {v: group}}
db: {hosts: {h: {v: second}}}
";
    assert_eq!(value(&[text], "h", "v"), "second");
    assert_eq!(value(&[text], "h", "w"), "1");
}

#[test]
fn the_later_source_wins_at_the_same_level_only() {
    let one = "{web: {hosts: {h: }, vars: {v: web1}}, all: {vars: {w: all1}}}";
    let two = "{all: {vars: {v: all2, w: all2}, hosts: {i: }}}";
    let three = "{web: {vars: {v: web3}}}";
    assert_eq!(value(&[one, two, three], "h", "v"), "web3");
    assert_eq!(value(&[one, two, three], "h", "w"), "all2");
    assert_eq!(value(&[one, two], "h", "v"), "web1");
}

#[test]
fn lists_and_maps_are_replaced_and_never_merged() {
    let text = "{all: {vars: {m: {a: 1}}}, web: {vars: {m: {b: 2}}, hosts: {h: }}}";
    assert_eq!(value(&[text], "h", "m"), r#"{"b":2}"#);
}

#[test]
fn the_port_of_the_first_mention_counts_and_a_variable_beats_it() {
    let text = "{a: {hosts: {'h:1': , 'i:1': {ansible_port: 3}}}, b: {hosts: {'h:2': , 'i:2': }}}";
    let loaded = loaded(text).unwrap();
    let ports: Vec<_> = loaded.hosts.iter().map(|host| host.connection.port).collect();
    assert_eq!(ports, [Some(1), Some(3)]);
}

/// Level by level through the groups, each in the order of declaration.
#[test]
fn hosts_come_in_the_order_of_their_groups() {
    let text = "{z: {children: {y: {hosts: {h3: , h1: }}}, hosts: {h2: , h3: }}, all: {hosts: {h0: , h1: }}}";
    assert_eq!(hosts(&[text]), "h0 h1 h2 h3");
}

#[test]
fn a_host_in_no_group_is_ungrouped() {
    let text = "{all: {hosts: {h1: , h2: }}, ungrouped: {hosts: {h3: , h2: }}, web: {hosts: {h2: }}}";
    let graph = Question::Graph {
        group: "all".to_owned(),
        vars: false,
    };
    assert_eq!(
        answer(&[text], &graph),
        "@all:\n  |--@ungrouped:\n  |  |--h3\n  |  |--h1\n  |--@web:\n  |  |--h2\n"
    );
}

#[test]
fn rollback_windows_are_bounded() {
    let shown = |text: &str| rollback_after(text).map(|window| window.as_secs());
    assert_eq!(shown("5"), Ok(5));
    assert_eq!(shown("30s"), Ok(30));
    assert_eq!(shown("2m"), Ok(120));
    assert_eq!(shown("1m 30s"), Ok(90));
    assert_eq!(shown("10 minutes"), Ok(600));
    for bad in [
        "4",
        "4.9s",
        "601",
        "11m",
        "",
        "-30",
        "-30s",
        "s",
        "1 month",
        "30 ago",
        "99999999999999999999",
        "inf",
    ] {
        assert!(shown(bad).is_err(), "{bad}");
    }
}

#[test]
fn names_meant_for_this_program_are_told_from_others() {
    for ours in [
        "portmap",
        "portmaps",
        "port_map",
        "Portmap",
        "port-maps",
        "portmap_rollback",
        "portmappings",
        "portmpa",
        "prtmap",
        "portmapp",
    ] {
        assert!(variables::is_ours(ours), "{ours}");
    }
    for other in [
        "port",
        "ports",
        "port_max",
        "portmapper_enabled",
        "http_port",
        "map",
        "portal",
    ] {
        assert!(!variables::is_ours(other), "{other}");
    }
}

#[test]
fn arguments_for_every_ssh_are_a_hosts_to_say() {
    let text =
        "{all: {hosts: {h: {ansible_ssh_args: -F 'a b' -4}, i: {ansible_ssh_args: ''}, j: {ansible_ssh_args: }}}}";
    let hosts = loaded(text).unwrap().hosts;
    let said: Vec<_> = hosts.iter().map(|host| host.ssh_args.as_deref()).collect();
    let words = ["-F", "a b", "-4"].map(str::to_owned);
    assert_eq!(said, [Some(words.as_slice()), Some(&[]), None]);
    assert!(loaded("{all: {hosts: {h: {ansible_ssh_args: \"'\"}}}}").is_err());
}

/// Whatever is wrong with a password, or with something beside it.
#[test]
fn passwords_are_not_shown() {
    for line in [
        "ansible_password: hunter2",
        "ansible_become_pass: [hunter2]",
        "ansible_become_password: 'hunter2{{ x }}'",
        "ansible_sudo_pass: \"hunter2\\nx\"",
        "ansible_sudo_pass: hunter2, ansible_become_user: ann",
        "ansible_sudo_pass: hunter2, ansible_sudo_pass: hunter2",
        "ansible_sudo_pass: &a hunter2, b: *c",
        "ansible_become_password: 'hunter2",
    ] {
        let text = format!("{{all: {{vars: {{{line}}}, hosts: {{h: , i: }}}}}}");
        let problems = loaded(&text).map_or_else(|errors| errors, |loaded| loaded.warnings);
        assert_eq!(problems.len(), 1, "{line}");
        let shown = render(&problems, Severity::Error, false);
        assert!(!shown.contains("hunter2") && shown.contains("0.yaml:1:"), "{shown}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{line}");
    }
}

/// As Ansible's sudo plugin has it: the last name in its list wins.
#[test]
fn the_password_for_sudo() {
    let password = |variables: &str| {
        let text = format!("{{all: {{hosts: {{h: {{{variables}}}}}}}}}");
        let loaded = loaded(&text).unwrap();
        loaded.hosts[0]
            .connection
            .become_password
            .as_ref()
            .map(|one| one.expose().to_owned())
    };
    assert_eq!(password("ansible_become_password: "), None);
    assert_eq!(password("ansible_become_password: ''").as_deref(), Some(""));
    assert_eq!(password("ansible_become_password: a").as_deref(), Some("a"));
    assert_eq!(
        password("ansible_become_pass: b, ansible_become_password: a").as_deref(),
        Some("b")
    );
    assert_eq!(
        password("ansible_become_pass: b, ansible_sudo_pass: c").as_deref(),
        Some("c")
    );
    assert_eq!(
        password("ansible_become_password: ' :\\\"#é '").as_deref(),
        Some(" :\\\"#é ")
    );
}

/// A chain of groups as long as one likes needs no stack.
#[test]
fn a_long_chain_of_groups_and_its_circle_are_no_trouble() {
    let mut text = String::new();
    (0..3000).for_each(|at| writeln!(text, "g{at}: {{children: {{g{}: }}}}", at + 1).unwrap());
    assert_eq!(hosts(&[&text, "{g3000: {hosts: {h: }}}"]), "h");
    let (request, world) = asked(&[&text, "{g3000: {children: {g0: }}}"], &[]);
    let problems = load(&request, &world).unwrap_err();
    assert!(problems[0].message.starts_with("groups form a circle: "));
}

/// `secret_text: hunter2` and one more, encrypted with the password `pw`.
const VAULT: &str = "\
$ANSIBLE_VAULT;1.1;AES256\n\
32663734313863396565333465306334393338346464373764353861646439366433343064336162\n\
3765613233396532336439313639383264333335636538390a313539616631636637303036363163\n\
65306566343931306439383634323635616235633337646535326131363535613039616135663365\n\
6230623161363032300a653762383431303435333130306535656666376636626132646533393633\n\
61346161633663323365353336346335366137623932303236613366373362376230646164383538\n\
3730366235326631346263356439323337626465333061613136\n";

/// Wherever a template takes it.
#[test]
fn decrypted_text_is_not_shown() {
    let mut secrets = Secrets::default();
    secrets.add(None, zeroize::Zeroizing::new(b"pw".to_vec()));
    let secrets = Arc::new(secrets);
    for vars in [
        r#"{"portmap": ["{{ secret_text }}"]}"#,
        r#"{"ansible_port": "{{ secret_text }}"}"#,
        r#"{"portmap_rollback_after": "{{ secret_text }}"}"#,
        r#"{"ansible_user": "{{ lookup('file', secret_text) }}"}"#,
        r#"{"ansible_user": "{{ nope | mandatory(secret_text) }}"}"#,
    ] {
        let (mut request, _) = asked(&["all: {hosts: {h: }}"], &[]);
        let world = InMemory::default()
            .file("0.yaml", "all: {hosts: {h: }}")
            .file("group_vars/all.yml", VAULT);
        let world: Arc<dyn World> = Arc::new(world);
        request.secrets = Arc::clone(&secrets);
        request.extra_vars.push(vars.to_owned());
        let problems = load(&request, &world).unwrap_err();
        let shown = render(&problems, Severity::Error, false);
        assert!(
            shown.starts_with("error: ") && !shown.contains("hunter2"),
            "{vars}: {shown}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_loaded_or_refused(text in any::<String>(), limit in any::<String>()) {
        let (request, world) = asked(&[&text], &[&limit]);
        let _ = load(&request, &world);
    }

    #[test]
    fn any_inventory_like_text_is_loaded_or_refused(
        lines in prop::collection::vec("( {0,8}(all|web|h\\[[0-9a-c:]{0,5}\\]|h:2|hosts|children|vars|portmap|ansible_port|ansible_host|ansible_become|portmap_rollback_after|x):( (~|1|22:22|'8:9'|\\[8:9\\]|\\{\\}|yes|\"\\{\\{ x \\}\\}\"|30s|&a x|\\*a))?)", 0..20),
        limit in "[a-z0-9*?!&:,\\[\\]~@ -]{0,12}",
    ) {
        let (request, world) = asked(&[&lines.join("\n")], &[&limit]);
        let _ = load(&request, &world);
    }
}

/// Files of which those named `nowhere` are links that lead there, and a folder of variables of hosts that nobody may
/// read.
struct Broken(InMemory);

impl World for Broken {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn list(&self, folder: &Path) -> std::io::Result<Vec<String>> {
        if folder.ends_with("host_vars") && self.0.kind(folder).is_some() {
            return Err(std::io::ErrorKind::PermissionDenied.into());
        }
        self.0.list(folder)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        self.0
            .kind(path)
            .filter(|_| path.file_stem().is_none_or(|stem| stem != "nowhere"))
    }

    fn is_world_writable(&self, _: &Path) -> bool {
        false
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> std::io::Result<crate::world::Answer> {
        self.0.run(program, arguments)
    }

    fn find_program(&self, _: &str) -> Option<PathBuf> {
        None
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn current_folder(&self) -> PathBuf {
        PathBuf::new()
    }
}

#[test]
fn variables_that_are_out_of_reach_are_told_once() {
    let load = |files: &[&str]| {
        let hosts = "all: {children: {nowhere: {hosts: {h: , i: }}}}";
        let add = |world: InMemory, file: &&str| world.file(*file, "portmap: []");
        let files = files.iter().fold(InMemory::default().file("hosts.yml", hosts), add);
        let request = Request {
            inventory: vec!["hosts.yml".to_owned()],
            ..Request::default()
        };
        let world: Arc<dyn World> = Arc::new(Broken(files));
        super::load(&request, &world)
    };
    let files = [
        "group_vars/all/nowhere.yml",
        "group_vars/all/nowhere.md",
        "group_vars/nowhere.yml",
    ];
    let warnings = load(&files).unwrap().warnings;
    let mut said: Vec<_> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    said.sort_unstable();
    let why = "is not read: it leads nowhere, or out of reach";
    assert_eq!(said, [format!("{} {why}", files[0]), format!("{} {why}", files[2])]);
    let problems = load(&["host_vars/h.yml"]).unwrap_err();
    assert!(
        problems[0].message.starts_with("cannot read the folder host_vars"),
        "{problems:?}"
    );
}
