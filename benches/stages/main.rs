//! What each stage of a streamed chunk costs, in time: `cargo bench --bench stages`
//!
//! The stream is the answer in `answer.sse`, as an OpenAI-compatible upstream writes it. "Decode and convert" includes
//! decoding; "queue and hand over" is everything from a handler's piece of text to the host's bytes, encoding included,
//! with the writer and the host on the same thread. Signing is for each call, all else is for each event.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use higress_dify_plugin::gateway::auth::{Auth, HmacAlgorithm, HmacDialect, HmacScheme, Stamp, Unsigned};
use higress_dify_plugin::gateway::chat::{ChatChunk, surrogates::repair};
use higress_dify_plugin::gateway::sse::Framer;
use higress_dify_plugin::gateway::{Event, ReplyMeta};
use higress_dify_plugin::provider::llm::stream::{Output, StreamState, Wishes};
use higress_dify_plugin::provider::options::Guardrail;
use higress_dify_plugin::runtime::Context;
use higress_dify_plugin::runtime::output::Merging;
use higress_dify_plugin::runtime::protocol::outbound::TextFrame;
use higress_dify_plugin::runtime::transport::memory;
use http::{HeaderMap, HeaderValue, Method, header};
use std::hint::black_box;
use std::io::{Read, Write};

const ANSWER: &[u8] = include_bytes!("answer.sse");
/// As much as the HTTP client reads at a time at first.
const READ: usize = 16 * 1024;
/// About as much as the plugin writes at a time.
const WRITE: usize = 32 * 1024;
const MODEL: &str = "qwen-plus";
const SESSION: &str = "0f2c9c1e-6a0b-4a1c-9c83-9a0e3f5d7b21";
const WISHES: Wishes<'_> =
    Wishes { show_thinking: true, stop: &[], strip_code_block: false, structured: false, guardrail: Guardrail::Text };

fn stages(criterion: &mut Criterion) {
    let events = events();
    let pieces = pieces(&events);
    let mut group = criterion.benchmark_group("an event");
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("frame", |bench| bench.iter(|| self::events().len()));
    group.bench_function("decode", |bench| {
        bench.iter(|| {
            for event in &events {
                black_box(ChatChunk::decode(&repair(&event.data)).is_ok());
            }
        });
    });
    group.bench_function("decode and convert", |bench| bench.iter(|| self::pieces(&events).len()));
    group.throughput(Throughput::Elements(pieces.len() as u64));
    group.bench_function("encode", |bench| {
        let frame = TextFrame::new(SESSION, MODEL).expect("a short name");
        let mut batch = Vec::new();
        bench.iter(|| {
            batch.clear();
            for (index, piece) in (0..).zip(&pieces) {
                frame.write(&mut batch, index, piece);
            }
            batch.len()
        });
    });
    group.bench_function("queue and hand over", |bench| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        bench.iter(|| runtime.block_on(hand_over(&pieces)));
    });
    group.finish();
    write(criterion, &pieces);
    sign(criterion);
}

fn events() -> Vec<Event> {
    let mut framer = Framer::default();
    for bytes in ANSWER.chunks(READ) {
        framer.push(bytes).expect("short events");
    }
    std::iter::from_fn(|| framer.pop()).collect()
}

/// The text of each event that has some.
fn pieces(events: &[Event]) -> Vec<String> {
    let meta = ReplyMeta::default();
    let mut state = StreamState::new(&WISHES);
    let mut pieces = Vec::with_capacity(events.len());
    for event in events {
        let mut out = Vec::new();
        let data = repair(&event.data);
        state.event(event, &data, &meta, &mut out).expect("an answer");
        pieces.extend(out.into_iter().filter_map(|piece| match piece {
            Output::Text(text) => Some(text.into_owned()),
            Output::Image(_) => None,
        }));
    }
    pieces
}

/// Lines that the host got.
async fn hand_over(pieces: &[String]) -> usize {
    let (mut out, mut host) = memory::llm_output(&Context::new(SESSION, "invoke_llm"), MODEL, true).expect("a frame");
    out.set_merging(Merging::Off);
    for piece in pieces {
        out.text(piece).await.expect("room");
    }
    host.finish_output();
    let mut lines = 0;
    while host.line().await.is_some() {
        lines += 1;
    }
    lines
}

/// Batches of lines into a pipe that somebody empties.
fn write(criterion: &mut Criterion, pieces: &[String]) {
    let frame = TextFrame::new(SESSION, MODEL).expect("a short name");
    let mut batch = Vec::new();
    let mut lines = 0;
    while batch.len() < WRITE {
        frame.write(&mut batch, lines, &pieces[usize::try_from(lines).unwrap_or(0) % pieces.len()]);
        lines += 1;
    }
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let reading = std::thread::spawn(move || {
        let mut block = vec![0; 2 * WRITE];
        while let Ok(1..) = reader.read(&mut block) {}
    });
    let mut group = criterion.benchmark_group("an event");
    group.throughput(Throughput::Elements(lines));
    group.bench_function("write", |bench| bench.iter(|| writer.write_all(&batch).expect("a reader")));
    group.finish();
    drop(writer);
    reading.join().expect("no panic");
}

fn sign(criterion: &mut Criterion) {
    let scheme =
        |dialect| HmacScheme { dialect, algorithm: HmacAlgorithm::Sha256, body_digest: true, replay_nonce: false };
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("gateway.example.com"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = vec![b'x'; 4 * 1024];
    let request = Unsigned { method: &Method::POST, target: "/v1/chat/completions", headers: &headers, body: &body };
    for (name, dialect) in [("sign, hmac-auth", HmacDialect::XCa), ("sign, hmac-auth-apisix", HmacDialect::Apisix)] {
        let auth = Auth::Hmac { access_key: "key".into(), secret: "secret".into(), scheme: scheme(dialect) };
        criterion.bench_function(name, |bench| {
            bench.iter(|| auth.sign(request, &[], &Stamp::now()).expect("a signature"));
        });
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
