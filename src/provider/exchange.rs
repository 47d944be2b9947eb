//! One call whose answer is read as a whole, noted for the operator's log line.

use super::credentials::Common;
use super::headers;
use crate::gateway::{self, Call, Error, Origin, Route};
use crate::runtime::Context;
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::time::Duration;

/// How long a check of a model may take when it is saved: a person is waiting.
pub(super) const VALIDATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers up to this size are looked at for an error: gateways and providers give some with a good status. A larger
/// one is what was asked for, and is read once, by whom it is for.
const MAX_ERROR: usize = 64 * 1024;

/// Sends `call` about the upstream's `model` and reads its whole answer.
pub(super) async fn exchange(cx: &Context, common: &Common, model: &str, mut call: Call) -> Result<Bytes, Error> {
    cx.record(|record| {
        record.endpoint = Some(common.route.endpoint.to_string());
        record.upstream_model = Some(model.to_owned());
    });
    if common.options.llm_model_header {
        call.headers.insert(headers::LLM_MODEL, headers::llm_model(model)?);
    }
    let answer = read(cx, &common.route, &call).await;
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
        record.origin = reply.meta.origin.map(origin_name).or(record.origin);
        if reply.meta.request_id.is_some() {
            record.request_id.clone_from(&reply.meta.request_id);
        }
        record.retries = record.retries.saturating_add(reply.retries);
    });
    let meta = reply.meta.clone();
    let body = reply.bytes().await?;
    if body.len() <= MAX_ERROR {
        match serde_json::from_slice::<Value>(&body) {
            Ok(value) => Error::in_answer(&value, None, &meta).map_or(Ok(()), Err)?,
            // JSON with a number that no float holds is JSON: its reader says what is wrong with it.
            Err(_) if serde_json::from_slice::<IgnoredAny>(&body).is_ok() => {}
            Err(_) => return Err(meta.undecodable("no JSON", &body)),
        }
    }
    Ok(body)
}

const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Gateway => "gateway",
        Origin::Provider => "provider",
    }
}
