//! How long 2,000 texts take through the plugin, in batches side by side and one by one:
//! `cargo bench --bench embedding`
//!
//! The gateway is one on loopback that answers each request 50 ms after it came. The plugin is the program itself, on
//! pipes, asked as Dify asks: in batches of `max_chunks` texts, one call after the other or several at once; and in a
//! single call with all the texts. `BENCH_TEXTS` and `BENCH_LATENCY_MS` change the figures.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// Vectors of 2,000 texts that are much longer do not fit into one message to Dify.
const DIMENSIONS: usize = 128;

/// A way to send the texts.
struct Way {
    name: &'static str,
    /// The plugin's setting, and the most texts of a request.
    max_chunks: usize,
    /// Texts in one call of the plugin.
    per_call: usize,
    /// Calls at a time.
    calls: usize,
}

const fn ways(texts: usize) -> [Way; 4] {
    [
        Way { name: "one by one: a text per call, a call at a time", max_chunks: 1, per_call: 1, calls: 1 },
        Way { name: "a batch of 10 per call, a call at a time", max_chunks: 10, per_call: 10, calls: 1 },
        Way { name: "a batch of 10 per call, 10 calls at a time", max_chunks: 10, per_call: 10, calls: 10 },
        Way { name: "all texts in one call", max_chunks: 10, per_call: texts, calls: 1 },
    ]
}

fn main() {
    let texts = setting("BENCH_TEXTS", 2000);
    let latency = Duration::from_millis(setting("BENCH_LATENCY_MS", 50));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let url = runtime.block_on(gateway(latency));
    println!("{texts} texts, {} ms of latency, {DIMENSIONS} dimensions, 4 requests at a time\n", latency.as_millis());
    println!("| texts are sent | seconds | texts per second | against one by one |\n|---|---|---|---|");
    let mut one_by_one = None;
    for way in ways(usize::try_from(texts).expect("a count")) {
        let seconds = measure(&way, usize::try_from(texts).expect("a count"), &url).as_secs_f64();
        let first = *one_by_one.get_or_insert(seconds);
        let rate = f64::from(u32::try_from(texts).expect("a count")) / seconds;
        println!("| {} | {seconds:.2} | {rate:.0} | {:.1} × |", way.name, first / seconds);
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// A gateway that needs a while, whatever it is asked.
async fn gateway(latency: Duration) -> String {
    let app = Router::new().route("/v1/embeddings", post(answer)).with_state(latency);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn answer(State(latency): State<Duration>, body: Bytes) -> String {
    tokio::time::sleep(latency).await;
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    let texts = request["input"].as_array().expect("a list of texts");
    let vector = vec![0.012_345_678; DIMENSIONS];
    let data: Vec<Value> = (0..texts.len()).map(|index| json!({"index": index, "embedding": vector})).collect();
    json!({"data": data, "usage": {"total_tokens": texts.len()}}).to_string()
}

fn measure(way: &Way, texts: usize, url: &str) -> Duration {
    let mut requests = (0..texts).step_by(way.per_call).map(|first| {
        let last = (first + way.per_call).min(texts);
        let texts: Vec<String> = (first..last).map(|number| format!("text number {number}")).collect();
        request(&format!("call-{first}"), &texts, way.max_chunks, url)
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_higress-dify-plugin"))
        .env("INSTALL_METHOD", "local")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the plugin starts");
    let mut input = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.next().expect("output").expect("a line").contains("heartbeat"));
    let mut send = |request: Option<String>| {
        request.is_some_and(|request| writeln!(input, "{request}").is_ok() && input.flush().is_ok())
    };
    let started = Instant::now();
    let mut under_way = (0..way.calls).filter(|_| send(requests.next())).count();
    while under_way > 0 {
        let line = lines.next().expect("more output").expect("a line");
        assert!(!line.contains(r#""type":"error""#), "{}: {line}", way.name);
        if line.contains(r#""type":"end""#) && !send(requests.next()) {
            under_way -= 1;
        }
    }
    let took = started.elapsed();
    drop(input);
    child.wait().expect("the plugin ends with its input");
    took
}

fn request(session: &str, texts: &[String], max_chunks: usize, url: &str) -> String {
    let credentials = json!({
        "endpoint_url": url, "consumer_auth_mode": "disabled", "embedding_model_protocol": "openai_compatible",
        "max_chunks": max_chunks.to_string(),
    });
    json!({
        "session_id": session, "event": "request",
        "data": {
            "type": "model", "action": "invoke_text_embedding", "model_type": "text-embedding", "model": "bench",
            "provider": "higress", "user_id": "u", "credentials": credentials, "texts": texts, "input_type": "document",
        },
    })
    .to_string()
}
