//! The user's own arguments for ssh, taken apart as ssh(1) does it.

/// Options of ssh that take a value, of all versions.
const WITH_VALUE: &str = "BbcDEeFIiJLlmOoPpQRSWw";

/// The file that `-F` names, which ssh also gives to the ssh that it jumps with.
pub(super) fn config_file(arguments: &[String]) -> Option<&str> {
    let mut file = None;
    walk(arguments, |flag, value, _| {
        if flag == 'F' {
            file = value;
        }
    });
    file
}

/// All but `-J`, which ssh takes beside no `ProxyCommand`.
pub(super) fn without_jump(arguments: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    walk(arguments, |flag, value, word| {
        if flag == 'J' {
            return;
        }
        match (flag, value) {
            ('\0', _) => kept.push(word.to_owned()),
            (flag, None) => kept.push(format!("-{flag}")),
            (flag, Some(value)) => kept.extend([format!("-{flag}"), value.to_owned()]),
        }
    });
    kept
}

/// Calls back for each option, its value and the word it stands in; `\0`: a word that is no option.
pub(super) fn walk<'a>(arguments: &'a [String], mut each: impl FnMut(char, Option<&'a str>, &'a str)) {
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let Some(flags) = word
            .strip_prefix('-')
            .filter(|flags| !flags.is_empty() && *flags != "-")
        else {
            each('\0', None, word);
            continue;
        };
        for (at, flag) in flags.char_indices() {
            if !WITH_VALUE.contains(flag) {
                each(flag, None, word);
                continue;
            }
            let rest = flags.get(at + flag.len_utf8()..).filter(|rest| !rest.is_empty());
            each(flag, rest.or_else(|| words.next()), word);
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_jump_is_taken_out_however_it_is_written() {
        for jump in ["-J a,b", "-Ja,b", "-qJ a,b", "-qJa,b"] {
            let kept = without_jump(&words(&format!("-o User=x {jump} -F cfg -4")));
            let expected: &[&str] = if jump.contains('q') {
                &["-o", "User=x", "-q", "-F", "cfg", "-4"]
            } else {
                &["-o", "User=x", "-F", "cfg", "-4"]
            };
            assert_eq!(kept, expected, "{jump}");
        }
        assert_eq!(without_jump(&words("-o -J -i -J")), ["-o", "-J", "-i", "-J"]);
    }

    #[test]
    fn the_configuration_file_is_found() {
        assert_eq!(config_file(&words("-C -F cfg -v")), Some("cfg"));
        assert_eq!(config_file(&words("-vFcfg")), Some("cfg"));
        assert_eq!(config_file(&words("-o -F -i cfg")), None);
    }
}
