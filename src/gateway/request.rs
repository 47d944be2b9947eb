//! A request as it goes out: its final URL, headers and bytes, and the proof whose it is.

use super::auth::{Stamp, Unsigned};
use super::redact::Redactor;
use super::{Accept, Call, Error, Route};
use http::{HeaderValue, header};
use url::Position;

/// A request that is ready to go, and what is needed to tell why it failed.
pub(super) struct Prepared {
    pub(super) request: reqwest::Request,
    pub(super) string_to_sign: Option<Vec<u8>>,
    pub(super) redactor: Redactor,
}

/// Builds and signs. Each try needs a request of its own, with a new stamp.
pub(super) fn prepare(route: &Route, call: &Call, stamp: &Stamp) -> Result<Prepared, Error> {
    let mut url = route.endpoint.join(&call.path);
    if let Some(pair) = route.auth.query_pair() {
        let query = url.query().map_or_else(|| pair.clone(), |query| format!("{query}&{pair}"));
        url.set_query(Some(&query));
    }
    let mut headers = route.headers.clone();
    headers.extend(call.headers.clone());
    // Compressed events would wait in a proxy's buffers.
    let (accept, encoding) = match call.accept {
        Accept::Any => ("*/*", "gzip"),
        Accept::EventStream => ("text/event-stream", "identity"),
    };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    headers.remove(header::CONTENT_TYPE);
    if let (Some(content_type), Some(_)) = (&call.content_type, &call.body) {
        headers.insert(header::CONTENT_TYPE, content_type.clone());
    }
    let unsigned = Unsigned {
        method: &call.method,
        target: &url[Position::BeforePath..Position::AfterQuery],
        headers: &headers,
        body: call.body.as_deref().unwrap_or_default(),
    };
    let proof = route.auth.sign(unsigned, &route.signed_headers, stamp)?;
    let signatures = proof.headers.iter().filter(|(_, value)| value.is_sensitive());
    let signatures = signatures.filter_map(|(_, value)| value.to_str().ok());
    let redactor = Redactor::new(&route.auth, &route.endpoint, &route.headers, signatures);
    headers.extend(proof.headers);
    let mut request = reqwest::Request::new(call.method.clone(), url);
    *request.headers_mut() = headers;
    *request.body_mut() = call.body.clone().map(reqwest::Body::from);
    Ok(Prepared { request, string_to_sign: proof.string_to_sign, redactor })
}
