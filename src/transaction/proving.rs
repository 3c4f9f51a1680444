//! Carries out checks: marked probes from here, the host's counters over the session that is there.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::{Armed, LONG, Transaction, Unproven};
use crate::firewall::{Counter, Family, Mark};
use crate::mapping::{MappingSet, Protocol};
use crate::plan::{Counts, HostChange, Observed};
use crate::probe;
use crate::proof::{self, Check, Outcome, Place, Vantage, Verdict};
use crate::remote::route::{Peer, Route};
use crate::remote::ways::{Order, Race};
use crate::remote::{Login, Remote};
use crate::report::{DirectAccess, Mapped, MappingProof};

/// A connection that can come about has done so by then.
const SETTLED: Duration = Duration::from_secs(1);

/// How many probes of one host are under way at once.
const AT_ONCE: usize = 64;

/// What our probes look like: random for each transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    /// Below what any path clamps to, above the kernel's least.
    mss: u16,
    payload: u16,
    /// `None`: marked by `mss`. Else by where they come from, one address a family.
    sources: Option<[Option<IpAddr>; 2]>,
}

impl Marks {
    pub fn random() -> Self {
        Self {
            mss: fastrand::u16(600..1200),
            payload: fastrand::u16(64..512),
            sources: None,
        }
    }

    /// For a kernel without tcpmss, and through proxies: our source addresses tell our probes from others'.
    pub fn by_source(self, vantages: &[Vantage]) -> Self {
        let of = |wanted| vantages.iter().find(|vantage| vantage.family == wanted)?.here;
        let sources = Some([of(Family::V4), of(Family::V6)]);
        Self { sources, ..self }
    }

    pub fn of(self, family: Family) -> Mark {
        // iptables-extensions(8), length: layer 3 in all, so IP and UDP headers count.
        let headers = match family {
            Family::V4 => 20 + 8,
            Family::V6 => 40 + 8,
        };
        let source = self
            .sources
            .and_then(|[v4, v6]| if family == Family::V4 { v4 } else { v6 });
        Mark {
            mss: self.sources.is_none().then_some(self.mss),
            udp_length: Some(self.payload + headers),
            source,
        }
    }
}

pub(super) fn family(address: IpAddr) -> Family {
    if address.to_canonical().is_ipv4() {
        Family::V4
    } else {
        Family::V6
    }
}

/// The family that a login came in by: its address's; behind a proxy that of the address that the host sees us come from.
pub(super) fn login_family(peer: &Peer, observed: &Observed) -> Option<Family> {
    peer.address().or(observed.here).map(family)
}

/// Where each managed family is looked at.
pub(super) fn vantages(remote: &impl Remote, peer: &Peer, observed: &Observed) -> Vec<Vantage> {
    let families = observed
        .families
        .iter()
        .map(|managed| (managed.view.family, managed.view.nat));
    let direct = |(wanted, nat)| direct_vantage(remote, peer.address()?, observed, wanted, nat);
    match peer {
        Peer::Address(_) => families.filter_map(direct).collect(),
        Peer::Behind(name, _) => families
            .map(|(wanted, nat)| Vantage {
                family: wanted,
                host: Place::Behind(name.to_string()),
                here: observed.here.filter(|here| family(*here) == wanted),
                nat,
                named: true,
                blind: blind(login_family(peer, observed), wanted),
            })
            .collect(),
    }
}

/// Asks for sshd's banner at a port that no mapping makes.
pub(super) async fn answers(route: &Route, port: u16, limit: Duration) -> Result<(), String> {
    let mut race = Race::start(route, &[port], Order::Quickest, limit);
    let mut failures = Vec::new();
    while let Some(attempt) = race.next().await {
        match attempt.failure {
            None => return Ok(()),
            Some(failure) => failures.push(format!("{}: {failure}", attempt.at)),
        }
    }
    Err(format!(
        "no sshd answers on port {port}, by which the host would be reached from then on ({})",
        failures.join(", ")
    ))
}

/// A proxy decides itself over which family it connects, and from which address: only that of the login is known.
fn blind(login: Option<Family>, wanted: Family) -> Option<String> {
    match login {
        Some(login) if login == wanted => None,
        Some(login) => Some(format!("the proxy connects over {}", login.name())),
        None => Some("the host does not tell by which address it sees the proxy".to_owned()),
    }
}

/// The address we came by, else one that the name has, else one that the host told of.
fn direct_vantage(
    remote: &impl Remote,
    peer: IpAddr,
    observed: &Observed,
    wanted: Family,
    nat: bool,
) -> Option<Vantage> {
    let vantage = |host, here, named| Vantage {
        family: wanted,
        host: Place::Address(host),
        here,
        nat,
        named,
        blind: None,
    };
    if family(peer) == wanted {
        return Some(vantage(peer, observed.here, true));
    }
    let of = |address: &&IpAddr| family(**address) == wanted;
    let named = remote.route().addresses().iter().find(of);
    let host = *named.or_else(|| observed.addresses.iter().find(of))?;
    Some(vantage(host, source_towards(host), named.is_some()))
}

/// Whether that address is one of this machine's: what it sends there comes from there.
pub(super) fn is_here(address: IpAddr) -> bool {
    source_towards(address) == Some(address)
}

/// The address that packets to there leave with: what the host sees unless somebody translates it.
fn source_towards(host: IpAddr) -> Option<IpAddr> {
    let here: SocketAddr = if host.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = std::net::UdpSocket::bind(here).ok()?;
    socket.connect(SocketAddr::new(host, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// Adds a line for families that are managed but have no address to probe.
pub(super) fn with_unseen(
    mut proofs: Vec<MappingProof>,
    set: &MappingSet,
    families: impl Iterator<Item = Family>,
    vantages: &[Vantage],
) -> Vec<MappingProof> {
    for family in families {
        if vantages.iter().any(|vantage| vantage.family == family) {
            continue;
        }
        proofs.extend(set.mappings().iter().map(|mapping| MappingProof {
            name: mapping.name.clone(),
            family,
            protocol: mapping.protocol,
            port: mapping.port,
            to_port: mapping.to_port,
            mapped: Mapped::Unverified,
            direct: DirectAccess::Unverified,
            reason: Some(format!("the host has no {} address", family.name())),
        }));
    }
    proofs
}

impl<R: Remote> Transaction<'_, R> {
    /// Asks the host's counters until every check is decided. `base`: what they showed before the probes; they end as the
    /// second value.
    pub(super) async fn probe(
        &mut self,
        login: &mut Login,
        armed: &Armed,
        mut probing: Probing,
        base: &Counts,
        vantages: &[Vantage],
    ) -> Result<(Vec<MappingProof>, Counts), Unproven> {
        let set = &self.desired;
        let mut counts = base.clone();
        while !probing.is_decided() {
            probing.wait_a_little().await;
            counts = self.counters(login, &armed.change).await?;
            probing.judge(set, vantages, &since(&counts, base));
        }
        let (proofs, broken) = proof::summary(set, &probing.verdicts());
        match broken {
            None => Ok((proofs, counts)),
            Some(why) => Err(Unproven {
                why,
                proofs,
                second: None,
            }),
        }
    }

    async fn counters(&self, login: &mut Login, change: &HostChange) -> Result<Counts, Unproven> {
        login.dialogue.ask("rules");
        let answer = self.contact.answer(login, LONG).await.map_err(|why| why.sentence())?;
        Ok(change.counted(&change.read_back(&answer.sections)?))
    }
}

/// One probe, by the way that logins take.
pub(super) fn attempt(
    check: &Check,
    marks: Marks,
    route: &Route,
    limit: Duration,
) -> impl Future<Output = Outcome> + Send + use<> {
    let (protocol, to, port) = (check.protocol, check.to.clone(), check.at);
    let tunnel = route.tunnel().cloned();
    async move {
        match (to, tunnel) {
            (Place::Address(to), None) => {
                let payload = usize::from(marks.payload);
                let limit = wait_for(protocol, limit);
                probe::attempt(protocol, SocketAddr::new(to, port), Some(marks.mss), payload, limit).await
            }
            (_, Some(tunnel)) => probe::attempt_through(&tunnel, port, limit).await,
            (Place::Behind(name), None) => Outcome::NoPath(format!("nothing leads to {name}")),
        }
    }
}

fn since(now: &Counts, before: &Counts) -> Counts {
    now.iter()
        .map(|(key, packets)| {
            (
                *key,
                packets.saturating_sub(before.get(key).copied().unwrap_or_default()),
            )
        })
        .collect()
}

/// One check under way.
struct Checking {
    check: Check,
    attempt: Option<AbortHandle>,
    outcome: Option<Outcome>,
    verdict: Option<Verdict>,
}

/// Checks under way.
pub(super) struct Probing {
    checks: Vec<Checking>,
    attempts: JoinSet<(usize, Outcome)>,
    polled: u32,
    started: Instant,
    deadline: Instant,
    /// Whether counters count nothing but our probes.
    marked: bool,
    /// What probes come to that do not end.
    unanswered: Outcome,
}

impl Probing {
    /// Makes all checks at once, by the way that logins take; each has `limit` to be decided.
    pub fn start(checks: Vec<Check>, marks: Marks, route: &Route, limit: Duration) -> Self {
        let mut attempts = JoinSet::new();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut start = |(index, check): (usize, Check)| {
            let places = Arc::clone(&places);
            let attempt = check.known.is_none().then(|| {
                let attempt = attempt(&check, marks, route, limit);
                attempts.spawn(async move {
                    let _place = places.acquire_owned().await;
                    (index, attempt.await)
                })
            });
            Checking {
                check,
                attempt,
                outcome: None,
                verdict: None,
            }
        };
        let checks = checks.into_iter().enumerate().map(&mut start).collect();
        Self {
            checks,
            attempts,
            polled: 0,
            started: Instant::now(),
            deadline: Instant::now() + limit,
            marked: marks.sources.is_none(),
            unanswered: probe::unanswered(route.tunnel()),
        }
    }

    fn is_decided(&self) -> bool {
        self.checks.iter().all(|checking| checking.verdict.is_some())
    }

    /// Until everything has an outcome, or a time that doubles: a drop is known by the counter long before the timeout.
    async fn wait_a_little(&mut self) {
        let pause = Duration::from_millis(10 << self.polled.min(4));
        self.polled += 1;
        let until = (Instant::now() + pause).min(self.deadline);
        while let Ok(Some(done)) = tokio::time::timeout_at(until.into(), self.attempts.join_next()).await {
            if let Ok((index, outcome)) = done
                && let Some(checking) = self.checks.get_mut(index)
            {
                checking.outcome = Some(outcome);
            }
        }
    }

    fn judge(&mut self, set: &MappingSet, vantages: &[Vantage], counts: &Counts) {
        let late = Instant::now() >= self.deadline;
        let early = !self.marked && self.started.elapsed() < SETTLED;
        for checking in self.checks.iter_mut().filter(|checking| checking.verdict.is_none()) {
            let family = checking.check.family;
            let here = vantages
                .iter()
                .find(|vantage| vantage.family == family)
                .and_then(|vantage| vantage.here);
            if counts.iter().any(|((of, _), packets)| *of == family && *packets > 0) {
                checking.check.trust();
            }
            if checking.outcome == Some(Outcome::Connected) && !checking.check.is_trusted() && !late {
                // Another probe may yet show that this is the host.
                continue;
            }
            if checking.outcome.is_none() && checking.check.known.is_none() && early {
                // Others may come from our address as well: their packets do not speak for a probe that may yet connect.
                continue;
            }
            let outcome = checking.outcome.as_ref().or(late.then_some(&self.unanswered));
            let moved = |counter: Counter| counts.get(&(family, counter)).is_some_and(|packets| *packets > 0);
            checking.verdict = checking.check.judge(set, here, outcome, &moved);
            // What is decided makes room for those that wait.
            if let Some(attempt) = checking.attempt.take_if(|_| checking.verdict.is_some()) {
                attempt.abort();
            }
        }
    }

    fn verdicts(self) -> Vec<(Check, Verdict)> {
        let decided = self.checks.into_iter();
        decided
            .filter_map(|checking| Some((checking.check, checking.verdict?)))
            .collect()
    }
}

/// Silence is how a good datagram often ends, so it is not waited for long.
fn wait_for(protocol: Protocol, limit: Duration) -> Duration {
    match protocol {
        Protocol::Tcp => limit,
        Protocol::Udp => limit.min(Duration::from_secs(1)),
    }
}
