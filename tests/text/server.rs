//! A gateway that answers with prepared bytes and remembers what it was sent.

use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What was sent: the request's head and its body.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) head: String,
    pub(crate) body: Value,
}

pub(crate) struct Server {
    pub(crate) url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers one request after the other with these bytes, each on a connection of its own.
    pub(crate) async fn start(replies: Vec<Vec<u8>>) -> Self {
        Self::slow(Duration::ZERO, replies).await
    }

    /// As [`Server::start`], each answer so long after its request.
    pub(crate) async fn slow(latency: Duration, replies: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/route", listener.local_addr().unwrap());
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        let task = tokio::spawn(async move {
            let mut replies = VecDeque::from(replies);
            while let Some(reply) = replies.pop_front() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                log.lock().unwrap().push(request);
                tokio::time::sleep(latency).await;
                // The client may have gone before the end.
                let _ = stream.write_all(&reply).await;
                if reply == stalled_stream() {
                    // Open until the client is gone.
                    let _ = stream.read(&mut [0]).await;
                }
                let _ = stream.shutdown().await;
            }
        });
        Self { url, sent, task }
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(stream: &mut TcpStream) -> Sent {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                return Sent { head, body: serde_json::from_slice(&bytes[end + 4..]).unwrap_or_default() };
            }
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request is whole");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// A whole reply that ends with its connection.
pub(crate) fn reply(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A stream of events.
pub(crate) fn stream(body: &str) -> Vec<u8> {
    reply("200 OK", "text/event-stream", body)
}

/// A stream that promises more than it sends.
pub(crate) fn broken_stream(body: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    format!("{head}{:x}\r\n{body}\r\n", body.len()).into_bytes()
}

/// A stream that begins, says nothing, and does not end.
pub(crate) fn stalled_stream() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n8\r\n: busy\n\n\r\n"
        .to_vec()
}

/// A whole reply in gzip, in one stored block.
pub(crate) fn packed(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    gzip.extend(length.to_le_bytes());
    gzip.extend((!length).to_le_bytes());
    gzip.extend(body.as_bytes());
    gzip.extend(crc32(body.as_bytes()).to_le_bytes());
    gzip.extend(u32::from(length).to_le_bytes());
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        gzip.len()
    );
    [head.into_bytes(), gzip].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}
