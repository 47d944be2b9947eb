//! Servers that fail in every way they can.

use crate::server::{Act, Server, answer, chat, chunk, event_stream, events_of, json, options, route, send};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use higress_dify_plugin::gateway::auth::KeyPlacement;
use higress_dify_plugin::gateway::{self, Auth, Call, Deadline, Error, ErrorKind, Route, TransportOptions, sse};
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(150);
const SOON: Duration = Duration::from_secs(20);

async fn refused(route: &Route) -> Error {
    let started = Instant::now();
    let error = gateway::send(route, &chat()).await.expect_err("an error");
    assert!(started.elapsed() < SOON, "{error}");
    error
}

/// The events that came, and how it ended.
async fn events(route: &Route) -> (Vec<String>, Result<(), Error>) {
    let mut events = match events_of(gateway::send(route, &chat()).await.unwrap()).await {
        Ok(events) => events,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut data = Vec::new();
    loop {
        match events.next().await {
            Ok(Some(event)) => data.push(event.data),
            Ok(None) => return (data, Ok(())),
            Err(error) => {
                assert!(events.next().await.unwrap().is_none(), "an error is told once");
                return (data, Err(error));
            }
        }
    }
}

async fn body(route: &Route) -> Result<usize, Error> {
    Ok(gateway::send(route, &json()).await?.bytes().await?.len())
}

#[tokio::test]
async fn silence_before_the_headers_ends_at_the_first_byte_timeout() {
    let server = Server::one(vec![Act::Stall]).await;
    let error = refused(&server.route_with(TransportOptions { first_byte_timeout: SHORT, ..options() })).await;
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("first_byte_timeout"), "{error}");
}

#[tokio::test]
async fn the_total_timeout_covers_the_wait_for_headers() {
    let server = Server::one(vec![send("HTTP/1.1 200 OK\r\ncontent"), Act::Stall]).await;
    let call = Call { deadline: Some(Deadline::total(Instant::now(), SHORT)), ..json() };
    let error = gateway::send(&server.route(), &call).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("total_timeout"), "{error}");
}

#[tokio::test]
async fn silence_in_mid_stream_ends_at_the_idle_timeout() {
    let server = Server::one(vec![event_stream(), chunk("data: a\n\ndata: b"), Act::Stall]).await;
    let (data, end) = events(&server.route_with(TransportOptions { idle_timeout: SHORT, ..options() })).await;
    assert_eq!(data, ["a"]);
    let error = end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("idle_timeout"), "{error}");
    assert!(error.to_string().contains("raise idle_timeout in advanced_options"), "{error}");
}

#[tokio::test]
async fn an_endless_stream_ends_at_the_total_timeout() {
    let endless = Act::Repeat(b"8\r\n: ping\n\n\r\n".repeat(100));
    let server = Server::one(vec![event_stream(), endless]).await;
    let (_, end) =
        events(&server.route_with(TransportOptions { total_timeout: Duration::from_secs(1), ..options() })).await;
    assert_eq!(end.unwrap_err().kind, ErrorKind::Timeout);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_after_its_events() {
    for end in [Act::Reset, Act::Close] {
        let server = Server::one(vec![event_stream(), chunk("data: a\n\ndata: b"), end]).await;
        let (data, end) = events(&server.route()).await;
        // A reset may overtake what was sent before it.
        assert!(data.is_empty() || data == ["a"], "{data:?}");
        let error = end.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Interrupted);
        assert!(error.to_string().contains("Try again"), "{error}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_completes_its_last_event() {
    let server = Server::one(vec![event_stream(), chunk("data: a\n\ndata: [DONE]"), send("0\r\n\r\n")]).await;
    let (data, end) = events(&server.route()).await;
    assert_eq!(data, ["a", "[DONE]"]);
    end.unwrap();
    let until_close = send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: a");
    let server = Server::one(vec![until_close, Act::Close]).await;
    assert_eq!(events(&server.route()).await.0, ["a"]);
}

#[tokio::test]
async fn an_endless_line_is_too_large() {
    let endless = Act::Repeat([b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat());
    let server = Server::one(vec![event_stream(), chunk("data: a\n\ndata: "), endless]).await;
    let (data, end) = events(&server.route()).await;
    assert_eq!(data, ["a"]);
    let error = end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert!(error.message.contains(&sse::MAX_EVENT.to_string()), "{error}");
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused_by_its_length_or_while_it_comes() {
    let announced = send("HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n{");
    let piece = Act::Repeat([b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat());
    let chunked = send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    for script in [vec![announced, Act::Stall], vec![chunked, piece]] {
        let server = Server::one(script).await;
        let error = body(&server.route()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert!(error.message.contains("64 MiB"), "{error}");
        server.connection_ended().await;
    }
}

fn zeros() -> &'static [u8] {
    include_bytes!("../fixtures/one_mebibyte_of_zeros.gz")
}

/// 200 MiB of zeros in one gzip stream: a literal, then the longest repetitions that DEFLATE's fixed codes have.
fn bomb() -> Vec<u8> {
    let repetition = "1100010100000"; // length 258, distance 1
    let bits = format!("110{}{}0000000", "00110000", repetition.repeat((200 << 20) / 258));
    let packed = bits
        .as_bytes()
        .chunks(8)
        .map(|bits| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | ((bit - b'0') << at)));
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255].into_iter().chain(packed).collect()
}

#[tokio::test]
async fn a_compressed_bomb_is_refused_as_it_unfolds() {
    let bomb = bomb();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
    let server = Server::one(vec![send(&head), Act::Send(bomb.clone())]).await;
    assert_eq!(body(&server.route()).await.unwrap_err().kind, ErrorKind::TooLarge);
    let (_, end) = events(&server.route()).await;
    let error = end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
    let head = head.replace("200 OK", "500 Oops");
    let server = Server::one(vec![send(&head), Act::Send(bomb)]).await;
    let error = refused(&server.route()).await;
    assert_eq!((error.kind, error.status), (ErrorKind::ServerUnavailable, Some(500)));
}

#[tokio::test]
async fn a_compressed_body_is_unfolded() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", zeros().len());
    let server = Server::one(vec![send(&head), Act::Send(zeros().to_vec())]).await;
    assert_eq!(body(&server.route()).await.unwrap(), 1 << 20);
}

#[tokio::test]
async fn a_body_that_is_not_what_its_encoding_says_is_unreadable() {
    let server = Server::one(vec![answer("200 OK", "content-encoding: gzip\r\n", "not compressed at all")]).await;
    assert_eq!(body(&server.route()).await.unwrap_err().kind, ErrorKind::Decode);
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_interrupted() {
    let server = Server::one(vec![send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"), Act::Close]).await;
    assert_eq!(body(&server.route()).await.unwrap_err().kind, ErrorKind::Interrupted);
}

#[tokio::test]
async fn a_refusal_that_stalls_or_never_ends_still_has_its_status() {
    let head = "HTTP/1.1 503 Nope\r\ntransfer-encoding: chunked\r\n\r\n";
    for act in [Act::Stall, Act::Repeat(b"5\r\nhello\r\n".repeat(100))] {
        let server = Server::one(vec![send(head), act]).await;
        let error = refused(&server.route_with(TransportOptions { idle_timeout: SHORT, ..options() })).await;
        assert_eq!((error.kind, error.status), (ErrorKind::ServerUnavailable, Some(503)));
        assert!(error.to_string().len() < 2048);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::one(vec![answer("200 OK", "", "{}")]).await;
    let location = format!("location: http://{}/v1\r\n", other.address);
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let server = Server::one(vec![answer(status, &location, "")]).await;
        let error = refused(&server.route()).await;
        assert_eq!(error.kind, ErrorKind::BadRequest);
        assert!(error.message.contains(&other.address), "{error}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let interim = send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
    let server = Server::one(vec![interim, answer("200 OK", "", "{}")]).await;
    assert_eq!(body(&server.route()).await.unwrap(), 2);
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let server =
        Server::one(vec![send("HTTP/1.1 200 OK\r\n"), Act::Repeat(b"x-flood: aaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(64))])
            .await;
    let error = refused(&server.route()).await;
    assert!(matches!(error.kind, ErrorKind::Decode | ErrorKind::Interrupted), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_is_named() {
    let answering = Server::one(vec![send("SSH-2.0-OpenSSH_9.6\r\n\r\n"), Act::Close]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let greeting = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    for address in [&answering.address, &greeting] {
        let error = refused(&route(&format!("http://{address}"), options())).await;
        assert_eq!(error.kind, ErrorKind::Decode, "{error}");
        assert!(error.message.contains(address), "{error}");
    }
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_interrupted() {
    for act in [Act::Close, Act::Reset] {
        let server = Server::one(vec![act]).await;
        assert_eq!(refused(&server.route()).await.kind, ErrorKind::Interrupted);
    }
}

#[tokio::test]
async fn a_connection_reset_during_a_large_upload_says_body_too_large() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 1024]).await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    let call = Call::post_json("/v1/chat/completions", vec![b' '; 32 << 20]);
    let error = gateway::send(&route(&format!("http://{address}"), options()), &call).await.unwrap_err();
    server.await.unwrap();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert!(error.message.contains("body too large"), "{error}");
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_an_upload_says_too_large() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 1024]).await.unwrap();
        let refusal =
            "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 17\r\nconnection: close\r\n\r\nPayload Too Large";
        stream.write_all(refusal.as_bytes()).await.unwrap();
    });
    let call = Call::post_json("/v1/chat/completions", vec![b' '; 32 << 20]);
    let error = gateway::send(&route(&format!("http://{address}"), options()), &call).await.unwrap_err();
    server.await.unwrap();
    assert_eq!(error.kind, ErrorKind::BadRequest, "{error}");
    assert!(error.to_string().to_lowercase().contains("too large"), "{error}");
}

#[tokio::test]
async fn a_connection_that_fails_is_tried_again_if_that_is_wanted() {
    for (retries, tries) in [(0, 1), (1, 2)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        // Ends every connection before TLS stands.
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        });
        let error = refused(&route(&format!("https://{address}"), TransportOptions { retries, ..options() })).await;
        assert_eq!((error.kind, connections.load(Ordering::SeqCst)), (ErrorKind::Connect, tries), "{error}");
        server.abort();
    }
}

#[tokio::test]
async fn nobody_listening_and_unknown_names_are_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(&route(&format!("http://{free}/pre"), options())).await;
    assert_eq!(error.kind, ErrorKind::Connect);
    assert!(error.message.contains("Nothing listens"), "{error}");
    let error = refused(&route("http://no-such-host.invalid/pre", options())).await;
    assert_eq!(error.kind, ErrorKind::Connect);
    assert!(error.message.contains("`no-such-host.invalid`"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_fails_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = TransportOptions { proxy: Some(format!("http://{free}")), ..options() };
    let error = refused(&route("http://gateway.invalid/pre", dead)).await;
    assert_eq!(error.kind, ErrorKind::Connect);
    assert!(error.message.starts_with("The proxy did not connect to http://gateway.invalid/pre"), "{error}");
    let refusing = Server::one(vec![answer("403 Forbidden", "", ""), Act::Close]).await;
    let proxied = TransportOptions { proxy: Some(format!("http://{}", refusing.address)), ..options() };
    let error = refused(&route("https://gateway.invalid/pre", proxied)).await;
    assert_eq!(error.kind, ErrorKind::Connect);
    assert!(error.message.contains("proxy"), "{error}");
    let unreadable = TransportOptions { proxy: Some("http://[".into()), ..options() };
    assert_eq!(refused(&route("http://gateway.invalid", unreadable)).await.kind, ErrorKind::Config);
}

#[tokio::test]
async fn a_key_is_in_no_error() {
    let echo = answer("401 Unauthorized", "", "bad key marked-secret-1, marked-secret%2B2");
    let server = Server::one(vec![echo]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for endpoint in [format!("http://{}", server.address), format!("http://{free}?t=marked-secret-3")] {
        for (key, placement) in [
            ("marked-secret-1", KeyPlacement::Bearer),
            ("marked-secret-1", KeyPlacement::Query("k".into())),
            ("marked-secret+2", KeyPlacement::Query("k".into())),
        ] {
            let mut route = route(&endpoint, options());
            route.auth = Auth::ApiKey { key: SecretString::from(key), placement };
            let error = refused(&route).await;
            let shown = format!("{error} {error:?} {route:?}");
            assert!(!shown.contains(key) && !shown.contains("secret-3"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_large_event_keeps_its_room_until_the_next_is_asked_for() {
    let text = "x".repeat(sse::MAX_EVENT - 100_000);
    let event = chunk(&format!("data: {text}\n\n"));
    let script = vec![event_stream(), event, Act::Stall];
    let server = Server::start(vec![script; 8]).await;
    let route = server.route();
    let mut reading: FuturesUnordered<_> = (0..8)
        .map(|_| async {
            let mut events = events_of(gateway::send(&route, &chat()).await.unwrap()).await.unwrap();
            assert!(events.next().await.unwrap().is_some());
            events
        })
        .collect();
    let mut in_use = Vec::from_iter(timeout(SOON, reading.next()).await.expect("there is room for one"));
    while let Ok(Some(events)) = timeout(SHORT * 2, reading.next()).await {
        in_use.push(events);
    }
    // Four fill the common room, and a fifth goes on as the one of its server.
    assert!(in_use.len() <= 5, "{} large events at once", in_use.len());
    drop(in_use);
    while let Some(events) = timeout(SOON, reading.next()).await.expect("there is room again") {
        drop(events);
    }
}
