//! What calls have learned of a model on a route, so that later calls need no trial and error. In memory, bounded,
//! without secrets.

use super::Endpoint;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Distinct models on routes; when there are more, everything is learned again.
const MAX_ENTRIES: usize = 1024;

/// Facts about one model on one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Learned {
    /// The upstream refuses to be asked for usage in streams.
    pub usage_refused: bool,
    /// The parameter that limits the length, where the upstream named it.
    pub token_param: Option<&'static str>,
    /// The largest batch of texts of a call that succeeded after a larger one was refused.
    pub batch_size: Option<usize>,
}

/// By address, without its query, which may hold a key; and by the upstream's name of the model.
static FACTS: LazyLock<Mutex<HashMap<(String, String), Learned>>> = LazyLock::new(Mutex::default);

/// What is known.
pub fn get(endpoint: &Endpoint, model: &str) -> Learned {
    let facts = FACTS.lock().unwrap_or_else(PoisonError::into_inner);
    facts.get(&(endpoint.to_string(), model.to_owned())).copied().unwrap_or_default()
}

/// Notes something.
pub fn note(endpoint: &Endpoint, model: &str, note: impl FnOnce(&mut Learned)) {
    let mut facts = FACTS.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (endpoint.to_string(), model.to_owned());
    if facts.len() >= MAX_ENTRIES && !facts.contains_key(&key) {
        facts.clear();
    }
    note(facts.entry(key).or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_bounded_and_holds_no_key_of_an_address() {
        let endpoint = Endpoint::parse("http://learned.example/route?apikey=sk-secret").unwrap();
        for number in 0..=2 * MAX_ENTRIES {
            note(&endpoint, &number.to_string(), |facts| facts.batch_size = Some(number));
        }
        assert_eq!(get(&endpoint, &(2 * MAX_ENTRIES).to_string()).batch_size, Some(2 * MAX_ENTRIES));
        let facts = FACTS.lock().unwrap();
        assert!(facts.len() <= MAX_ENTRIES);
        assert!(facts.keys().all(|(address, _)| !address.contains("sk-secret")));
    }
}
