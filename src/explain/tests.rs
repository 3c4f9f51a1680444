use super::*;
use crate::firewall::explain::{Call, Policy, explain, made};
use crate::firewall::trace::Host;
use crate::firewall::{Family, Ruleset};
use crate::mapping::MappingSet;

const PEN: Pen = Pen {
    width: 80,
    color: false,
    unicode: true,
};

fn ours(policy: Policy) -> Picture {
    let source = crate::problem::Source::new("test", "['2222:22']");
    let set = MappingSet::parse(&crate::yaml::read(&source).unwrap().root).unwrap();
    let call = Call::to(&set.mappings()[0], Family::V4, None).unwrap();
    explain(&made(&set, Family::V4, policy), &Host::default(), &call)
}

fn given(text: &str) -> Picture {
    let call = Call {
        family: Family::V4,
        protocol: "tcp".to_owned(),
        port: 2222,
        to_port: 22,
        source: None,
        destination: None,
        interface: None,
    };
    explain(&Ruleset::parse_file(text).unwrap(), &Host::default(), &call)
}

const OF: &str = "the rules that portmap-deploy makes, INPUT policy DROP";

fn drawn(picture: &Picture, pen: Pen) -> String {
    terminal(&Sheet { picture, of: OF }, pen)
}

#[test]
fn in_80_columns() {
    insta::assert_snapshot!(drawn(&ours(Policy::Drop), PEN));
}

#[test]
fn in_120_columns() {
    insta::assert_snapshot!(drawn(&ours(Policy::Drop), Pen { width: 120, ..PEN }));
}

#[test]
fn in_ascii() {
    let drawn = drawn(&ours(Policy::Accept), Pen { unicode: false, ..PEN });
    assert!(drawn.is_ascii());
    insta::assert_snapshot!(drawn);
}

#[test]
fn lanes_stand_side_by_side_whatever_is_in_them() {
    let odd = "*raw\n-A PREROUTING -p tcp -m tcp --dport 2222 -j CT --notrack\nCOMMIT\n\
        *filter\n:A-CHAIN-WITH-A-VERY-LONG-NAME - [0:0]\n-A INPUT -m comment --comment \"→ über <&> nonsensewithoutanyblankinitwhatsoeverthatgoesonandon\" -g A-CHAIN-WITH-A-VERY-LONG-NAME\n\
        -A A-CHAIN-WITH-A-VERY-LONG-NAME -m geoip --source-country DE -j DROP\n-A A-CHAIN-WITH-A-VERY-LONG-NAME -p tcp -j REJECT\nCOMMIT\n";
    for picture in [ours(Policy::Drop), given(odd), given("")] {
        for width in [0, 60, 80, 100, 120, 500] {
            for unicode in [true, false] {
                let pen = Pen { width, unicode, ..PEN };
                let text = drawn(&picture, pen);
                let most = width.clamp(60, 120);
                assert!(
                    text.lines().all(|line| console::measure_text_width(line) <= most),
                    "{text}"
                );
                let side = if unicode { '│' } else { '|' };
                for line in text.lines().filter(|line| line.starts_with(side)) {
                    assert_eq!(line.chars().nth((most - 2) / 2 - 1), Some(side), "{text}");
                }
            }
        }
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let picture = ours(Policy::Drop);
    let colored = drawn(&picture, Pen { color: true, ..PEN });
    assert_ne!(colored, drawn(&picture, PEN));
    assert_eq!(console::strip_ansi_codes(&colored), drawn(&picture, PEN));
}

#[test]
fn svg_is_sound_and_says_the_same() {
    for picture in [ours(Policy::Drop), ours(Policy::Accept)] {
        let text = svg(&Sheet {
            picture: &picture,
            of: "rules of <a> & \"b\"",
        });
        assert!(text.contains("rules of &lt;a&gt; &amp; "), "{text}");
        for never in ["<script", "href", "url(", "@import", "<image", "<a>"] {
            assert!(!text.contains(never), "{never}");
        }
        for needed in [
            "viewBox=",
            "<title id=\"title\">",
            "<desc id=\"description\">",
            "role=\"img\"",
        ] {
            assert!(text.contains(needed), "{needed}");
        }
        let mut reader = quick_xml::Reader::from_str(&text);
        let mut depth = 0_i32;
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Start(_) => depth += 1,
                quick_xml::events::Event::End(_) => depth -= 1,
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0);
    }
    insta::assert_snapshot!(svg(&Sheet {
        picture: &ours(Policy::Drop),
        of: OF,
    }));
}

#[test]
fn long_words_are_cut_and_targets_kept() {
    assert_eq!(wrapped("-p tcp -j ACCEPT", 12), ["-p tcp", "-j ACCEPT"]);
    assert_eq!(wrapped("abcdefghijkl", 8), ["abcdefgh", "ijkl"]);
    assert_eq!(wrapped("", 8), [""]);
}
