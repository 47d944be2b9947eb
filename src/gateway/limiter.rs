//! A limit of parallel calls, shared by all callers of one endpoint.

use super::Endpoint;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Distinct endpoints; when there are more, those without a call are forgotten.
const MAX_ENTRIES: usize = 1024;

static GATES: LazyLock<Mutex<HashMap<Endpoint, Arc<Gate>>>> = LazyLock::new(Mutex::default);

/// Waits until fewer than `limit` calls run at `endpoint`, whatever limits they were let in by; the call runs as long
/// as the permit lives. First come, first served: a caller with a low limit is not overtaken for ever by those with a
/// higher one.
pub async fn acquire(endpoint: &Endpoint, limit: usize) -> Permit {
    let gate = {
        let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() >= MAX_ENTRIES {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        Arc::clone(gates.entry(endpoint.clone()).or_default())
    };
    gate.enter(limit.max(1)).await
}

/// A call that is under way; dropping it lets the next one in.
#[derive(Debug)]
pub struct Permit(Arc<Gate>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state().running -= 1;
        self.0.admit();
    }
}

/// One endpoint's calls.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    limit: usize,
    turn: oneshot::Sender<Permit>,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn enter(self: Arc<Self>, limit: usize) -> Permit {
        loop {
            let (turn, my_turn) = oneshot::channel();
            self.state().waiting.push_back(Waiter { limit, turn });
            self.admit();
            // A waiter that still listens leaves the queue only with a permit, so this goes round once.
            if let Ok(permit) = my_turn.await {
                return permit;
            }
        }
    }

    /// Lets in whoever's turn it is.
    fn admit(self: &Arc<Self>) {
        loop {
            // A statement of its own, which ends with the lock: one who has just left gives the permit back by dropping
            // it, and that takes the lock again.
            let Some(waiter) = self.state().next() else { return };
            let _ = waiter.turn.send(Permit(Arc::clone(self)));
        }
    }
}

impl State {
    /// The first who still waits, counted as running, if that is below its limit.
    fn next(&mut self) -> Option<Waiter> {
        while self.waiting.front().is_some_and(|waiter| waiter.turn.is_closed()) {
            self.waiting.pop_front();
        }
        if self.waiting.front()?.limit <= self.running {
            return None;
        }
        self.running += 1;
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    fn endpoint(name: &str) -> Endpoint {
        Endpoint::parse(&format!("http://limiter.test/{name}")).unwrap()
    }

    #[tokio::test]
    async fn callers_with_other_limits_share_an_endpoint() {
        let here = endpoint("shared");
        let first = acquire(&here, 8).await;
        let second = acquire(&here, 8).await;
        let mut third = Box::pin(acquire(&here, 2));
        assert!((&mut third).now_or_never().is_none(), "two calls run already");
        let elsewhere = acquire(&endpoint("other"), 1).now_or_never();
        assert!(elsewhere.is_some(), "another endpoint has its own count");
        drop(first);
        let third = third.await;
        drop((second, third));
        assert!(acquire(&here, 1).now_or_never().is_some(), "nobody is left");
    }

    #[tokio::test]
    async fn who_came_first_goes_first() {
        let here = endpoint("in-order");
        let only = acquire(&here, 1).await;
        let mut low = Box::pin(acquire(&here, 1));
        let mut high = Box::pin(acquire(&here, 2));
        assert!((&mut low).now_or_never().is_none());
        assert!((&mut high).now_or_never().is_none(), "the one with the higher limit does not overtake");
        drop(only);
        let low = low.await;
        let high = high.await;
        drop((low, high));
    }

    /// The permit may be on its way to one who leaves at that very moment, on another thread.
    #[test]
    fn who_leaves_while_being_let_in_blocks_nobody() {
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            let here = endpoint("crowd");
            for _ in 0..300 {
                let only = acquire(&here, 1).now_or_never().expect("the place is free");
                let mut waiting = Box::pin(acquire(&here, 1));
                assert!((&mut waiting).now_or_never().is_none());
                let together = AtomicUsize::new(0);
                let meet = || {
                    together.fetch_add(1, Ordering::SeqCst);
                    while together.load(Ordering::SeqCst) < 2 {
                        std::hint::spin_loop();
                    }
                };
                thread::scope(|scope| {
                    scope.spawn(|| {
                        meet();
                        drop(waiting);
                    });
                    meet();
                    drop(only);
                });
            }
            done.send(()).unwrap();
        });
        is_done.recv_timeout(Duration::from_secs(60)).expect("the endpoint is blocked");
    }

    #[tokio::test]
    async fn who_leaves_while_waiting_or_with_a_permit_on_the_way_takes_no_place() {
        let here = endpoint("leaving");
        let only = acquire(&here, 1).await;
        let mut waiting = Box::pin(acquire(&here, 1));
        let mut served = Box::pin(acquire(&here, 1));
        assert!((&mut waiting).now_or_never().is_none());
        assert!((&mut served).now_or_never().is_none());
        drop(waiting);
        drop(only);
        drop(served);
        assert!(acquire(&here, 1).now_or_never().is_some());
    }
}
