//! What is measured: each side does the same work at the same gateway.

use crate::gateway::Gateway;
use crate::picture::Point;
use crate::process::{Plugin, Session};
use crate::table::{Table, percentile};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) struct Side {
    pub name: &'static str,
    pub command: Vec<String>,
    pub folder: PathBuf,
    pub sdk: bool,
}

pub(crate) struct Scenario<'a> {
    pub side: &'a Side,
    pub gateway: &'a Gateway,
    pub table: &'a mut Table,
}

impl Scenario<'_> {
    pub(crate) fn run_all(&mut self) {
        self.start_and_idle();
        self.flooded("CPU per chunk, 32 flooded streams, merging off", Some(-1));
        if !self.side.sdk {
            self.flooded("CPU per chunk, 32 flooded streams, merging on", Some(0));
            self.flooded("CPU per chunk, 32 flooded streams, window 20 ms", Some(20));
        }
        for streams in [1, 32, 200] {
            self.first_chunk(streams, "flooded", "flood-200");
        }
        self.paced(200);
        self.paced(1_000);
        self.embedding();
        self.connections();
    }

    fn plugin(&self) -> Plugin {
        Plugin::start(&self.side.command, &self.side.folder)
    }

    fn start_and_idle(&mut self) {
        let plugin = self.plugin();
        self.table.add("start to first heartbeat", "ms", self.side.name, plugin.start.as_secs_f64() * 1e3);
        self.table.add("idle memory", "MiB", self.side.name, plugin.memory("VmRSS"));
    }

    fn flooded(&mut self, row: &str, merge_window_ms: Option<i64>) {
        let (streams, chunks) = (32, 1_000);
        let mut plugin = self.plugin();
        let sessions = plugin.run(&self.chats(8, "flood-100", merge_window_ms), DEADLINE); // warm up
        whole(&sessions);
        let before = plugin.cpu();
        let sessions = plugin.run(&self.chats(streams, "flood-1000", merge_window_ms), DEADLINE);
        whole(&sessions);
        self.table.add(row, "µs", self.side.name, per_chunk(&plugin, before, streams * chunks));
        let left: u64 = sessions.values().map(|session| session.chunks).sum();
        if !self.side.sdk {
            self.table.add(&row.replace("CPU per chunk", "chunks to the host"), "", self.side.name, as_f64(left));
        }
    }

    fn first_chunk(&mut self, streams: usize, load: &str, model: &str) {
        let mut plugin = self.plugin();
        whole(&plugin.run(&self.chats(1, "flood-10", None), DEADLINE));
        let sessions = plugin.run(&self.chats(streams, model, None), DEADLINE);
        whole(&sessions);
        self.first_chunk_rows(&sessions, &format!("{streams} {load} streams"));
    }

    fn first_chunk_rows(&mut self, sessions: &HashMap<String, Session>, load: &str) {
        let mut first: Vec<f64> = sessions
            .values()
            .filter_map(|session| session.first_chunk)
            .map(|first| first.as_secs_f64() * 1e3)
            .collect();
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            self.table.add(&format!("first chunk {name}, {load}"), "ms", self.side.name, percentile(&mut first, share));
        }
    }

    fn paced(&mut self, streams: usize) {
        let chunks = 100;
        let mut plugin = self.plugin();
        whole(&plugin.run(&self.chats(1, "flood-10", None), DEADLINE));
        let before = plugin.cpu();
        let sessions = plugin.run(&self.chats(streams, "pace-20ms-100", None), DEADLINE);
        whole(&sessions);
        let load = format!("{streams} streams paced at 20 ms");
        self.table.add(
            &format!("CPU per chunk, {load}"),
            "µs",
            self.side.name,
            per_chunk(&plugin, before, streams * chunks),
        );
        self.first_chunk_rows(&sessions, &load);
        self.table.add(&format!("peak memory, {load}"), "MiB", self.side.name, plugin.memory("VmHWM"));
    }

    fn embedding(&mut self) {
        let texts: Vec<String> = (0..2_000).map(|n| format!("text number {n} of two thousand")).collect();
        let mut plugin = self.plugin();
        // Dify sends as many texts a call as the model's schema announces: the SDK's base class 1, the plugin 10.
        let batch = if self.side.sdk { 1 } else { 10 };
        let requests: Vec<_> = texts.chunks(batch).enumerate().map(|(n, texts)| self.embed(n, texts)).collect();
        let begun = std::time::Instant::now();
        whole(&plugin.run_windowed(&requests, 1, DEADLINE));
        self.table.add(
            "2,000 texts embedded, one call at a time",
            "ms",
            self.side.name,
            begun.elapsed().as_secs_f64() * 1e3,
        );
    }

    fn connections(&mut self) {
        let mut plugin = self.plugin();
        let before = self.gateway.connections();
        whole(&plugin.run_windowed(&self.chats(400, "flood-10", None), 32, DEADLINE));
        let opened = self.gateway.connections() - before;
        self.table.add("connections for 400 requests, 32 in flight", "", self.side.name, as_f64(opened));
    }

    fn chats(&self, streams: usize, model: &str, merge_window_ms: Option<i64>) -> Vec<(String, String)> {
        chats(self.side, self.gateway, streams, model, merge_window_ms)
    }

    fn embed(&self, number: usize, texts: &[String]) -> (String, String) {
        let data = json!({"type": "model", "action": "invoke_text_embedding", "user_id": "u", "provider": provider(self.side),
            "model_type": "text-embedding", "model": "embedding", "texts": texts, "input_type": "document",
            "credentials": credentials(self.side, self.gateway, None)});
        request(format!("embed-{number}"), &data)
    }
}

/// The cost of a chunk at many streams and at long ones.
pub(crate) fn curve(side: &Side, gateway: &Gateway) -> Vec<Point> {
    [(1, 10_000), (10, 1_000), (10, 10_000), (100, 1_000), (1_000, 100), (5_000, 20)]
        .into_iter()
        .map(|(streams, chunks)| {
            let mut plugin = Plugin::start(&side.command, &side.folder);
            whole(&plugin.run(&chats(side, gateway, 1, "flood-10", Some(-1)), DEADLINE));
            let before = plugin.cpu();
            whole(&plugin.run(&chats(side, gateway, streams, &format!("flood-{chunks}"), Some(-1)), DEADLINE));
            Point { streams, chunks, micros: per_chunk(&plugin, before, streams * chunks) }
        })
        .collect()
}

fn chats(
    side: &Side,
    gateway: &Gateway,
    streams: usize,
    model: &str,
    merge_window_ms: Option<i64>,
) -> Vec<(String, String)> {
    let data = json!({"type": "model", "action": "invoke_llm", "user_id": "u", "provider": provider(side), "model_type": "llm",
        "model": model, "model_parameters": {}, "stop": [], "tools": [], "stream": true,
        "prompt_messages": [{"role": "user", "content": "hi", "name": "", "tool_calls": [], "tool_call_id": ""}],
        "credentials": credentials(side, gateway, merge_window_ms)});
    (0..streams).map(|number| request(format!("{model}-{number}"), &data)).collect()
}

fn provider(side: &Side) -> &'static str {
    if side.sdk { "bench" } else { "higress" }
}

/// Both sides call the open route, so that neither pays for a signature.
fn credentials(side: &Side, gateway: &Gateway, merge_window_ms: Option<i64>) -> Value {
    if side.sdk {
        return json!({"endpoint_url": format!("{}/v1", gateway.open_route), "mode": "chat"});
    }
    let mut values = json!({"endpoint_url": gateway.open_route, "consumer_auth_mode": "disabled",
        "llm_usage_scenario": "text_generation", "text_model_protocol": "openai_compatible"});
    if let Some(window) = merge_window_ms {
        values["advanced_options"] = json!(format!("{{\"merge_window_ms\":{window}}}"));
    }
    values
}

fn request(session: String, data: &Value) -> (String, String) {
    let line = json!({"session_id": session, "conversation_id": null, "message_id": null, "app_id": null,
        "endpoint_id": null, "context": null, "event": "request", "data": data});
    (session, line.to_string())
}

fn whole(sessions: &HashMap<String, Session>) {
    for (id, session) in sessions {
        assert!(session.error.is_none() && session.chunks > 0, "{id} is not whole: {:?}", session.error);
    }
}

fn per_chunk(plugin: &Plugin, before: Duration, chunks: usize) -> f64 {
    plugin.cpu().checked_sub(before).unwrap().as_secs_f64() * 1e6 / as_f64(chunks as u64)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
