//! What was looked at and found well or not, in a shape that test reports have: JUnit's XML and Prometheus' gauges are
//! written of it, whatever it was that looked.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::prometheus::Gauge;

/// One thing that was looked at: a host, or a mapping of a host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Finding {
    /// What people call it.
    pub name: String,
    /// What it belongs to: JUnit's `classname`.
    pub group: String,
    /// What is wrong; `None`: nothing.
    pub fault: Option<Fault>,
    /// How long it took to look.
    pub elapsed: Duration,
    /// More about it, by name: JUnit's properties, Prometheus' labels. Names are words of letters and `_`.
    pub labels: Vec<(&'static str, String)>,
}

/// What is wrong with something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// In a word or two: `drifted`.
    pub kind: String,
    /// Whether it could not be looked at: JUnit's errors, as opposed to its failures.
    pub unseen: bool,
    /// Why, one sentence.
    pub reason: String,
    /// More, a line each.
    pub details: Vec<String>,
}

/// The findings as JUnit's XML, the form that Jenkins and GitLab read.
#[must_use]
pub fn junit(suite: &str, findings: &[Finding], elapsed: Duration) -> String {
    let mut report = Report::new("portmap-deploy");
    report.set_time(elapsed);
    let mut cases = TestSuite::new(suite);
    cases.set_time(elapsed);
    cases.add_test_cases(findings.iter().map(test_case));
    report.add_test_suite(cases);
    // Writing to a string fails of nothing.
    report.to_string().unwrap_or_default()
}

fn test_case(finding: &Finding) -> TestCase {
    let status = match &finding.fault {
        None => TestCaseStatus::success(),
        Some(fault) => non_success(fault),
    };
    let mut case = TestCase::new(finding.name.as_str(), status);
    case.set_classname(finding.group.as_str()).set_time(finding.elapsed);
    case.add_properties(finding.labels.iter().map(|(name, value)| (*name, value.as_str())));
    case
}

fn non_success(fault: &Fault) -> TestCaseStatus {
    let kind = if fault.unseen {
        NonSuccessKind::Error
    } else {
        NonSuccessKind::Failure
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(fault.kind.as_str()).set_message(fault.reason.as_str());
    if !fault.details.is_empty() {
        status.set_description(fault.details.join("\n"));
    }
    status
}

/// A gauge with a sample for each finding, 1 for what is well and 0 for what is not. Its labels are `group`, called
/// `group_label`, and those of the findings.
#[must_use]
pub fn gauge_of(name: &'static str, help: &'static str, group_label: &'static str, findings: &[Finding]) -> Gauge {
    let mut gauge = Gauge::new(name, help);
    for finding in findings {
        let mut labels = vec![(group_label, finding.group.clone())];
        labels.extend(finding.labels.iter().cloned());
        gauge.add(labels, f64::from(u8::from(finding.fault.is_none())));
    }
    gauge
}

#[cfg(test)]
mod tests {
    use super::super::prometheus::exposition;
    use super::*;

    fn findings() -> Vec<Finding> {
        let labels = |port: &str| vec![("family", "ipv4".to_owned()), ("port", port.to_owned())];
        let well = Finding {
            name: "ipv4 tcp 2222 → 22".to_owned(),
            group: "web1".to_owned(),
            fault: None,
            elapsed: Duration::from_millis(12),
            labels: labels("2222"),
        };
        let unwell = Finding {
            name: "ipv4 tcp 80 → 8080".to_owned(),
            fault: Some(Fault {
                kind: "filtered".to_owned(),
                unseen: false,
                reason: "\"80\" <is> dropped & gone \u{1b}[2J".to_owned(),
                details: vec!["one".to_owned(), "]]> two".to_owned()],
            }),
            labels: labels("80"),
            ..well.clone()
        };
        let unseen = Finding {
            name: "web2".to_owned(),
            group: "web2".to_owned(),
            fault: Some(Fault {
                kind: "unreachable".to_owned(),
                unseen: true,
                reason: "nobody answers".to_owned(),
                details: vec![],
            }),
            elapsed: Duration::ZERO,
            labels: labels("80"),
        };
        vec![well, unwell, unseen]
    }

    #[test]
    fn junit_has_a_case_for_each() {
        let seconds = Duration::from_millis(1500);
        insta::assert_snapshot!(junit("portmap-deploy verify", &findings(), seconds), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="portmap-deploy" tests="3" skipped="0" failures="1" errors="1" time="1.500">
            <testsuite name="portmap-deploy verify" tests="3" skipped="0" errors="1" failures="1" time="1.500">
                <testcase name="ipv4 tcp 2222 → 22" classname="web1" time="0.012">
                    <properties>
                        <property name="family" value="ipv4"/>
                        <property name="port" value="2222"/>
                    </properties>
                </testcase>
                <testcase name="ipv4 tcp 80 → 8080" classname="web1" time="0.012">
                    <properties>
                        <property name="family" value="ipv4"/>
                        <property name="port" value="80"/>
                    </properties>
                    <failure message="&quot;80&quot; &lt;is&gt; dropped &amp; gone " type="filtered">one
        ]]&gt; two</failure>
                </testcase>
                <testcase name="web2" classname="web2" time="0.000">
                    <properties>
                        <property name="family" value="ipv4"/>
                        <property name="port" value="80"/>
                    </properties>
                    <error message="nobody answers" type="unreachable"/>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn a_gauge_tells_well_from_unwell() {
        let gauge = gauge_of("portmap_verify_ok", "Whether it holds.", "host", &findings());
        insta::assert_snapshot!(exposition(&[gauge]), @r#"
        # HELP portmap_verify_ok Whether it holds.
        # TYPE portmap_verify_ok gauge
        portmap_verify_ok{family="ipv4",host="web1",port="2222"} 1
        portmap_verify_ok{family="ipv4",host="web1",port="80"} 0
        portmap_verify_ok{family="ipv4",host="web2",port="80"} 0
        "#);
    }
}
