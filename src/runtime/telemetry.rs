//! What an operator reads: one event per call, and where events go.
//!
//! In local mode the host shows `log` events of the protocol, so events go there, and standard error stays quiet. In
//! the other modes the host discards them, so they go to standard error.

use super::config::{InstallMethod, Settings};
use super::protocol::outbound;
use super::transport::Outbox;
use super::{Context, InvokeError};
use std::fmt::Write;
use std::sync::OnceLock;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

static HOST: OnceLock<Outbox> = OnceLock::new();

/// Starts logging, once per process.
pub(crate) fn start(settings: &Settings) {
    let quiet = if settings.install_method == InstallMethod::Local { "error" } else { "info" };
    let filter = settings.log.as_deref().and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(quiet));
    let stderr = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let stderr = if settings.log_json { stderr.json().boxed() } else { stderr.boxed() };
    // A second start (tests in one process) keeps the first.
    let _ = tracing_subscriber::registry().with(stderr.with_filter(filter)).with(HostLog).try_init();
}

/// Sends events to this host from now on.
pub(crate) fn set_host(outbox: Outbox) {
    let _ = HOST.set(outbox);
}

/// The one event of a call.
pub(crate) fn call(cx: &Context, model: &str, failure: Option<&InvokeError>) {
    let record = cx.recorded();
    let milliseconds = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    macro_rules! event {
        ($level:ident, $($extra:tt)*) => {
            tracing::$level!(
                target: "call",
                action = cx.action,
                model,
                endpoint = record.endpoint,
                upstream_model = record.upstream_model,
                status = record.status,
                origin = record.origin,
                request_id = record.request_id,
                milliseconds = milliseconds(cx.started.elapsed()),
                first_chunk_milliseconds = record.time_to_first_chunk.map(milliseconds),
                prompt_tokens = record.prompt_tokens,
                completion_tokens = record.completion_tokens,
                tokens_estimated = record.tokens_estimated.then_some(true),
                retries = (record.retries > 0).then_some(record.retries),
                app_id = cx.app_id,
                $($extra)*
            )
        };
    }
    match failure {
        None => event!(info, "done"),
        Some(error) => event!(warn, error_type = error.kind.wire_name(), error = error.message, "failed"),
    }
}

/// Events as the protocol's `log` lines.
struct HostLog;

impl<S: Subscriber> Layer<S> for HostLog {
    fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
        let level = *event.metadata().level();
        let Some(host) = HOST.get().filter(|_| level <= Level::INFO) else { return };
        // Libraries speak of connections and frames; only their warnings concern an operator.
        let target = event.metadata().target();
        if target != "call" && !target.starts_with(env!("CARGO_CRATE_NAME")) && level > Level::WARN {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let mut line = Vec::new();
        outbound::log(&mut line, level.as_str(), &text.join());
        host.notice(line);
    }
}

/// `message name=value …`
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn join(self) -> String {
        self.message + &self.fields
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else if value.contains([' ', '"', '=']) {
            self.record_debug(field, &value);
        } else {
            // Writing into a string does not fail.
            let _ = write!(self.fields, " {}={value}", field.name());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}
