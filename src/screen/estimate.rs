//! How long a run will still take: a guess from the hosts that are done.

use std::time::Duration;

/// What a run has still to do.
#[derive(Debug, Clone)]
pub(super) struct Left {
    /// Hosts at a time.
    pub forks: usize,
    /// Hosts that run.
    pub running: usize,
    /// Hosts of the batch that have no end, those that run among them.
    pub batch: usize,
    /// The sizes of the batches that have not begun.
    pub later: Vec<usize>,
}

/// A guess that changes its mind rarely: what is shown of it must not jump about.
#[derive(Debug, Clone, Default)]
pub(super) struct Estimate {
    hosts: u32,
    took: Duration,
    soak: Duration,
    pause: Duration,
    end: Option<Duration>,
}

/// Hosts that must be done before their mean says anything.
const FEWEST: u32 = 3;
/// What is over as soon as this needs no estimate.
const SOON: Duration = Duration::from_secs(10);
/// Errors below this, in seconds, and below a share of what is left are borne.
const BORNE: (f64, f64) = (45.0, 0.3);

impl Estimate {
    /// A host was at work for so long.
    pub fn took(&mut self, time: Duration) {
        self.hosts += 1;
        self.took = self.took.saturating_add(time);
    }

    /// Each batch soaks for so long.
    pub fn soaks(&mut self, time: Duration) {
        self.soak = time;
    }

    /// Between two batches is so much time.
    pub fn pauses(&mut self, time: Duration) {
        self.pause = time;
    }

    /// Looks at what is left.
    pub fn revise(&mut self, left: &Left, now: Duration) {
        let enough = u32::try_from(left.forks.min(10)).unwrap_or(FEWEST).max(FEWEST);
        if self.hosts < enough {
            return;
        }
        let seconds = self.seconds(left);
        let error = self.end.map(|end| (now.as_secs_f64() + seconds) - end.as_secs_f64());
        let seconds = match error {
            Some(error) if error.abs() < BORNE.0.max(BORNE.1 * seconds) => return,
            // Half the way: the next hosts will tell.
            Some(error) => seconds - error / 2.0,
            None => seconds,
        };
        self.end = Duration::try_from_secs_f64(now.as_secs_f64() + seconds).ok();
    }

    #[expect(clippy::cast_precision_loss, reason = "hosts are few")]
    fn seconds(&self, left: &Left) -> f64 {
        let mean = self.took.as_secs_f64() / f64::from(self.hosts.max(1));
        let turns = |hosts: f64| {
            if hosts > 0.0 {
                (hosts / left.forks.max(1) as f64).max(1.0)
            } else {
                0.0
            }
        };
        // Those that run are halfway through.
        let batch = (left.batch as f64 - left.running as f64 / 2.0) / left.forks.max(1) as f64;
        let later: f64 = left.later.iter().map(|hosts| turns(*hosts as f64)).sum();
        let between = self.pause.as_secs_f64() * left.later.len() as f64;
        let soaks = self.soak.as_secs_f64() * (left.later.len() + 1) as f64;
        mean * (batch + later) + between + soaks
    }

    /// `about 2 min left`, `less than a minute left`; nothing while nothing is known, and when it is over at once.
    pub fn words(&self, now: Duration) -> Option<String> {
        let left = self.end?.saturating_sub(now);
        if left < SOON {
            return None;
        }
        let minutes = (left.as_secs() + 30) / 60;
        Some(match minutes {
            0 | 1 if left.as_secs() < 60 => "less than a minute left".to_owned(),
            // In steps of five: nobody waits by the minute.
            10.. => format!("about {} min left", (minutes + 2) / 5 * 5),
            minutes => format!("about {minutes} min left"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_is_said_of_few_hosts_and_of_short_runs() {
        let left = |batch| Left {
            forks: 1,
            running: 0,
            batch,
            later: vec![],
        };
        let mut estimate = Estimate::default();
        for done in 1..=2 {
            estimate.took(seconds(60));
            estimate.revise(&left(100), seconds(60 * done));
            assert_eq!(estimate.words(seconds(60 * done)), None);
        }
        estimate.took(seconds(60));
        estimate.revise(&left(4), seconds(180));
        assert_eq!(estimate.words(seconds(180)).as_deref(), Some("about 4 min left"));
        assert_eq!(estimate.words(seconds(370)).as_deref(), Some("less than a minute left"));
        assert_eq!(estimate.words(seconds(411)), None);
        assert_eq!(estimate.words(seconds(1000)), None);
        let mut short = Estimate::default();
        (0..3).for_each(|_| short.took(seconds(1)));
        short.revise(&left(5), seconds(3));
        assert_eq!(short.words(seconds(3)), None);
    }

    #[test]
    fn batches_pauses_and_soaks_count() {
        let mut estimate = Estimate::default();
        (0..10).for_each(|_| estimate.took(seconds(10)));
        estimate.soaks(seconds(60));
        estimate.pauses(seconds(30));
        let left = Left {
            forks: 10,
            running: 0,
            batch: 100,
            later: vec![1, 200],
        };
        // 100 s and a soak; a pause, 10 s and a soak; a pause, 200 s and a soak.
        assert!((estimate.seconds(&left) - 550.0).abs() < 0.01);
    }

    /// Ten of 500 hosts at a time, each two to four seconds, one of fifty thirty seconds.
    #[test]
    fn it_does_not_jump() {
        let mut free = [0.0_f64; 10];
        let mut ends = vec![];
        for host in 0..500_u32 {
            let fork = free.iter_mut().min_by(|a, b| a.total_cmp(b)).expect("ten");
            let took = if host % 50 == 49 {
                30.0
            } else {
                2.0 + f64::from(host * 7 % 20) / 10.0
            };
            *fork += took;
            ends.push((*fork, took));
        }
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut estimate, mut shown) = (Estimate::default(), vec![]);
        for ((now, took), batch) in ends.into_iter().zip((0..500_usize).rev()) {
            let now = Duration::from_secs_f64(now);
            estimate.took(Duration::from_secs_f64(took));
            let left = Left {
                forks: 10,
                running: batch.min(10),
                batch,
                later: vec![],
            };
            estimate.revise(&left, now);
            let words = estimate.words(now);
            if words.is_some() && shown.last() != Some(&words) {
                shown.push(words);
            }
        }
        let shown: Vec<String> = shown.into_iter().flatten().collect();
        assert_eq!(
            shown,
            ["about 2 min left", "about 1 min left", "less than a minute left"]
        );
    }
}
