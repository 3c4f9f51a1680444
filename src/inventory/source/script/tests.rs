use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::Value as Json;

use super::*;
use crate::inventory::tests::recorded::{cases, describe, difference};
use crate::world::{Answer, Kind};

type Run = Box<dyn Fn(&[&str]) -> io::Result<Answer> + Send + Sync>;

/// A world with one program.
struct Program {
    run: Run,
    asked: Mutex<Vec<String>>,
}

impl Program {
    fn new(run: impl Fn(&[&str]) -> io::Result<Answer> + Send + Sync + 'static) -> Self {
        Self {
            run: Box::new(run),
            asked: Mutex::default(),
        }
    }

    fn printing(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(move |_| Ok(printed(&text)))
    }
}

fn printed(text: &str) -> Answer {
    Answer {
        status: Some(0),
        stdout: text.as_bytes().to_vec(),
        stderr: String::new(),
    }
}

impl World for Program {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn kind(&self, _: &Path) -> Option<Kind> {
        None
    }
    fn is_world_writable(&self, _: &Path) -> bool {
        false
    }
    fn run(&self, _: &Path, arguments: &[&str]) -> io::Result<Answer> {
        self.asked.lock().expect("no panic").push(arguments.join(" "));
        (self.run)(arguments)
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

fn parse(program: &Program) -> Result<(bool, Data), Vec<Problem>> {
    let mut data = Data::default();
    let ran = read(Path::new("hosts.py"), program, &mut data)?;
    Ok((ran, data))
}

fn problem(program: &Program) -> String {
    let problems = parse(program).expect_err("a problem");
    let hint = problems[0].hint.clone().unwrap_or_default();
    format!("{}; {hint}", problems[0])
}

/// The script of a case: what it prints for its arguments. As Python's `print`, it ends the line.
fn script(case: &str) -> Program {
    let case: Json = serde_json::from_str(case).expect("a case");
    Program::new(move |arguments| {
        let text = match arguments {
            [option] => case.get(*option),
            [option, host] => case.get(*option).and_then(|hosts| hosts.get(*host)),
            _ => None,
        };
        let text = text.and_then(Json::as_str).ok_or(io::ErrorKind::Other)?;
        Ok(printed(&format!("{text}\n")))
    })
}

#[test]
fn scripts_are_read_as_ansible_reads_them() {
    let cases = cases("scripts", "json", "out");
    assert!(cases.len() > 50);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(name, text, answer)| match (parse(&script(text)), answer) {
            (Ok((_, data)), Some(answer)) => difference(name, &describe(&data), answer),
            (Err(_), None) => None,
            (Ok(_), None) => Some(format!("{name}: read, and refused by Ansible")),
            (Err(problems), Some(_)) => Some(format!("{name}: {problems:?}")),
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hosts_are_asked_for_one_by_one_without_meta() {
    let program = Program::new(|arguments| {
        Ok(printed(match arguments {
            ["--list"] => r#"{"web": ["h2", "h1", "h2"]}"#,
            _ => r#"{"a": 1}"#,
        }))
    });
    let (_, data) = parse(&program).expect("an inventory");
    assert_eq!(
        *program.asked.lock().expect("no panic"),
        ["--list", "--host h2", "--host h1"]
    );
    assert_eq!(data.hosts["h1"].vars["a"].at.source.name, "hosts.py --host h1");
    assert_eq!(data.warnings.len(), 1);
}

#[test]
fn the_first_host_that_fails_is_the_last_one_asked_for() {
    let program = Program::new(|arguments| match arguments {
        ["--list"] => Ok(printed(r#"{"web": ["h1", "h2"]}"#)),
        _ => Err(io::ErrorKind::TimedOut.into()),
    });
    assert!(problem(&program).starts_with("`hosts.py --host h1` did not end in time"));
    assert_eq!(program.asked.lock().expect("no panic").len(), 2);
}

#[test]
fn failures_say_what_the_script_said() {
    let fails = |status, stderr: &'static str| {
        Program::new(move |_| {
            Ok(Answer {
                status,
                stdout: Vec::new(),
                stderr: stderr.to_owned(),
            })
        })
    };
    assert_eq!(
        problem(&fails(Some(3), "no token\nlog in\n")),
        "`hosts.py --list` failed with exit status 3; it said: no token; log in"
    );
    assert!(problem(&fails(None, " \n")).starts_with("`hosts.py --list` was ended by a signal; it did not say why"));
    let not_utf8 = Program::new(|_| {
        Ok(Answer {
            stdout: vec![b'{', 0xff],
            ..printed("")
        })
    });
    assert_eq!(
        problem(&not_utf8),
        "`hosts.py --list` printed what is no UTF-8, at byte 1; "
    );
    let no_json = Program::printing("{\"web\": [h1]}");
    assert!(
        problem(&no_json).contains("hosts.py --list:1:10"),
        "{}",
        problem(&no_json)
    );
}

#[test]
fn what_a_script_says_beside_its_answer_is_a_warning() {
    let program = Program::new(|_| {
        Ok(Answer {
            stderr: "old token\n".to_owned(),
            ..printed(r#"{"_meta": {"hostvars": {}}}"#)
        })
    });
    let (_, data) = parse(&program).expect("an inventory");
    assert_eq!(data.warnings[0].message, "`hosts.py --list` says: old token");
}

#[test]
fn a_text_with_a_mode_for_running_is_no_script() {
    let text = Program::new(|_| Err(io::Error::from_raw_os_error(8)));
    assert!(!parse(&text).expect("no problem").0);
    for kind in [
        io::ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::FileTooLarge,
    ] {
        assert!(parse(&Program::new(move |_| Err(kind.into()))).is_err());
    }
}
