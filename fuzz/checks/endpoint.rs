//! Addresses that people type: refused, or made into what a gateway sees unchanged.

use higress_dify_plugin::gateway::Endpoint;
use url::Url;

const PATHS: [&str; 3] = ["/v1/chat/completions", "/api/v1/tasks/a b?x=ü", "/v1/reranks"];

/// Checks one input: an address.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(endpoint) = Endpoint::parse(text) else { return };
    for path in PATHS {
        let url = endpoint.join(path);
        canonical(&url);
        assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(&url), "the client would change it");
    }
    // What is shown can be typed again, and a pasted full address is its route's.
    assert!(Endpoint::parse(&endpoint.to_string()).is_ok(), "what is shown is an address");
    let pasted = Endpoint::parse(endpoint.join("/v1/chat/completions").as_str()).expect("what is called is an address");
    assert_eq!(pasted.join("/v1/chat/completions"), endpoint.join("/v1/chat/completions"));
}

/// As Envoy leaves it: nothing to decode, nothing to escape, nothing to resolve.
fn canonical(url: &Url) {
    assert!(matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty()));
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    let path = url.path();
    assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    assert!(!path.contains(['\\', '"', '<', '>', '^', '{', '}', '|', '`']), "{path}");
    assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{path}");
    for (at, _) in path.match_indices('%') {
        let digits = path.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = u8::from_str_radix(digits.expect("an escape has two digits"), 16).expect("these are two");
        assert!(!(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)), "{path} could be bare");
    }
}
