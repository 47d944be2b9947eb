//! Real HTTP against a server that answers what the request's `data` asks for.

use super::*;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<()>,
    gone: mpsc::UnboundedReceiver<()>,
    release: CancellationToken,
}

struct Gone(UnboundedSender<()>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Answers with the lines in `data.lines`, again and again when `data.endless` is set, and then ends, or waits for
/// `release` when `data.hold` is set.
async fn answer(mut connection: Connection, gone: Gone, release: CancellationToken) {
    let Some(Inbound::Line(line)) = connection.inbound.recv().await else { return };
    assert_eq!(connection.inbound.recv().await, None, "one call, one line");
    let request: Value = serde_json::from_slice(&line).unwrap();
    loop {
        for line in request["data"]["lines"].as_array().into_iter().flatten() {
            connection.outbox.notice(format!("{line}\n").into_bytes());
        }
        if request["data"]["endless"] != true {
            break;
        }
        tokio::task::yield_now().await;
    }
    if request["data"]["hold"] == true {
        release.cancelled().await;
        connection.outbox.notice(b"\"released\"\n".to_vec());
    }
    drop(gone);
}

async fn server(silence: Duration, max_calls: usize) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, gone) = mpsc::unbounded_channel();
    let (stop, release) = (CancellationToken::new(), CancellationToken::new());
    let (stopped, released) = (stop.clone(), release.clone());
    let serve = move |connection| answer(connection, Gone(sender.clone()), released.clone());
    let settings = ServerlessSettings { silence, max_calls };
    let running = tokio::spawn(async move { run(listener, settings, &stopped, serve).await });
    Server { address, stop, running, gone, release }
}

fn request(data: &Value) -> String {
    json!({"session_id": "S", "event": "request", "data": data}).to_string()
}

/// Sends a request with a chunked body, in two chunks.
async fn send(address: SocketAddr, line: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (first, second) = body.split_at(body.len() / 2);
    let mut text = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in [first, second].into_iter().filter(|piece| !piece.is_empty()) {
        text = format!("{text}{:x}\r\n{piece}\r\n", piece.len());
    }
    stream.write_all(format!("{text}0\r\n\r\n").as_bytes()).await.unwrap();
    stream
}

/// The status and the body, without the frames of the transfer.
async fn response(mut stream: TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if !head.contains("transfer-encoding: chunked") {
        return (status, body.to_owned());
    }
    let frames: Vec<_> = body.split("\r\n").collect();
    (status, frames.chunks(2).map(|frame| frame.get(1).copied().unwrap_or_default()).collect())
}

async fn call(server: &Server, data: &Value) -> (u16, String) {
    response(send(server.address, "POST /invoke?action=invoke_llm", &request(data)).await).await
}

/// Reads until `text` has come.
async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut seen = String::new();
    while !seen.contains(text) {
        let mut buffer = [0; 4096];
        let count = timeout(LIMIT, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(count, 0, "{seen}");
        seen += std::str::from_utf8(&buffer[..count]).unwrap();
    }
}

#[tokio::test]
async fn a_call_is_answered_with_its_lines_and_nothing_else() {
    let server = server(LIMIT, 8).await;
    let lines = json!({"lines": [{"a": 1}, {"b": 2}]});
    assert_eq!(call(&server, &lines).await, (200, "{\"a\":1}\n{\"b\":2}\n".to_owned()));
}

#[tokio::test]
async fn lines_leave_as_they_come() {
    let server = server(LIMIT, 8).await;
    let body = request(&json!({"lines": [{"a": 1}], "hold": true}));
    let mut stream = send(server.address, "POST /invoke", &body).await;
    read_until(&mut stream, "{\"a\":1}\n").await;
    server.release.cancel();
    read_until(&mut stream, "released").await;
}

#[tokio::test]
async fn health_is_ok_and_other_paths_are_not_found() {
    let server = server(LIMIT, 8).await;
    assert_eq!(response(send(server.address, "GET /health", "").await).await, (200, "OK".to_owned()));
    assert_eq!(response(send(server.address, "GET /", "").await).await.0, 404);
    assert_eq!(response(send(server.address, "GET /invoke", "").await).await.0, 405);
}

#[tokio::test]
async fn a_bad_body_is_500_with_the_reason() {
    let server = server(LIMIT, 8).await;
    for (body, reason) in [
        ("nonsense", "cannot be read"),
        ("{\"event\":\"request\",\"data\":{}}", "session_id"),
        ("{\"session_id\":\"S\",\"event\":\"backwards_response\",\"data\":{}}", "not a request"),
    ] {
        let (status, text) = response(send(server.address, "POST /invoke", body).await).await;
        assert_eq!(status, 500);
        assert!(text.contains(reason), "{text}");
    }
    let too_long = "x".repeat(MAX_BODY + 1);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head =
        format!("POST /invoke HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", too_long.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    // The server may close before it has read everything. The half is given back, for closing it means leaving.
    let writing = tokio::spawn(async move { (write.write_all(too_long.as_bytes()).await.is_ok(), write) });
    let mut answer = vec![0; 12];
    timeout(LIMIT, read.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"HTTP/1.1 500");
    writing.await.unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_call_within_a_second() {
    let mut server = server(LIMIT, 8).await;
    let body = request(&json!({"lines": [{"a": 1}], "hold": true}));
    let mut stream = send(server.address, "POST /invoke", &body).await;
    read_until(&mut stream, "{\"a\":1}\n").await;
    drop(stream);
    timeout(Duration::from_secs(1), server.gone.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn silence_ends_a_call_with_an_error_and_end() {
    let mut server = server(Duration::from_millis(100), 8).await;
    let (status, body) = call(&server, &json!({"lines": [{"a": 1}], "hold": true})).await;
    assert_eq!(status, 200);
    let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({"a": 1}));
    assert_eq!(lines[1]["data"]["type"], "error");
    assert_eq!(lines[1]["data"]["data"]["error_type"], "InvokeConnectionError");
    assert_eq!(lines[2], json!({"event": "session", "session_id": "S", "data": {"type": "end", "data": {}}}));
    assert_eq!(lines.len(), 3);
    timeout(LIMIT, server.gone.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_lets_running_calls_finish() {
    let server = server(LIMIT, 8).await;
    let body = request(&json!({"lines": [{"a": 1}], "hold": true}));
    let mut stream = send(server.address, "POST /invoke", &body).await;
    read_until(&mut stream, "{\"a\":1}\n").await;
    server.stop.cancel();
    server.release.cancel();
    read_until(&mut stream, "released").await;
    timeout(LIMIT, server.running).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn connections_without_a_call_do_not_hold_up_a_stop() {
    let server = server(LIMIT, 8).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"POST /invoke HT").await.unwrap();
    // Answered behind them, so they have been accepted.
    assert_eq!(response(send(server.address, "GET /health", "").await).await.0, 200);
    server.stop.cancel();
    timeout(Duration::from_secs(5), server.running).await.unwrap().unwrap();
    drop((idle, half));
}

#[tokio::test]
async fn a_connection_whose_request_does_not_come_is_closed() {
    let server = server(LIMIT, 8).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"POST /invoke HT").await.unwrap();
    // Answered behind them, so they have been accepted.
    assert_eq!(response(send(server.address, "GET /health", "").await).await.0, 200);
    tokio::time::pause();
    for stream in [&mut idle, &mut half] {
        let mut rest = Vec::new();
        timeout(HEAD_TIMEOUT * 2, stream.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
        assert_eq!(rest, b"");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_whole_is_408() {
    let server = server(LIMIT, 8).await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"POST /invoke HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9\r\n\r\n{")
        .await
        .unwrap();
    // Answered behind it, so its head has been read.
    assert_eq!(response(send(server.address, "GET /health", "").await).await.0, 200);
    tokio::time::pause();
    timeout(BODY_TIMEOUT * 2, half.readable()).await.expect("it is answered").unwrap();
    assert_eq!(response(half).await, (408, "the body did not arrive in time".to_owned()));
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_makes_room_for_another_call() {
    let server = server(Duration::from_secs(1), 1).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stalled = socket.connect(server.address).await.unwrap();
    let body = request(&json!({"lines": ["x".repeat(100_000)], "endless": true}));
    let head = format!("POST /invoke HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    stalled.write_all((head + &body).as_bytes()).await.unwrap();
    // The head is here, so the call runs.
    read_until(&mut stalled, "\r\n\r\n").await;
    assert_eq!(call(&server, &json!({})).await.0, 503);
    let room = async { while call(&server, &json!({"lines": [1]})).await.0 == 503 {} };
    timeout(LIMIT, room).await.expect("the other call is over");
}

#[tokio::test]
async fn calls_beyond_the_limit_are_turned_away() {
    let server = server(LIMIT, 1).await;
    let body = request(&json!({"lines": [{"a": 1}], "hold": true}));
    let mut stream = send(server.address, "POST /invoke", &body).await;
    read_until(&mut stream, "{\"a\":1}\n").await;
    assert_eq!(call(&server, &json!({})).await.0, 503);
    server.release.cancel();
    read_until(&mut stream, "released").await;
    assert_eq!(call(&server, &json!({"lines": [1]})).await, (200, "1\n".to_owned()));
}
