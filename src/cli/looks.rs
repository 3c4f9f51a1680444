//! One look at each of many hosts, side by side.

use std::collections::HashMap;
use std::future::pending;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use crate::driver::signals::{self, Signal};
use crate::rollout::HostId;

/// Looks at hosts at once, and hands each look to `seen` as it ends; `looked` bounds how many are under way. What a look that
/// panicked comes to is `broken`. `true`: an interrupt ended it before its time.
pub(super) async fn all<T, L>(
    hosts: usize,
    looked: impl Fn(HostId) -> L,
    broken: impl Fn() -> T,
    mut seen: impl FnMut(usize, T),
) -> bool
where
    T: Send + 'static,
    L: Future<Output = T> + Send + 'static,
{
    let (mut tasks, mut places) = (JoinSet::new(), HashMap::new());
    for host in 0..hosts {
        places.insert(tasks.spawn(looked(HostId(host))).id(), host);
    }
    let mut signals = signals::listen();
    loop {
        tokio::select! {
            ended = tasks.join_next_with_id() => {
                let (id, look) = match ended {
                    None => return false,
                    Some(Ok(ended)) => ended,
                    Some(Err(error)) => (error.id(), broken()),
                };
                if let Some(host) = places.get(&id) {
                    seen(*host, look);
                }
            }
            () = interrupted(&mut signals) => return true,
        }
    }
}

/// Where there can be no handlers, the signals end the program themselves.
pub(super) async fn interrupted(signals: &mut UnboundedReceiver<Signal>) {
    if signals.recv().await.is_none() {
        pending::<()>().await;
    }
}
