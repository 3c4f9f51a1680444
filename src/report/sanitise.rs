use super::{HostReport, MappingProof, RunEvent};
use crate::problem::printable;

/// The most characters of one text that are kept.
const LONGEST: usize = 4096;

/// The text in one line, without what could steer a terminal or mislead a reader: line breaks and tabs become blanks,
/// other unprintable characters are escaped as in [`printable`], what is beyond 4,096 characters becomes `…`.
#[must_use]
pub fn sanitise(text: &str) -> String {
    let blank = |c: char| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
    let mut line: String = text.trim_end().chars().take(LONGEST).map(blank).collect();
    if text.trim_end().chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    printable(&line).into_owned()
}

impl HostReport {
    /// The same with every text [sanitised](sanitise).
    #[must_use]
    pub fn sanitised(self) -> Self {
        Self {
            reason: self.reason.as_deref().map(sanitise),
            hint: self.hint.as_deref().map(sanitise),
            mappings: self.mappings.into_iter().map(MappingProof::sanitised).collect(),
            warnings: self.warnings.iter().map(|warning| sanitise(warning)).collect(),
            login: self.login.as_deref().map(sanitise),
            ..self
        }
    }
}

impl MappingProof {
    fn sanitised(self) -> Self {
        Self {
            name: self.name.as_deref().map(sanitise),
            reason: self.reason.as_deref().map(sanitise),
            ..self
        }
    }
}

impl RunEvent {
    /// The same with every text [sanitised](sanitise).
    #[must_use]
    pub fn sanitised(self) -> Self {
        match self {
            Self::Step { host, step, detail } => Self::Step {
                host,
                step,
                detail: sanitise(&detail),
            },
            Self::Dialogue { host, level, line } => Self::Dialogue {
                host,
                level,
                line: sanitise(&line),
            },
            Self::Warning { host, text } => Self::Warning {
                host,
                text: sanitise(&text),
            },
            Self::HostFinished { host, report } => Self::HostFinished {
                host,
                report: Box::new(report.sanitised()),
            },
            Self::HostUnhealthy { host, report } => Self::HostUnhealthy {
                host,
                report: Box::new(report.sanitised()),
            },
            Self::HostReverted { host, report } => Self::HostReverted {
                host,
                report: Box::new(report.sanitised()),
            },
            // Their texts are the program's own, with names from inventories, which have no control characters.
            other @ (Self::Started { .. }
            | Self::BatchStarted(_)
            | Self::BatchFinished { .. }
            | Self::Stopping { .. }
            | Self::SoakStarted { .. }
            | Self::SoakFinished { .. }
            | Self::PauseStarted { .. }
            | Self::PauseFinished { .. }
            | Self::RevertStarted { .. }
            | Self::HostReverting { .. }
            | Self::HostStarted { .. }
            | Self::TimerArmed { .. }
            | Self::TimerStopped { .. }
            | Self::Interrupted { .. }
            | Self::Finished) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::EndState;

    #[test]
    fn escape_sequences_lose_their_escape() {
        assert_eq!(
            sanitise("\x1b[2Jgone\u{9b}31m\x07\x7f"),
            r"\u{1b}[2Jgone\u{9b}31m\u{7}\u{7f}"
        );
        assert_eq!(sanitise("one\r\ntwo\tthree\n"), "one  two three");
        assert_eq!(sanitise("web\u{202e}1"), r"web\u{202e}1");
        assert_eq!(sanitise("Grüße → 22"), "Grüße → 22");
    }

    #[test]
    fn long_texts_are_cut() {
        let cut = sanitise(&"x".repeat(100_000));
        assert_eq!(cut.chars().count(), LONGEST + 1);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn every_text_of_a_report_is_cleaned() {
        let bad = || "\x1b]0;x\x07".to_owned();
        let report = HostReport {
            warnings: vec![bad()],
            ..HostReport::new(EndState::Failed).because(bad()).advising(bad())
        };
        let event = RunEvent::HostFinished {
            host: "web1".into(),
            report: Box::new(report),
        }
        .sanitised();
        let RunEvent::HostFinished { report, .. } = event else {
            panic!("another event")
        };
        let texts: Vec<&String> = report
            .warnings
            .iter()
            .chain(&report.reason)
            .chain(&report.hint)
            .collect();
        assert_eq!(texts, [r"\u{1b}]0;x\u{7}"; 3]);
    }

    proptest! {
        #[test]
        fn nothing_that_steers_a_terminal_is_left(text in any::<String>()) {
            prop_assert!(!sanitise(&text).chars().any(char::is_control));
        }
    }
}
