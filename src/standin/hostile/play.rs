//! Reads a request just far enough, and plays a behaviour byte by byte.

use super::{Behaviour, Endless, RECORDED, bomb};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A longer head is refused.
const HEAD_LIMIT: usize = 64 * 1024;
/// What endless behaviours write at once.
const BLOCK: usize = 16 * 1024;

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\
    x-envoy-upstream-service-time: 1\r\n\r\n";
const JSON_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\
    x-envoy-upstream-service-time: 1\r\n\r\n";
const EVENT: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"more \"},\"finish_reason\":null}]}\n\n";
const LAST_CHUNK: &str = "0\r\n\r\n";

/// What is known of a request after its head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) path: String,
    /// Bytes of the body that are still to be read; none when the body is chunked.
    rest: Option<usize>,
    /// What was read beyond the head.
    beyond: Vec<u8>,
}

pub(super) async fn read_head(stream: &mut TcpStream) -> io::Result<Head> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if bytes.len() > HEAD_LIMIT || stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    };
    let beyond = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
    let header =
        |name: &str| head.lines().filter_map(|line| line.split_once(':')).find(|(is, _)| is.eq_ignore_ascii_case(name));
    let chunked = header("transfer-encoding").is_some();
    let length = header("content-length").and_then(|(_, length)| length.trim().parse::<usize>().ok()).unwrap_or(0);
    let rest = (!chunked).then_some(length.saturating_sub(beyond.len()));
    Ok(Head { path, rest, beyond })
}

/// Reads the rest of the body and forgets it.
pub(super) async fn read_body(stream: &mut TcpStream, head: &Head) -> io::Result<()> {
    let mut buffer = vec![0; BLOCK];
    let Some(mut rest) = head.rest else {
        let mut tail = head.beyond.clone();
        while !tail.ends_with(LAST_CHUNK.as_bytes()) {
            let keep = tail.len().saturating_sub(LAST_CHUNK.len());
            tail.drain(..keep);
            if stream.read_buf(&mut tail).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        return Ok(());
    };
    while rest > 0 {
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => rest = rest.saturating_sub(count),
        }
    }
    Ok(())
}

pub(super) async fn not_found(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await
}

/// Does to the caller what `behaviour` says. Ends when it is done, or when the caller is gone.
pub(super) async fn play(mut stream: TcpStream, behaviour: Behaviour) -> io::Result<()> {
    let out = &mut stream;
    match behaviour {
        Behaviour::Ok => whole(out, STREAM_HEAD, RECORDED.as_bytes()).await,
        Behaviour::Reset => reset(out),
        Behaviour::Close => Ok(()),
        Behaviour::Stall => wait(out).await,
        Behaviour::StallHead => {
            text(out, STREAM_HEAD).await?;
            wait(out).await
        }
        Behaviour::StallAfter(count) => {
            part(out, count).await?;
            wait(out).await
        }
        Behaviour::Drip(pace) => drip(out, pace).await,
        Behaviour::CutAfter(count) => part(out, count).await,
        Behaviour::ResetAfter(count) => {
            part(out, count).await?;
            // A reset throws away what the caller has not read yet, so it is given the time to read.
            tokio::time::sleep(Duration::from_millis(50)).await;
            reset(out)
        }
        Behaviour::HalfClosedAfter(count) => {
            part(out, count).await?;
            out.shutdown().await?;
            wait(out).await
        }
        Behaviour::Endless(what) => endless(out, what).await,
        Behaviour::HeaderFlood(count) => header_flood(out, count).await,
        Behaviour::Informational(count) => {
            for _ in 0..count {
                text(out, "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n").await?;
            }
            whole(out, STREAM_HEAD, RECORDED.as_bytes()).await
        }
        Behaviour::Body(size) => body(out, size).await,
        Behaviour::Dense(size) => repeated(out, size, r#"{"choices":["#, "{},", "{}]}").await,
        Behaviour::TinyEvents(size) => repeated(out, size, "{}\n", "data:1\n\n", "data: [DONE]\n\n").await,
        Behaviour::Texts(size) => {
            repeated(out, size, r#"{"choices":[{"message":{"content":["#, r#""","#, r#""a"]}}]}"#).await
        }
        Behaviour::LargeEvents(count) => large_events(out, count).await,
        Behaviour::Bomb(size) => explode(out, size).await,
        Behaviour::Html => {
            let page = "<html><body><h1>It works!</h1></body></html>";
            text(out, &sized("200 OK", "content-type: text/html\r\n", page.len(), page)).await
        }
        Behaviour::Typed(kind) => {
            let kind = kind.map_or_else(String::new, |kind| format!("content-type: {kind}\r\n"));
            text(out, &sized("200 OK", &kind, RECORDED.len(), RECORDED)).await
        }
        Behaviour::BadUtf8 => {
            let body = [
                b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\xff\xfeb\xe4\xbd\"}}]}\n\n",
                RECORDED.as_bytes(),
            ];
            whole(out, STREAM_HEAD, &body.concat()).await
        }
        Behaviour::LongLength => {
            text(out, &sized("200 OK", "content-type: application/json\r\n", 1 << 20, r#"{"choices":["#)).await
        }
        Behaviour::ShortLength => {
            text(out, &sized("200 OK", "content-type: application/json\r\n", 12, r#"{"choices":[],"id":"x"}"#)).await
        }
        Behaviour::TwoLengths => text(out, &sized("200 OK", "content-length: 7\r\n", 2, "{}")).await,
        Behaviour::BadChunk => {
            text(out, STREAM_HEAD).await?;
            text(out, "zz\r\nnot a chunk\r\n").await
        }
        Behaviour::Redirect(status) => {
            let head =
                format!("HTTP/1.1 {status} Moved\r\nlocation: /ok/v1/chat/completions\r\ncontent-length: 0\r\n\r\n");
            text(out, &head).await
        }
        Behaviour::NotHttp => text(out, "220 mail.example ESMTP ready\r\n").await,
        Behaviour::Early => {
            text(out, &sized("413 Payload Too Large", "content-type: text/plain\r\n", 17, "Payload Too Large")).await
        }
        Behaviour::Empty => text(out, &sized("200 OK", "content-type: application/json\r\n", 0, "")).await,
    }
}

async fn text(out: &mut TcpStream, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes()).await
}

fn sized(status: &str, headers: &str, length: usize, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

async fn chunk(out: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let framed = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    out.write_all(&framed).await
}

async fn whole(out: &mut TcpStream, head: &str, body: &[u8]) -> io::Result<()> {
    text(out, head).await?;
    chunk(out, body).await?;
    text(out, LAST_CHUNK).await
}

/// The head and the first `count` bytes of the recorded stream.
async fn part(out: &mut TcpStream, count: usize) -> io::Result<()> {
    text(out, STREAM_HEAD).await?;
    match RECORDED.as_bytes().get(..count).unwrap_or(RECORDED.as_bytes()) {
        [] => Ok(()),
        bytes => chunk(out, bytes).await,
    }
}

async fn drip(out: &mut TcpStream, pace: u64) -> io::Result<()> {
    text(out, STREAM_HEAD).await?;
    for byte in RECORDED.bytes() {
        chunk(out, &[byte]).await?;
        tokio::time::sleep(Duration::from_millis(pace)).await;
    }
    text(out, LAST_CHUNK).await
}

/// The next close is a reset.
fn reset(out: &TcpStream) -> io::Result<()> {
    out.set_zero_linger()
}

/// Reads until the caller is gone.
async fn wait(out: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BLOCK];
    while out.read(&mut buffer).await? > 0 {}
    Ok(())
}

async fn endless(out: &mut TcpStream, what: Endless) -> io::Result<()> {
    let (start, again) = match what {
        Endless::Stream => (STREAM_HEAD, EVENT.repeat(BLOCK / EVENT.len())),
        Endless::Line => (STREAM_HEAD, "x".repeat(BLOCK)),
        Endless::Comments => (STREAM_HEAD, ": keep-alive\n\n".repeat(BLOCK / 14)),
        Endless::Body => (JSON_HEAD, " ".repeat(BLOCK)),
        Endless::Header => ("HTTP/1.1 200 OK\r\nx-endless: ", "x".repeat(BLOCK)),
        Endless::Informational => ("", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(BLOCK / 28)),
    };
    text(out, start).await?;
    if what == Endless::Line {
        chunk(out, b"data: ").await?;
    }
    loop {
        match what {
            Endless::Header | Endless::Informational => text(out, &again).await?,
            _ => chunk(out, again.as_bytes()).await?,
        }
    }
}

async fn header_flood(out: &mut TcpStream, count: usize) -> io::Result<()> {
    let headers = (0..count).fold(String::new(), |headers, number| headers + &format!("x-flood-{number}: 0\r\n"));
    text(out, &sized("200 OK", &headers, 2, "{}")).await
}

/// A JSON object of `size` bytes, almost all of them one text.
async fn body(out: &mut TcpStream, size: usize) -> io::Result<()> {
    let (start, end) = (r#"{"text":""#, r#""}"#);
    text(out, &sized("200 OK", "content-type: application/json\r\n", size.max(start.len() + end.len()), start)).await?;
    let mut rest = size.saturating_sub(start.len() + end.len());
    let block = vec![b'x'; BLOCK];
    while rest > 0 {
        let piece = block.get(..rest).unwrap_or(&block);
        out.write_all(piece).await?;
        rest -= piece.len();
    }
    text(out, end).await
}

/// About `size` bytes of one thing between a start and an end: much to hold for little text.
async fn repeated(out: &mut TcpStream, size: usize, start: &str, piece: &str, end: &str) -> io::Result<()> {
    text(out, JSON_HEAD).await?;
    chunk(out, start.as_bytes()).await?;
    let block = piece.repeat(BLOCK / piece.len());
    for _ in 0..size / block.len() {
        chunk(out, block.as_bytes()).await?;
    }
    chunk(out, end.as_bytes()).await?;
    text(out, LAST_CHUNK).await
}

/// Events that are nearly as large as one may be.
async fn large_events(out: &mut TcpStream, count: usize) -> io::Result<()> {
    const LARGE: usize = 7_000_000;
    let block = r"\u4f60".repeat(BLOCK / 6);
    text(out, STREAM_HEAD).await?;
    for _ in 0..count {
        chunk(out, br#"data: {"choices":[{"delta":{"content":""#).await?;
        for _ in 0..LARGE / block.len() {
            chunk(out, block.as_bytes()).await?;
        }
        chunk(out, b"\"}}]}\n\n").await?;
    }
    chunk(out, b"data: [DONE]\n\n").await?;
    text(out, LAST_CHUNK).await
}

/// Blanks in gzip; the stream is never finished, for nobody should get that far.
async fn explode(out: &mut TcpStream, size: u64) -> io::Result<()> {
    text(out, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    chunk(out, &bomb::start()).await?;
    let period = bomb::period();
    let together = BLOCK / period.len();
    let block = period.repeat(together);
    let grows = bomb::PERIOD_BYTES * u64::try_from(together).unwrap_or(1);
    for _ in 0..size.div_ceil(grows) {
        chunk(out, &block).await?;
    }
    text(out, LAST_CHUNK).await
}
