//! What the calls of this process share about a route: how many requests may be under way, and what was learned.

use super::EmbeddingCredentials;
use crate::gateway::Error;
use std::time::Instant;

pub(super) struct Shared<'a> {
    credentials: &'a EmbeddingCredentials,
}

impl<'a> Shared<'a> {
    pub(super) fn new(credentials: &'a EmbeddingCredentials) -> Self {
        Self { credentials }
    }

    pub(super) fn batch_size(&self) -> usize {
        self.credentials.max_chunks
    }

    pub(super) fn learn_batch_size(&self, _size: usize) {}

    pub(super) async fn place(&self, _deadline: Instant) -> Result<(), Error> {
        Ok(())
    }
}
