//! Server-sent events, bounded.

use super::Error;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The `event:` field; empty when there was none.
    pub event: String,
    /// The `data:` lines, joined with a newline.
    pub data: String,
    /// Comment lines of the event (DashScope puts `:HTTP_STATUS/400` there), without the colon.
    pub comments: Vec<String>,
}

/// The events of a reply, in order.
#[derive(Debug)]
pub struct Events {
    _private: (),
}

impl Events {
    /// The next event; `None` at a clean end. A transfer that broke off is [`super::ErrorKind::Interrupted`], after
    /// the events that came.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        unimplemented!()
    }

    /// The first KiB of a body that turned out not to be a stream of events, for an error's excerpt.
    pub fn excerpt(&self) -> &str {
        unimplemented!()
    }
}
