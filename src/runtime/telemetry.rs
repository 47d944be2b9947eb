//! What an operator sees: one `tracing` event per call, and where events go.
//!
//! A local host shows `log` events of the protocol, and every line on stderr as a warning; so events go to the host
//! and stderr stays quiet. The other hosts discard `log` events, and there events go to stderr.

use super::config::{LogFormat, SettingsError};
use super::dispatch::Call;
use super::protocol::outbound;
use super::transport::Outbox;
use super::{InvokeError, Settings};
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// The longest line on stderr, in bytes: the host stops reading stderr for good after one of 5 MiB.
const MAX_STDERR_LINE: usize = 16 * 1024;

/// Sends events where the host shows them: through `host` if there is one, and to stderr.
///
/// # Errors
///
/// When the filter setting cannot be read.
pub fn install(settings: &Settings, host: Option<Outbox>) -> Result<(), SettingsError> {
    let filter = |default: &str| {
        let directives = settings.log.as_deref().unwrap_or(default);
        EnvFilter::try_new(directives).map_err(|error| SettingsError::new(format!("the log setting: {error}")))
    };
    let stderr = tracing_subscriber::fmt::layer().with_writer(|| CappedStderr).with_ansi(false);
    let stderr = match settings.log_format {
        LogFormat::Text => stderr.boxed(),
        LogFormat::Json => stderr.json().flatten_event(true).boxed(),
    };
    let stderr = stderr.with_filter(filter(if host.is_some() { "error" } else { "info" })?);
    let host = match host {
        Some(outbox) => Some(HostLog::new(outbox, settings.log_format).with_filter(filter("info")?)),
        None => None,
    };
    // Fails only when the embedding program has a subscriber of its own, which then is the one to use.
    let _ = tracing_subscriber::registry().with(stderr).with(host).try_init();
    Ok(())
}

/// Reports a call that has ended.
pub(crate) fn call(session_id: &str, call: Option<&Call>, failure: Option<&InvokeError>) {
    let record = call.map(|call| call.cx.recorded()).unwrap_or_default();
    // The two levels need an event each, for a level is part of an event's type.
    macro_rules! report {
        ($level:expr) => {
            tracing::event!(
                target: "call",
                $level,
                session = session_id,
                action = call.map(|call| call.cx.action.as_str()),
                model = call.and_then(|call| call.model.as_deref()),
                upstream_model = record.upstream_model.as_deref(),
                endpoint = record.endpoint.as_deref(),
                status = record.status,
                origin = record.origin,
                request_id = record.request_id.as_deref(),
                outcome = failure.map_or("ok", |error| error.kind.wire_name()),
                error = failure.map(|error| error.message.as_str()),
                duration_ms = call.map(|call| milliseconds(call.cx.started.elapsed())),
                first_chunk_ms = record.time_to_first_chunk.map(milliseconds),
                prompt_tokens = record.prompt_tokens,
                completion_tokens = record.completion_tokens,
                tokens_estimated = record.tokens_estimated.then_some(true),
                retries = record.retries,
            )
        };
    }
    if failure.is_none() {
        report!(tracing::Level::INFO);
    } else {
        report!(tracing::Level::WARN);
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Turns events into `log` events of the protocol.
#[derive(Debug)]
pub struct HostLog {
    outbox: Outbox,
    format: LogFormat,
}

impl HostLog {
    /// A layer that sends events through `outbox`. Those that a slow host leaves no room for are dropped and counted.
    pub const fn new(outbox: Outbox, format: LogFormat) -> Self {
        Self { outbox, format }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for HostLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let message = match self.format {
            LogFormat::Text => fields.text(metadata.target()),
            LogFormat::Json => fields.json(metadata.target()),
        };
        let mut line = Vec::new();
        outbound::log(&mut line, metadata.level().as_str(), &message);
        self.outbox.notice(line);
    }
}

/// The fields of one event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn text(self, target: &str) -> String {
        let mut text = match self.0.get("message") {
            Some(Value::String(message)) => message.clone(),
            _ => target.to_owned(),
        };
        for (name, value) in &self.0 {
            if name != "message" {
                // Writing to a String does not fail.
                let _ = match value {
                    Value::String(value) if !value.contains([' ', '"', '=']) => write!(text, " {name}={value}"),
                    value => write!(text, " {name}={value}"),
                };
            }
        }
        text
    }

    fn json(mut self, target: &str) -> String {
        self.0.insert("target".to_owned(), target.into());
        Value::Object(self.0).to_string()
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value.into());
    }
}

impl Fields {
    fn record(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

/// Stderr, without the rest of a line that is too long.
struct CappedStderr;

impl Write for CappedStderr {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        match event.get(..MAX_STDERR_LINE) {
            Some(start) if event.len() > MAX_STDERR_LINE => {
                stderr.write_all(start)?;
                stderr.write_all(b"\n")?;
            }
            _ => stderr.write_all(event)?,
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
