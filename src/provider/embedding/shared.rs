//! What the calls of this process share about a route: how many requests may be under way, and what was learned.

use super::EmbeddingCredentials;
use crate::gateway::{Error, ErrorKind, learned, limiter};
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

pub(super) struct Shared<'a> {
    credentials: &'a EmbeddingCredentials,
}

impl<'a> Shared<'a> {
    pub(super) fn new(credentials: &'a EmbeddingCredentials) -> Self {
        Self { credentials }
    }

    /// As many texts as the form allows, or fewer where the upstream refused more.
    pub(super) fn batch_size(&self) -> usize {
        let route = &self.credentials.common.route;
        let learned = learned::get(&route.endpoint, &self.credentials.upstream_model).batch_size;
        learned.map_or(self.credentials.max_chunks, |size| size.min(self.credentials.max_chunks))
    }

    pub(super) fn learn_batch_size(&self, size: usize) {
        let route = &self.credentials.common.route;
        learned::note(&route.endpoint, &self.credentials.upstream_model, |facts| facts.batch_size = Some(size));
    }

    /// Waits until one more request may be under way; it may be as long as the place is kept.
    pub(super) async fn place(&self, deadline: Instant) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let common = &self.credentials.common;
        let place = limiter::acquire(&common.route.endpoint, common.options.concurrency);
        tokio::time::timeout_at(deadline.into(), place).await.map_err(|_| {
            Error::new(ErrorKind::Timeout, "the time for the whole call was over before a place was free")
                .advise("Raise `concurrency` or `total_timeout` in the advanced options")
        })
    }
}
