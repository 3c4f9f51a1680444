//! Prometheus' text format, version 0.0.4, which `node_exporter`'s textfile collector reads.
//!
//! Written by the `prometheus` crate: its encoder is of this very version. (`prometheus-client` writes `OpenMetrics`,
//! whose `# EOF` and `# UNIT` lines the collector only happens to skip.)

use prometheus::{GaugeVec, Opts, Registry, TextEncoder};

/// One metric, with its samples. A sample without labels is the metric's only one.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    name: &'static str,
    help: &'static str,
    samples: Vec<(Labels, f64)>,
}

type Labels = Vec<(&'static str, String)>;

impl Gauge {
    /// A gauge without samples yet.
    #[must_use]
    pub fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            samples: vec![],
        }
    }

    /// Adds a sample. All samples of a gauge have the same labels; another value of the same labels' values takes the
    /// place of the earlier one.
    pub fn add(&mut self, labels: Labels, value: f64) {
        self.samples.push((labels, value));
    }

    /// The same with a sample that has no labels.
    #[must_use]
    pub fn with(mut self, value: f64) -> Self {
        self.add(vec![], value);
        self
    }

    fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        // A metric without samples is an error to some readers, and tells nothing.
        let Some((first, _)) = self.samples.first() else {
            return Ok(());
        };
        let names: Vec<&str> = first.iter().map(|(name, _)| *name).collect();
        let gauge = GaugeVec::new(Opts::new(self.name, self.help), &names)?;
        for (labels, value) in &self.samples {
            let values: Vec<&str> = labels.iter().map(|(_, value)| value.as_str()).collect();
            gauge.get_metric_with_label_values(&values)?.set(*value);
        }
        registry.register(Box::new(gauge))
    }
}

/// The gauges as text, sorted by name. One that is not sound (its name, or labels that differ) is left out.
#[must_use]
pub fn exposition(gauges: &[Gauge]) -> String {
    let registry = Registry::new();
    for gauge in gauges {
        let registered = gauge.register(&registry);
        debug_assert!(registered.is_ok(), "{registered:?}");
    }
    // Writing to a string fails of nothing.
    TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_metrics_without_samples_left_out() {
        let mut gauge = Gauge::new("portmap_host_ok", "Whether it is \\ well.");
        gauge.add(vec![("host", "a\"b\\c\nd".to_owned())], 1.0);
        gauge.add(vec![("host", "web1".to_owned())], 0.5);
        let text = exposition(&[
            gauge,
            Gauge::new("portmap_nothing", "Nothing."),
            Gauge::new("portmap_timestamp_seconds", "When.").with(1_700_000_000.25),
        ]);
        insta::assert_snapshot!(text, @r#"
        # HELP portmap_host_ok Whether it is \\ well.
        # TYPE portmap_host_ok gauge
        portmap_host_ok{host="a\"b\\c\nd"} 1
        portmap_host_ok{host="web1"} 0.5
        # HELP portmap_timestamp_seconds When.
        # TYPE portmap_timestamp_seconds gauge
        portmap_timestamp_seconds 1700000000.25
        "#);
    }
}
