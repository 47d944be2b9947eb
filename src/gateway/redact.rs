//! Takes a route's own secrets out of text that somebody else wrote.

use super::auth::shortened;
use super::{Auth, Endpoint, escape};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";
/// Shorter values are words like `1` or `cn`, and would be taken out of every sentence.
const SHORTEST_SECRET: usize = 4;
/// The same for values of which not all are secret: those of the query and of headers that a person adds.
const SHORTEST_ADDED_VALUE: usize = 8;

/// The values that must not be shown, and what is shown instead.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    hidden: Arc<[(SecretString, String)]>,
}

impl Redactor {
    /// Hides the credential, the values of the endpoint's query and of the route's `headers`, and `signatures`.
    pub(super) fn new<'a>(
        auth: &Auth,
        endpoint: &Endpoint,
        headers: &HeaderMap,
        signatures: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut hidden = Vec::new();
        let mut hide = |value: &str, instead: &str, shortest: usize| {
            for form in [value.to_owned(), escape::component(value)] {
                if form.len() >= shortest {
                    hidden.push((SecretString::from(form), instead.to_owned()));
                }
            }
        };
        match auth {
            Auth::Disabled => {}
            Auth::ApiKey { key, .. } => hide(key.expose_secret(), REDACTED, SHORTEST_SECRET),
            Auth::Hmac { access_key, secret, .. } => {
                hide(secret.expose_secret(), REDACTED, SHORTEST_SECRET);
                hide(access_key, &shortened(access_key), SHORTEST_SECRET);
            }
        }
        signatures.into_iter().for_each(|signature| hide(signature, REDACTED, SHORTEST_SECRET));
        for value in headers.values().filter_map(|value| value.to_str().ok()) {
            hide(value, REDACTED, SHORTEST_ADDED_VALUE);
        }
        for value in endpoint.query_values() {
            hide(value, REDACTED, SHORTEST_ADDED_VALUE);
            hide(&String::from_utf8_lossy(&escape::decode(value.as_bytes())), REDACTED, SHORTEST_ADDED_VALUE);
        }
        // The longest first, so that a value that contains another goes whole.
        hidden.sort_by_key(|(value, _)| std::cmp::Reverse(value.expose_secret().len()));
        hidden.dedup_by(|a, b| a.0.expose_secret() == b.0.expose_secret());
        Self { hidden: hidden.into() }
    }

    /// `text` without what must not be shown.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, instead) in self.hidden.iter() {
            if text.contains(value.expose_secret()) {
                text = text.replace(value.expose_secret(), instead);
            }
        }
        text
    }

    /// One line of at most `max` bytes: cleaned, blanks and control characters merged, then cut.
    pub(super) fn line(&self, text: &str, max: usize) -> String {
        let mut line = String::with_capacity(text.len().min(max));
        for word in
            self.clean(text).split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty())
        {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            if line.len() > max {
                let end = (0..=max).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
                line.truncate(end);
                line.push('…');
                break;
            }
        }
        line
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} values)", self.hidden.len())
    }
}
