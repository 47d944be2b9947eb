//! Why no answer came, told for a person.

use super::redact::Redactor;
use super::{Error, ErrorKind, Route};
use std::error::Error as _;

/// Bodies up to this size fit every gateway's buffer.
const SMALL_BODY: usize = 32 << 10;

/// The error of a request that was not answered.
pub(super) fn of_request(error: &reqwest::Error, route: &Route, body_bytes: usize, redactor: &Redactor) -> Error {
    let reason = redactor.line(&root_cause(error), 300);
    let endpoint = &route.endpoint;
    if error.is_connect() || error.is_timeout() {
        let (what, advice) = connect_advice(&reason, error.is_timeout(), route.options.proxy.is_some());
        return Error::new(ErrorKind::Connect, format!("{endpoint} cannot be reached: {what} ({reason})"))
            .advise(advice);
    }
    let error = Error::new(
        ErrorKind::Interrupted,
        format!("the connection to {endpoint} broke off before an answer came ({reason})"),
    );
    if body_bytes > SMALL_BODY {
        return error.advise(format!(
            "The request has {body_bytes} bytes; a gateway with a smaller limit closes the connection while it is sent: \
             send less, or raise the gateway's limit"
        ));
    }
    error.advise("Try again; if it repeats, look at the gateway's log")
}

fn connect_advice(reason: &str, timed_out: bool, proxy: bool) -> (&'static str, &'static str) {
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if timed_out {
        return ("no connection in time", "Check the address, the network and firewalls, or raise `connect_timeout`");
    }
    if has(&["UnknownIssuer", "unknown issuer", "UnknownCA"]) {
        return (
            "its certificate is signed by an unknown authority",
            "Put the authority's certificate into `ca_pem` of the advanced options",
        );
    }
    if has(&["Expired", "expired"]) {
        return ("its certificate has expired", "Renew the gateway's certificate, or check this machine's clock");
    }
    if has(&["NotValidForName", "not valid for name"]) {
        return ("its certificate is for another name", "Use the name that the certificate is for in the endpoint URL");
    }
    if has(&["certificate", "tls", "TLS", "CorruptMessage", "handshake"]) {
        return (
            "TLS failed",
            "Check whether the endpoint URL should begin with http:// or https://, and the certificate",
        );
    }
    if has(&["dns", "lookup", "resolve"]) {
        return ("its name is not known", "Check the host name in the endpoint URL and this machine's DNS");
    }
    if proxy || has(&["proxy", "tunnel"]) {
        return (
            "the proxy or the gateway behind it does not answer",
            "Check the proxy's address and that it may connect",
        );
    }
    ("nothing accepts connections there", "Check the address and port in the endpoint URL and that the gateway runs")
}

/// The innermost cause, which says most and names no URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.source().is_none() { "no reason given".to_owned() } else { cause.to_string() }
}
