//! What went wrong below HTTP, told for a person.

use super::{Endpoint, Error, ErrorKind, TransportOptions};
use rustls::{CertificateError, Error as TlsError, InvalidMessage};
use std::error::Error as StdError;
use std::io;

/// A body over this size may be over a gateway's limit: Higress keeps 32 KiB of a connection by default.
const LARGE_BODY: usize = 32 << 10;

/// A call that got no answer.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether no connection came to be, for a reason that may pass.
    pub(super) worth_retrying: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, worth_retrying: false }
    }
}

/// Why `endpoint` gave no answer to a request with a body of `sent` bytes.
pub(super) fn failure(error: &reqwest::Error, endpoint: &Endpoint, options: &TransportOptions, sent: usize) -> Failure {
    let causes = causes(error);
    if error.is_builder() {
        return Error::new(ErrorKind::Config, format!("The request cannot be built: {}", told(&causes))).into();
    }
    if let Some(tls) = find::<TlsError>(&causes) {
        return self::tls(tls, endpoint).into();
    }
    if error.is_connect() {
        return Failure { error: no_connection(error, &causes, endpoint, options), worth_retrying: true };
    }
    let reason = told(&causes);
    let closed = find::<io::Error>(&causes).map(io::Error::kind);
    if sent > LARGE_BODY
        && matches!(
            closed,
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted)
        )
    {
        let message = format!("The gateway closed the connection while it was sent {} KiB: body too large", sent >> 10);
        let error = Error::new(ErrorKind::BadRequest, message);
        return error.advise("Send fewer or smaller files, or raise the gateway's body limit").into();
    }
    let no_http = ["invalid HTTP", "unexpected message", "too large", " parsed"];
    if no_http.iter().any(|words| reason.contains(words)) {
        let error = Error::new(ErrorKind::Decode, format!("{endpoint} does not answer in HTTP: {reason}"));
        return error.advise("Check scheme and port of the endpoint URL").into();
    }
    let message = format!("{endpoint} closed the connection without an answer: {reason}");
    Error::new(ErrorKind::Interrupted, message)
        .advise("Try again; if it happens again, look at the gateway's log")
        .into()
}

/// Why a body could not be read to its end.
pub(super) fn broken_body(error: &reqwest::Error) -> (ErrorKind, String) {
    let causes = causes(error);
    let reason = told(&causes);
    let corrupt = find::<io::Error>(&causes)
        .is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput));
    // What hyper says of the connection, in front of its cause.
    let framing = causes.iter().any(|cause| cause.to_string().contains("from connection"));
    if corrupt && framing {
        return (ErrorKind::Decode, format!("The answer is not valid HTTP: {reason}"));
    }
    if corrupt && !reason.contains("closed") {
        return (ErrorKind::Decode, format!("The answer cannot be decompressed: {reason}"));
    }
    (ErrorKind::Interrupted, format!("The answer broke off before its end: {reason}"))
}

fn no_connection(
    error: &reqwest::Error,
    causes: &[&(dyn StdError + 'static)],
    endpoint: &Endpoint,
    options: &TransportOptions,
) -> Error {
    let reason = told(causes);
    let all = causes.iter().map(ToString::to_string).collect::<Vec<_>>().join(": ").to_lowercase();
    let refused = find::<io::Error>(causes).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    let seconds = options.connect_timeout.as_secs_f64();
    let failure =
        if error.is_timeout() { format!("nothing came within {seconds} s (connect_timeout)") } else { reason.clone() };
    let (message, advice) =
        if options.proxy.is_some() || all.contains("tunnel") || all.contains("socks") || all.contains("proxy") {
            (
                format!("The proxy did not connect to {endpoint}: {failure}"),
                "Check the proxy in advanced_options or in the environment",
            )
        } else if error.is_timeout() {
            (format!("No connection to {endpoint} within {seconds} s (connect_timeout)"), "Check address and firewall")
        } else if all.contains("dns error") {
            (
                format!("The host name `{}` is unknown: {reason}", endpoint.host()),
                "Check the endpoint URL and the name server",
            )
        } else if refused {
            (
                format!("Nothing listens at {endpoint}: {reason}"),
                "Check host and port; inside a container localhost is the container",
            )
        } else {
            (format!("No connection to {endpoint}: {reason}"), "Check host and port of the endpoint URL")
        };
    Error::new(ErrorKind::Connect, message).advise(advice)
}

fn tls(error: &TlsError, endpoint: &Endpoint) -> Error {
    const PRIVATE: &str =
        "Put the certificate authority into ca_pem in advanced_options, or for a test set tls_verify to false";
    let (reason, advice) = match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            ("its certificate comes from an unknown authority".to_owned(), PRIVATE)
        }
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => (
            "its certificate has expired".to_owned(),
            "Renew the gateway's certificate, and check this machine's clock",
        ),
        TlsError::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            ("its certificate is not valid yet".to_owned(), "Check this machine's clock")
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (
            "its certificate is for another name".to_owned(),
            "Write the name in the certificate into the endpoint URL",
        ),
        TlsError::InvalidCertificate(other) => (format!("its certificate is not valid: {other:?}"), PRIVATE),
        TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
            ("it does not speak TLS".to_owned(), "Write http:// in the endpoint URL, or the port that serves https")
        }
        other => (other.to_string(), "Check that the port serves https"),
    };
    Error::new(ErrorKind::Connect, format!("No secure connection to {endpoint}: {reason}")).advise(advice)
}

/// An error and what is behind it. The error itself is left out: it may name the URL.
fn causes(error: &reqwest::Error) -> Vec<&(dyn StdError + 'static)> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        // An I/O error hides the error that it wraps behind that error's own source.
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    causes
}

fn find<'a, E: StdError + 'static>(causes: &[&'a (dyn StdError + 'static)]) -> Option<&'a E> {
    // The innermost: an outer one may only carry it.
    causes.iter().rev().find_map(|cause| cause.downcast_ref::<E>())
}

/// The innermost cause in words.
fn told(causes: &[&(dyn StdError + 'static)]) -> String {
    causes.last().map_or_else(|| "no reason given".to_owned(), ToString::to_string)
}
