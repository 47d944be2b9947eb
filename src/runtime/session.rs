//! One call from its request line to its `end`.

use super::dispatch::dispatch;
use super::lane::Lane;
use super::protocol::envelope::RequestLine;
use super::protocol::request;
use super::{Context, ErrorKind, InvokeError, Provider, telemetry};
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// What every request's data says about itself.
#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    model: Option<String>,
}

/// Serves one request. Whatever happens in it, also a panic, the session gets exactly one `end`.
pub(crate) async fn run<P: Provider>(provider: Arc<P>, asked: RequestLine, lane: Arc<Lane>, ceiling: Duration) {
    let (cx, model, request) = match read(&asked) {
        Ok(read) => read,
        Err(error) => return lane.end(Some(&error)),
    };
    let work = async {
        let request = request?;
        dispatch(provider.as_ref(), &cx, &lane, request).await
    };
    let outcome = match AssertUnwindSafe(tokio::time::timeout(ceiling, Box::pin(work))).catch_unwind().await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(InvokeError::new(
            ErrorKind::Connection,
            format!("the call was given up after {} s, the longest a call may take", ceiling.as_secs()),
        )),
        Err(_) => Err(InvokeError::new(
            ErrorKind::ServerUnavailable,
            "the plugin failed inside this call (a defect of the plugin; its log names the place). Other calls go on",
        )),
    };
    telemetry::call(&cx, &model, outcome.as_ref().err());
    lane.end(outcome.as_ref().err());
}

type Decoded = (Context, String, Result<request::Request, InvokeError>);

fn read(line: &RequestLine) -> Result<Decoded, InvokeError> {
    let unreadable =
        |error: serde_json::Error| InvokeError::bad_request(format!("the request's data cannot be read: {error}"));
    let raw: &RawValue = serde_json::from_slice(&line.data).map_err(unreadable)?;
    let about: Header = serde_json::from_str(raw.get()).map_err(unreadable)?;
    let action = about.action.unwrap_or_default();
    let mut cx = Context::new(&line.session_id, &action);
    cx.user_id = about.user_id.filter(|id| !id.is_empty());
    cx.app_id = line.app_id.clone().filter(|id| !id.is_empty());
    let request = match about.r#type.as_deref() {
        None | Some("model") => request::decode(&action, raw),
        Some(other) => {
            let shown: String = other.chars().take(64).collect();
            Err(InvokeError::bad_request(format!("this plugin serves models, not requests of type {shown:?}")))
        }
    };
    Ok((cx, about.model.unwrap_or_default(), request))
}
