use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::time;
use crate::rollout::{BatchSize, OnFailure, Overrides, Pause, Percentage};

/// How careful a run is: each in place of the plays' own.
#[derive(Debug, Default, clap::Args)]
pub struct Careful {
    /// Hosts per batch, as numbers or shares such as 25%, separated by commas; the last one repeats. All in one batch where
    /// no play says.
    #[arg(long, value_name = "SIZES", value_delimiter = ',')]
    pub serial: Vec<BatchSize>,
    /// How many of a hundred hosts of a batch may fail. Where nothing says how many may fail, a batch with a failure is the
    /// last.
    #[arg(long, value_name = "N", value_parser = percentage)]
    pub max_fail_percentage: Option<Percentage>,
    /// How many hosts of the whole run may fail.
    #[arg(long, value_name = "N")]
    pub max_failures: Option<u32>,
    /// What happens when more failed: start no other host, go on, or also give the hosts of the batch, or all that the run
    /// changed, their old rules back [default: stop].
    #[arg(long, value_name = "WHAT", value_parser = on_failure())]
    pub on_failure: Option<OnFailure>,
    /// What is between the batches of a play: a time, or `confirm`, to be asked.
    #[arg(long, value_name = "TIME", value_parser = pause)]
    pub pause: Option<Pause>,
    /// How long a batch is watched before the next one.
    #[arg(long, value_name = "TIME", value_parser = wait)]
    pub soak: Option<Duration>,
}

impl From<&Careful> for Overrides {
    fn from(careful: &Careful) -> Self {
        Self {
            max_fail_percentage: careful.max_fail_percentage,
            max_failures: careful.max_failures,
            on_failure: careful.on_failure,
            pause: careful.pause,
            soak: careful.soak,
        }
    }
}

/// `0`, or a time as after `--timeout`.
fn wait(text: &str) -> Result<Duration, String> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        text => time(text),
    }
}

fn pause(text: &str) -> Result<Pause, String> {
    match text {
        "confirm" => Ok(Pause::Confirm),
        text => wait(text)
            .map(Pause::For)
            .map_err(|why| format!("{why}, or `confirm` to be asked")),
    }
}

fn percentage(text: &str) -> Result<Percentage, String> {
    let bare = text.strip_suffix('%').unwrap_or(text);
    let number = bare.parse().ok().filter(|number| (0.0..=100.0).contains(number));
    number.map(Percentage).ok_or_else(|| "must be from 0 to 100".to_owned())
}

fn on_failure() -> impl TypedValueParser<Value = OnFailure> {
    PossibleValuesParser::new(OnFailure::ALL.map(|(name, _)| name)).map(|chosen| {
        let found = OnFailure::ALL.into_iter().find(|(name, _)| *name == chosen);
        found.map_or_else(OnFailure::default, |(_, on_failure)| on_failure)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_and_shares() {
        assert_eq!(wait("0"), Ok(Duration::ZERO));
        assert_eq!(pause("confirm"), Ok(Pause::Confirm));
        assert_eq!(pause("1m"), Ok(Pause::For(Duration::from_secs(60))));
        assert!(pause("ask").is_err_and(|why| why.contains("confirm")));
        assert_eq!(percentage("33.3"), Ok(Percentage(33.3)));
        assert_eq!(percentage("25%"), Ok(Percentage(25.0)));
        for wrong in ["", "-1", "101", "NaN", "inf", "many"] {
            assert!(percentage(wrong).is_err(), "{wrong}");
        }
    }
}
