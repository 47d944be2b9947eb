//! A limit of parallel calls, shared by all callers of one endpoint.

use super::Endpoint;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Distinct endpoints and limits; when there are more, unused ones are forgotten.
const MAX_ENTRIES: usize = 1024;

type Limits = HashMap<(Endpoint, usize), Arc<Semaphore>>;

static LIMITS: LazyLock<Mutex<Limits>> = LazyLock::new(Mutex::default);

/// Waits until fewer than `limit` calls with this limit run at `endpoint`; the call runs as long as the permit lives.
pub async fn acquire(endpoint: &Endpoint, limit: usize) -> Option<OwnedSemaphorePermit> {
    let semaphore = {
        let mut limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
        if limits.len() >= MAX_ENTRIES {
            limits.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        }
        Arc::clone(limits.entry((endpoint.clone(), limit)).or_insert_with(|| Arc::new(Semaphore::new(limit.max(1)))))
    };
    // Never closed, so there is always a permit in the end.
    semaphore.acquire_owned().await.ok()
}
