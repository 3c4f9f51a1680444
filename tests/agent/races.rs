//! Confirm, timer and rollback at the same instant: one winner, and answers, files and kernel agree on who it is.

use std::time::{Duration, Instant};

use crate::host::{Host, Session};

const HOSTS: u16 = 8;

/// Milliseconds; a timer of one second leaves no more.
const LONGEST_LEAD: i64 = 600;

/// Runs `rounds` on each of a few hosts at once, every second one with legacy tables; how often the first of two won.
fn on_all(rounds: u16, round: impl AsyncFn(&mut Round) -> bool + Sync) -> u16 {
    let race = |number: u16| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let backend = if number.is_multiple_of(2) { "nft" } else { "legacy" };
        runtime.block_on(async {
            let host = Host::new(backend, "dash");
            let (first, second) = (host.login(), host.login());
            let mut one = Round {
                first,
                second,
                host,
                number: 0,
                lead: 40,
            };
            one.second.ok("settled").await;
            let (mut won, mut last, mut step) = (0, None, 8);
            for number in 1..=rounds {
                one.number = number;
                let first_won = round(&mut one).await;
                won += u16::from(first_won);
                // Wherever the race is won by both in turn is the very instant that is looked for: far from it, on a
                // busy machine, in ever longer strides.
                step = if last.is_none_or(|last| last == first_won) {
                    step * 2
                } else {
                    step / 4 + fastrand::i64(1..8)
                };
                last = Some(first_won);
                let lead = if first_won { one.lead - step } else { one.lead + step };
                one.lead = lead.clamp(-LONGEST_LEAD, LONGEST_LEAD);
            }
            won
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..HOSTS).map(|number| scope.spawn(move || race(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// So many milliseconds more, or fewer.
fn later(time: Duration, by: i64) -> Duration {
    let by_how_much = Duration::from_millis(by.unsigned_abs());
    if by < 0 {
        time.saturating_sub(by_how_much)
    } else {
        time + by_how_much
    }
}

struct Round {
    host: Host,
    first: Session,
    second: Session,
    number: u16,
    /// How many milliseconds earlier than the other the first one begins; negative: later.
    lead: i64,
}

impl Round {
    fn id(&self) -> String {
        format!("t{}", self.number)
    }

    async fn switch(&mut self, window: u64) -> String {
        let mappings = format!(r#"["{}:22"]"#, 2000 + self.number);
        let change = self.first.plan(&mappings).await;
        assert_eq!(self.first.lock(&self.id(), &change, window + 60).await, "ok");
        for request in ["stage", &format!("arm {window}"), "loosen", "tighten"] {
            self.first.ask(request);
        }
        for _ in 0..4 {
            self.first.hear().await.unwrap();
        }
        change.generation.to_string()
    }

    /// Waits until so long before a timer of one second undoes its change, or after.
    async fn until_its_end(&self) {
        let deadline = self.host.run(&format!(
            "stat -c %.Z /run/portmap-deploy/{}.pid 2>/dev/null || date +%s.%N",
            self.id()
        ));
        let deadline: f64 = deadline.trim().parse::<f64>().unwrap() + 1.0;
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        let wait = Duration::try_from_secs_f64(deadline - now).unwrap_or_default();
        tokio::time::sleep(later(wait, -self.lead)).await;
    }

    /// What was decided, once it is.
    async fn decided(session: &mut Session, request: &str) -> String {
        loop {
            let said = session.said(request).await;
            let (_, decided) = said.split_once(' ').unwrap();
            if decided != "undoing" {
                session.ok("settled").await;
                return decided.to_owned();
            }
        }
    }

    /// Whether it was confirmed: answer, files and kernel say the same.
    fn agree(&self, decided: &str, generation: &str, before: &str) -> bool {
        let (host, id) = (&self.host, self.id());
        host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(20));
        let confirmed = decided == "confirmed boot=yes";
        let files = host.files();
        let there = |what: &str| files.contains(&format!("run/portmap-deploy/{id}.{what}\n"));
        let found = (
            there("confirmed"),
            there("undone"),
            there("undoing"),
            there("armed"),
            there("undo"),
        );
        assert_eq!(
            found,
            (confirmed, !confirmed, false, false, false),
            "{id} {decided}: {files}"
        );
        if confirmed {
            assert_eq!(host.generation().as_deref(), Some(generation), "{id}: {}", host.rules());
            assert_eq!(host.run("cat /var/lib/portmap-deploy/current"), generation);
        } else {
            assert!(decided.starts_with("undone "), "{id}: {decided}");
            assert_eq!(host.rules(), before, "{id} {decided}");
        }
        confirmed
    }
}

#[test]
fn confirm_against_the_timer_has_one_winner() {
    const ROUNDS: u16 = 25;
    let won = on_all(ROUNDS, async |round| {
        let before = round.host.rules();
        let generation = round.switch(1).await;
        round.until_its_end().await;
        let request = format!("confirm {}", round.id());
        let decided = Round::decided(&mut round.second, &request).await;
        round.agree(&decided, &generation, &before)
    });
    assert!(
        won > 20 && won < ROUNDS * HOSTS - 20,
        "no race: confirm won {won} times"
    );
}

#[test]
fn confirm_against_rollback_has_one_winner() {
    const ROUNDS: u16 = 8;
    let won = on_all(ROUNDS, async |round| {
        let before = round.host.rules();
        let generation = round.switch(60).await;
        let id = round.id();
        let mut third = round.host.login();
        third.ok("settled").await;
        let lead = round.lead;
        let late = async {
            tokio::time::sleep(later(Duration::ZERO, lead - 30)).await;
            Round::decided(&mut third, &format!("rollback {id}")).await
        };
        let early = async {
            tokio::time::sleep(later(Duration::ZERO, 30 - lead)).await;
            Round::decided(&mut round.second, &format!("confirm {id}")).await
        };
        let (early, late) = tokio::join!(early, late);
        let confirmed = round.agree(&early, &generation, &before);
        assert_eq!(
            late,
            if confirmed { "confirmed" } else { "undone controller" },
            "{early}"
        );
        confirmed
    });
    assert!(won > 5 && won < ROUNDS * HOSTS - 5, "no race: confirm won {won} times");
}

/// More time that comes as the timer fires: who is told that there is more has it.
#[test]
fn more_time_against_the_timer_has_one_winner() {
    const ROUNDS: u16 = 7;
    let won = on_all(ROUNDS, async |round| {
        let before = round.host.rules();
        let generation = round.switch(1).await;
        round.until_its_end().await;
        let said = round.second.said(&format!("extend {} 60 600", round.id())).await;
        let has_time = said.starts_with("ok left ");
        // The timer had its turn.
        tokio::time::sleep(Duration::from_millis(400)).await;
        if has_time {
            assert_ne!(round.host.rules(), before, "{said}");
        }
        let request = format!("confirm {}", round.id());
        let decided = Round::decided(&mut round.second, &request).await;
        assert_eq!(
            round.agree(&decided, &generation, &before),
            has_time,
            "{said} {decided}"
        );
        let running = round.host.running(&format!("{}.sh ", round.id()));
        assert!(running.is_empty(), "{running:?}");
        has_time
    });
    assert!(
        won > 3 && won < ROUNDS * HOSTS - 3,
        "no race: more time won {won} times"
    );
}

/// Everybody who asks for the end of one change gets the same answer, however many there are.
#[tokio::test]
async fn a_crowd_of_confirms_gets_one_answer() {
    let host = Host::new("nft", "dash");
    for number in 1..=4 {
        let (mut session, id) = (host.login(), format!("t{number}"));
        session.switch(&id, &format!(r#"["{}:22"]"#, 2000 + number), 60).await;
        let mut crowd: Vec<_> = (0..4).map(|_| host.login()).collect();
        for one in &mut crowd {
            one.ok("settled").await;
        }
        let began = Instant::now();
        for one in &mut crowd {
            one.ask(&format!("confirm {id}"));
        }
        let answers = answers(&mut crowd).await;
        assert_eq!(answers, ["ok confirmed boot=yes"; 4], "after {:?}", began.elapsed());
        assert_eq!(host.generation(), Some(format!("{number:06}")));
        session.hang_up().await;
    }
}

async fn answers(crowd: &mut [Session]) -> Vec<String> {
    let [a, b, c, d] = crowd else { panic!("four of them") };
    let (a, b, c, d) = tokio::join!(a.hear(), b.hear(), c.hear(), d.hear());
    [a, b, c, d]
        .into_iter()
        .map(|answer| crate::host::said(&answer.unwrap()))
        .collect()
}
