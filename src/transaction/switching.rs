//! The proof: what the new rules promise is tried from outside before and after they alone are in force.

use std::time::Duration;

use super::checking::Checking;
use super::proving::{self, Probing};
use super::recovery;
use super::{Armed, LONG, Rules, Transaction, Unproven};
use crate::firewall::Family;
use crate::plan::{Counts, is_mapped};
use crate::proof::{self, Management, Phase, Vantage};
use crate::remote::dialogue::Status;
use crate::remote::{Login, Remote};
use crate::report::{MappingProof, Step};

impl<R: Remote> Transaction<'_, R> {
    /// Probes what the new rules promise while the old ways in are open, tightens, logs in anew and probes everything.
    pub(super) async fn prove(
        &mut self,
        first: &mut Login,
        armed: &Armed,
        rules: Rules,
    ) -> Result<(Login, Vec<MappingProof>), Unproven> {
        let way = self.way_after(first, &armed.observed);
        let login = Management {
            family: proving::login_family(&first.peer, &armed.observed).unwrap_or(Family::V4),
            port: way,
        };
        let route = self.contact.remote.route().again(&first.peer);
        let vantages = proving::vantages(self.contact.remote, &first.peer, &armed.observed);
        let limit = self.options.rollback_after / 3;
        self.contact.step(Step::Verify, "new ways in, the old ones still open");
        let read = armed.change.read_back(&rules)?;
        armed.change.check(&read, false)?;
        let checks = proof::checks(&self.desired, &vantages, Some(login), Phase::Loosened);
        let probing = Probing::start(checks, armed.marks, &route, limit / 2);
        let base = armed.change.counted(&read);
        let (_, base) = self.probe(first, armed, probing, &base, &vantages).await?;
        if way != first.port && !is_mapped(way, &self.desired) {
            // Nothing has tried it yet, and the way in that we know is about to close.
            proving::answers(&route, way, limit / 2).await?;
        }
        self.contact.step(Step::Switch, "tighten");
        self.tighten(first, limit).await?;
        self.contact.step(
            Step::Verify,
            &format!("login on port {way}, mapped ports, direct access"),
        );
        let checks = proof::checks(&self.desired, &vantages, Some(login), Phase::Tightened);
        // The probes are under way while we log in.
        let probing = Probing::start(checks, armed.marks, &route, limit);
        let second = self.contact.login_at(&route, &[way], true, limit).await;
        let mut second = second.map_err(|error| format!("no new login by port {way}: {error}"))?;
        if second.peer.host() != first.peer.host() || second.port != way {
            return Err(format!("the new login went to {}, not to {}", second.peer, first.peer.host()).into());
        }
        // So are the playbook's checks: a probe that has no answer takes all of its time.
        let checking = self.checking(&second, armed);
        let probed = self
            .probe_tightened(&mut second, armed, probing, &base, &vantages)
            .await;
        let families = armed.change.families.iter().map(|one| one.family);
        let with_unseen = |proofs| proving::with_unseen(proofs, &self.desired, families, &vantages);
        match checked(probed.map(with_unseen), checking).await {
            Ok(proofs) => Ok((second, proofs)),
            Err(unproven) => Err(Unproven {
                second: Some(second),
                ..unproven
            }),
        }
    }

    /// Reads back and asks over the new login: the first may have come by a mapping that is no more, and a host that
    /// accepts nothing but our mappings does not hear it any longer.
    async fn probe_tightened(
        &mut self,
        second: &mut Login,
        armed: &Armed,
        probing: Probing,
        base: &Counts,
        vantages: &[Vantage],
    ) -> Result<Vec<MappingProof>, Unproven> {
        second.dialogue.ask(&format!("resume {}", self.id));
        second.dialogue.ask("rules");
        let resumed = self.contact.answer(second, LONG).await.map_err(|why| why.sentence())?;
        if resumed.status != Status::Ok {
            return Err("the change was ended before it was proven".to_owned().into());
        }
        let rules = self.contact.answer(second, LONG).await.map_err(|why| why.sentence())?;
        armed.change.check(&armed.change.read_back(&rules.sections)?, true)?;
        Ok(self.probe(second, armed, probing, base, vantages).await?.0)
    }

    /// No answer is no failure yet: see [`Self::probe_tightened`], which reads back what came of it.
    async fn tighten(&mut self, first: &mut Login, limit: Duration) -> Result<(), Unproven> {
        first.dialogue.ask("tighten");
        match self.contact.answer(first, limit / 2).await {
            Ok(answer) if answer.status != Status::Ok => {
                let undone = recovery::undone(&answer.text).and_then(|report| report.reason);
                Err(undone.unwrap_or(answer.text).into())
            }
            _ => Ok(()),
        }
    }
}

/// What was proven, when the checks hold as well.
async fn checked(
    probed: Result<Vec<MappingProof>, Unproven>,
    checking: Checking,
) -> Result<Vec<MappingProof>, Unproven> {
    let proofs = probed?;
    match checking.end().await {
        Ok(()) => Ok(proofs),
        Err(why) => Err(Unproven {
            why,
            proofs,
            second: None,
        }),
    }
}
