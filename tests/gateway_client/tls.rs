//! Certificates that are right and wrong.

use crate::server::{json, options, read_request, route};
use higress_dify_plugin::gateway::{self, Error, ErrorKind, TransportOptions};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

/// A server whose certificate is made by `adjust`, and the PEM of the authority that signed it.
async fn server(adjust: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    adjust(&mut params);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            if read_request(&mut stream).await.is_some() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (format!("https://localhost:{port}/pre"), authority_certificate.pem())
}

async fn call(endpoint: &str, ca_pem: Option<&str>, tls_verify: bool) -> Result<usize, Error> {
    let options = TransportOptions { ca_pem: ca_pem.map(str::to_owned), tls_verify, ..options() };
    Ok(gateway::send(&route(endpoint, options), &json()).await?.bytes().await?.len())
}

#[tokio::test]
async fn a_private_authority_is_refused_until_it_is_given() {
    let (endpoint, authority) = server(|_| {}).await;
    let error = call(&endpoint, None, true).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connect);
    assert!(error.message.contains("unknown authority"), "{error}");
    assert!(error.advice.unwrap().contains("ca_pem"));
    assert_eq!(call(&endpoint, Some(&authority), true).await.unwrap(), 2);
    assert_eq!(call(&endpoint, None, false).await.unwrap(), 2);
}

#[tokio::test]
async fn an_expired_certificate_is_told() {
    let (endpoint, authority) = server(|params| params.not_after = date_time_ymd(2020, 1, 1)).await;
    let error = call(&endpoint, Some(&authority), true).await.unwrap_err();
    assert!(error.kind == ErrorKind::Connect && error.message.contains("expired"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told() {
    let (endpoint, authority) = server(|params| {
        params.subject_alt_names = CertificateParams::new(vec!["other.example".to_owned()]).unwrap().subject_alt_names;
    })
    .await;
    let error = call(&endpoint, Some(&authority), true).await.unwrap_err();
    assert!(error.kind == ErrorKind::Connect && error.message.contains("another name"), "{error}");
}

#[tokio::test]
async fn a_port_without_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    let error = call(&format!("https://{plain}"), None, true).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connect);
    assert!(error.advice.unwrap().contains("http://"));
}

#[tokio::test]
async fn a_handshake_that_stalls_ends_at_the_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    let options = TransportOptions { connect_timeout: Duration::from_millis(150), ..options() };
    let error = gateway::send(&route(&format!("https://{silent}"), options), &json()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connect);
    assert!(error.message.contains("within 0.15 s (connect_timeout)"), "{error}");
}

#[tokio::test]
async fn what_is_no_certificate_is_a_wrong_setting() {
    for pem in ["nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ""] {
        let error = call("https://localhost:1", Some(pem), true).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config, "{error}");
        assert!(error.message.contains("ca_pem"), "{error}");
    }
}

/// Collects a log's lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn switching_verification_off_is_logged_once_for_each_endpoint() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (endpoint, _) = server(|_| {}).await;
    for _ in 0..3 {
        call(&endpoint, None, false).await.unwrap();
    }
    call(&format!("{endpoint}/other?token=marked-secret"), None, false).await.unwrap();
    let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warnings: Vec<_> = lines.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 2, "{lines}");
    assert!(warnings[0].contains(&endpoint) && !lines.contains("marked-secret"), "{lines}");
}
