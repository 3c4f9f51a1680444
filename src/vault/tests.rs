use proptest::prelude::*;

use super::*;

fn secrets(pairs: &serde_json::Value) -> Secrets {
    let mut secrets = Secrets::default();
    for pair in pairs.as_array().unwrap() {
        let password = pair[1].as_str().unwrap().as_bytes().to_vec();
        secrets.add(pair[0].as_str(), Zeroizing::new(password));
    }
    secrets
}

/// The kind of error that Ansible has for each of ours.
fn ansible_name(error: &Error) -> &'static str {
    match error {
        Error::Malformed("its padding is wrong") => "ValueError",
        Error::Malformed(_) => "AnsibleVaultFormatError",
        _ => "AnsibleVaultError",
    }
}

/// What Ansible made of each, as `tests/cases/vault/record.py` recorded it.
#[test]
fn texts_are_what_ansible_makes_of_them() {
    let cases: serde_json::Value = serde_json::from_str(include_str!("../../tests/cases/vault/cases.json")).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 50);
    for case in cases {
        let found = secrets(&case["secrets"]).decrypt(case["text"].as_str().unwrap().as_bytes());
        let found = match &found {
            // Recorded as the characters with the numbers of its bytes.
            Ok(plain) => serde_json::json!({"plain": plain.iter().copied().map(char::from).collect::<String>()}),
            Err(error) => serde_json::json!({"error": ansible_name(error)}),
        };
        assert_eq!(found, case["answer"], "{}", case["name"]);
    }
}

fn error(text: &str, password: Option<&str>) -> String {
    let mut secrets = Secrets::default();
    if let Some(password) = password {
        secrets.add(None, Zeroizing::new(password.as_bytes().to_vec()));
    }
    secrets.decrypt(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn errors_say_what_is_wrong() {
    let cases = [
        ("user: root", "this is not encrypted by ansible-vault"),
        (
            "$ANSIBLE_VAULT;1.1",
            "this encrypted text is damaged: its header is not complete",
        ),
        (
            "$ANSIBLE_VAULT;1.0;AES\n00",
            "the cipher `AES` of this encrypted text is not supported, only AES256",
        ),
        (
            "$ANSIBLE_VAULT;1.1;AES256\n0x",
            "this encrypted text is damaged: it is not made of hexadecimal digits",
        ),
        (
            "$ANSIBLE_VAULT;1.1;AES256\n30310a",
            "this encrypted text is damaged: a part of it is missing",
        ),
        (
            "$ANSIBLE_VAULT;1.1;AES256\n30310a30310a3031",
            "no vault password fits this encrypted text",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(error(text, Some("right")), message);
    }
    assert_eq!(
        error("$ANSIBLE_VAULT;1.1;AES256\n00", None),
        "no vault password was given"
    );
}

#[test]
fn passwords_lose_the_blanks_around_them() {
    let none = Secrets::default();
    assert_eq!(**none.file_password(b" \t pass word \r\n\n").unwrap(), b"pass word"[..]);
    assert_eq!(**script_password(b"\n pass \r\n").unwrap(), b" pass "[..]);
    assert_eq!(**typed_password(b" pass ").unwrap(), b"pass"[..]);
    for empty in [
        none.file_password(b" \n"),
        script_password(b"\r\n"),
        typed_password(b""),
    ] {
        assert_eq!(empty.unwrap_err(), Error::EmptyPassword);
    }
}

#[test]
fn a_password_file_may_be_encrypted() {
    let cases: serde_json::Value = serde_json::from_str(include_str!("../../tests/cases/vault/cases.json")).unwrap();
    let mut secrets = Secrets::default();
    let content = format!("\n{} \n", cases[0]["text"].as_str().unwrap());
    assert_eq!(secrets.file_password(content.as_bytes()).unwrap_err(), Error::NoSecrets);
    secrets.add(None, Zeroizing::new(b"right".to_vec()));
    assert_eq!(**secrets.file_password(content.as_bytes()).unwrap(), b"user: root"[..]);
}

#[test]
fn secrets_show_their_names_only() {
    let mut secrets = Secrets::default();
    assert!(secrets.is_empty());
    secrets.add(Some("prod"), Zeroizing::new(b"hidden".to_vec()));
    assert_eq!(format!("{secrets:?}"), "[\"prod\"]");
}

proptest! {
    #[test]
    fn any_text_is_refused_at_least(body in "[0-9a-f\n;]{0,200}", noise in any::<Vec<u8>>()) {
        let secrets = Secrets::default();
        prop_assert!(secrets.decrypt(&noise).is_err());
        let text = format!("$ANSIBLE_VAULT;1.1;AES256\n{body}");
        prop_assert!(secrets.decrypt(text.as_bytes()).is_err());
        let _ = Sealed::parse(body.as_bytes());
        let _ = Sealed::parse(&noise);
    }
}
