//! The hostile gateway: each behaviour does on the wire what its name says.

use crate::http::{exchange, post, request};
use higress_dify_plugin::standin::hostile::{BEHAVIOURS, Hostile, RECORDED, refusing_addr, spawn};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn hostile() -> Hostile {
    spawn(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap()
}

fn path(behaviour: &str) -> String {
    format!("/{behaviour}/v1/chat/completions")
}

/// Connects and sends a request.
async fn open(gateway: &Hostile, behaviour: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.addr()).await.unwrap();
    stream.write_all(request("POST", &path(behaviour), &[], "{}").as_bytes()).await.unwrap();
    stream
}

/// Reads `size` bytes, which never-ending behaviours have to have.
async fn read(stream: &mut TcpStream, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    timeout(Duration::from_secs(20), stream.read_exact(&mut bytes)).await.expect("bytes in time").unwrap();
    bytes
}

#[tokio::test]
async fn every_behaviour_that_is_listed_exists() {
    let gateway = hostile().await;
    for (name, _) in BEHAVIOURS {
        let mut stream = open(&gateway, &name.replace("<n>", "3")).await;
        let mut start = [0; 12];
        // Some say nothing at all: then there is no 404 either.
        let read = timeout(Duration::from_millis(100), stream.read(&mut start)).await;
        assert!(!matches!(read, Ok(Ok(12))) || &start != b"HTTP/1.1 404", "{name}");
    }
    assert_eq!(exchange(gateway.addr(), &request("POST", "/nonsense", &[], "")).await.status, 404);
    assert_eq!(gateway.paths().len(), BEHAVIOURS.len() + 1);
}

#[tokio::test]
async fn a_stream_is_cut_at_the_byte_that_was_told() {
    let gateway = hostile().await;
    for count in [0, 1, 7, 200, RECORDED.len()] {
        let answer = post(gateway.addr(), &path(&format!("cut-{count}")), &[], &json!({})).await;
        assert_eq!((answer.status, answer.complete), (200, false));
        assert_eq!(answer.body, &RECORDED.as_bytes()[..count]);
    }
    let whole = post(gateway.addr(), &path("ok"), &[], &json!({})).await;
    assert!(whole.complete && whole.text() == RECORDED);
}

#[tokio::test]
async fn resets_are_resets_and_a_half_closed_side_goes_on_reading() {
    let gateway = hostile().await;
    let mut bytes = Vec::new();
    let error = open(&gateway, "reset").await.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let error = open(&gateway, "reset-10").await.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(String::from_utf8_lossy(&bytes).contains(&RECORDED[..10]));
    let mut stream = open(&gateway, "half-closed-10").await;
    stream.read_to_end(&mut bytes).await.unwrap();
    stream.write_all(&vec![b' '; 1 << 20]).await.unwrap();
    assert_eq!(gateway.connections_open(), 1);
}

#[tokio::test]
async fn endless_answers_go_on_and_stop_with_the_gateway() {
    let gateway = hostile().await;
    let mut streams = Vec::new();
    for name in ["stream", "line", "comments", "header", "body", "informational"] {
        let mut stream = open(&gateway, &format!("endless-{name}")).await;
        read(&mut stream, 1 << 20).await;
        streams.push(stream);
    }
    drop(gateway);
    for mut stream in streams {
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.expect("an end in time");
    }
}

#[tokio::test]
async fn a_body_has_the_size_that_was_told_and_is_json() {
    let gateway = hostile().await;
    let answer = post(gateway.addr(), &path("body-1000000"), &[], &json!({})).await;
    assert_eq!(answer.body.len(), 1_000_000);
    assert_eq!(answer.json()["text"].as_str().unwrap().len(), 1_000_000 - 11);
}

#[tokio::test]
async fn a_bomb_is_blanks_in_gzip_that_grow_150_times() {
    let gateway = hostile().await;
    let answer = post(gateway.addr(), &path("bomb-10000000"), &[], &json!({})).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let deflate = &answer.body[10..];
    // Last block, fixed codes, then the code of a blank.
    assert_eq!(deflate[0] & 0b111, 0b011);
    assert_eq!(&deflate[3..16], &deflate[16..29], "a period of 13 bytes");
    assert!(answer.body.len() < 10_000_000 / 100);
}

#[tokio::test]
async fn a_refusing_address_refuses() {
    let error = TcpStream::connect(refusing_addr().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}
