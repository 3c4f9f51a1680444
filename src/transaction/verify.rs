//! The full outside proof of one host without a change: nothing is written there, no rule, no file, no lock.
//!
//! Without counting rules of our own no packet of a probe can be told from others', so a port counts as closed when nobody
//! could connect to it in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::proving::{self, Marks};
use super::{Ended, Options, Transaction, login_report, ssh_to};
use crate::checks::Time;
use crate::firewall::{Family, Mark};
use crate::inventory::HostSpec;
use crate::plan::{Observed, Plan};
use crate::probe;
use crate::proof::{self, Check, Management, Outcome, Phase, Place, Vantage, Verdict};
use crate::remote::route::{Peer, Route};
use crate::remote::{Login, Remote};
use crate::report::{EndState, HostReport, MappingProof, RunEvent, Step};

/// How long a port has to be silent to count as closed: the kernel has tried three times by then.
const SILENCE: Duration = Duration::from_secs(4);

/// How many probes of one host are under way at once.
const AT_ONCE: usize = 64;

/// Looks at a host from outside. [`EndState::Unchanged`]: all is as its mappings and checks promise.
pub async fn verify(host: &HostSpec, options: &Options, events: &UnboundedSender<RunEvent>) -> HostReport {
    let ssh = match ssh_to(host, options, events).await {
        Ok(ssh) => ssh,
        Err(error) => return login_report(&error),
    };
    let mut transaction = Transaction::new(&ssh, host, options, events);
    let report = transaction.verify().await.unwrap_or_else(|report| *report);
    HostReport {
        connections: transaction.contact.logins,
        warnings: transaction.warnings,
        ..report
    }
}

/// A host that was logged in to and told what it has.
pub(super) struct Arrived {
    pub login: Login,
    pub observed: Observed,
    /// Why there is no login by the way that operators use.
    pub astray: Option<String>,
}

impl<R: Remote> Transaction<'_, R> {
    /// Logs in by any way, and then by the one that the mappings leave to operators, where that is another.
    pub(super) async fn arrive(&mut self, limit: Duration) -> Result<Arrived, Ended> {
        self.recall().await;
        self.contact.step(Step::Connect, "");
        let ways = self.ways_in();
        let login = self.contact.login(&ways, true, limit).await;
        let mut login = login.map_err(|error| Box::new(login_report(&error)))?;
        let (observed, _) = self.look(&mut login).await?;
        let way = self.way_after(&login, &observed);
        let mut astray = None;
        if way != login.port {
            let route = self.contact.remote.route().again(&login.peer);
            match self.contact.login_at(&route, &[way], true, limit).await {
                Ok(other) => std::mem::replace(&mut login, other).connection.close().await,
                Err(error) => astray = Some(format!("no login by port {way}, by which operators come: {error}")),
            }
        }
        Ok(Arrived {
            login,
            observed,
            astray,
        })
    }

    async fn verify(&mut self) -> Result<HostReport, Ended> {
        let Arrived {
            login,
            observed,
            astray,
        } = self.arrive(self.options.timeout).await?;
        let checking = self.start(&login, Time::default());
        let (generation, drift) = self.in_sync(&observed);
        let (proofs, broken) = self.try_mappings(&login.peer, &observed, astray.is_none()).await;
        let failed = checking.end().await.err();
        login.connection.close().await;
        let report = HostReport {
            generation,
            mappings: proofs,
            ..HostReport::new(EndState::Unchanged)
        };
        Ok(match astray.or(broken).or(failed).or(drift) {
            None => report,
            Some(why) => HostReport {
                state: EndState::Failed,
                ..report.because(why)
            },
        })
    }

    /// The generation that the host runs, and how its rules differ from what its mappings ask for.
    fn in_sync(&self, observed: &Observed) -> (Option<u32>, Option<String>) {
        match observed.plan(&self.desired, |_| Mark::default()) {
            Plan::Unchanged(generation) => (generation.map(|number| number.0), None),
            Plan::Change(change) => {
                let how = match change.differences.as_slice() {
                    [] => String::new(),
                    [one] => format!(": {one}"),
                    [first, more @ ..] => format!(": {first}, and {} more", more.len()),
                };
                let why = format!("its rules are not those of its mappings{how}");
                (observed.current, Some(why))
            }
        }
    }

    /// Every mapping in every family.
    async fn try_mappings(
        &mut self,
        peer: &Peer,
        observed: &Observed,
        arrived: bool,
    ) -> (Vec<MappingProof>, Option<String>) {
        self.contact.step(Step::Verify, "mapped ports, direct access");
        let vantages = self.acquainted(peer, observed).await;
        let management = arrived.then(|| Management {
            family: proving::login_family(peer, observed).unwrap_or(Family::V4),
            port: peer.port(),
        });
        let checks = proof::checks(&self.desired, &vantages, management, Phase::Tightened);
        let route = self.contact.remote.route().again(peer);
        let limit = self.options.timeout.min(SILENCE);
        let outcomes = outcomes(checks, &route, limit).await;
        let verdicts: Vec<(Check, Verdict)> = outcomes
            .into_iter()
            .filter_map(|(check, outcome)| {
                let here = vantages.iter().find(|one| one.family == check.family)?.here;
                let verdict = check.judge_unattributed(&self.desired, here, &outcome)?;
                Some((check, verdict))
            })
            .collect();
        let (proofs, broken) = proof::summary(&self.desired, &verdicts);
        let families = observed.families.iter().map(|managed| managed.view.family);
        (proving::with_unseen(proofs, &self.desired, families, &vantages), broken)
    }

    /// What answers at an address that only the host told of is the host when it shows the host's key.
    async fn acquainted(&mut self, peer: &Peer, observed: &Observed) -> Vec<Vantage> {
        let mut vantages = proving::vantages(self.contact.remote, peer, observed);
        for vantage in vantages.iter_mut().filter(|vantage| !vantage.named) {
            let Place::Address(address) = vantage.host else {
                continue;
            };
            let route = Route::Direct(vec![address]);
            let limit = self.options.timeout.min(SILENCE);
            if let Ok(there) = self.contact.login_at(&route, &[peer.port()], true, limit).await {
                there.connection.close().await;
                vantage.named = true;
            }
        }
        vantages
    }
}

/// Makes all probes at once; each has `limit`.
async fn outcomes(checks: Vec<Check>, route: &Route, limit: Duration) -> Vec<(Check, Outcome)> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let marks = Marks::random();
    let mut trying = JoinSet::new();
    for (index, check) in checks.into_iter().enumerate() {
        let attempt = proving::attempt(&check, marks, route, limit);
        let (places, unanswered) = (Arc::clone(&places), probe::unanswered(route.tunnel()));
        trying.spawn(async move {
            let outcome = if check.known.is_some() {
                unanswered
            } else {
                let _place = places.acquire_owned().await;
                attempt.await
            };
            (index, check, outcome)
        });
    }
    let mut ended = trying.join_all().await;
    ended.sort_by_key(|(index, ..)| *index);
    ended.into_iter().map(|(_, check, outcome)| (check, outcome)).collect()
}
