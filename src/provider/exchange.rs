//! One call whose answer is read as a whole, noted for the operator's log line.

use crate::gateway::{self, Call, Error, Origin, Route};
use crate::runtime::Context;
use bytes::Bytes;
use std::time::Duration;

/// How long a check of a model may take when it is saved: a person is waiting.
pub(super) const VALIDATION_TIMEOUT: Duration = Duration::from_secs(60);

/// Sends `call` and reads its whole answer.
pub(super) async fn exchange(cx: &Context, route: &Route, call: &Call) -> Result<Bytes, Error> {
    cx.record(|record| record.endpoint = Some(route.endpoint.to_string()));
    let answer = read(cx, route, call).await;
    if let Err(error) = &answer {
        cx.record(|record| {
            record.status = error.status.or(record.status);
            record.origin = error.origin.map(origin_name).or(record.origin);
            if error.request_id.is_some() {
                record.request_id.clone_from(&error.request_id);
            }
        });
    }
    answer
}

async fn read(cx: &Context, route: &Route, call: &Call) -> Result<Bytes, Error> {
    let reply = gateway::send(route, call).await?;
    cx.record(|record| {
        record.status = Some(reply.status.as_u16());
        record.origin = Some(origin_name(reply.origin));
        if reply.request_id.is_some() {
            record.request_id.clone_from(&reply.request_id);
        }
        record.retries = record.retries.saturating_add(reply.retries);
    });
    reply.bytes().await
}

const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Gateway => "gateway",
        Origin::Provider => "provider",
    }
}
