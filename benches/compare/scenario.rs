//! What is measured: each side does the same work at the same gateway.

use crate::gateway::Gateway;
use crate::heard::Session;
use crate::process::{Plugin, Program};
use crate::table::{Row, Side, Table, Target, percentile};
use crate::work::{Account, Load, Work};
use serde_json::json;
use std::time::{Duration, Instant};

const IDLE: &str = "idle memory";
const START: Row = row("start to first heartbeat", "ms", Target::Fraction(80.0));
const LAUNCHED: Row = row("start to first heartbeat, through the launcher", "ms", Target::Fraction(20.0));
const IDLE_ROW: Row = row(IDLE, "MiB", Target::Fraction(10.0));
const FLOODED: Row = row("CPU per chunk, 32 flooded streams, merging off", "µs", Target::Fraction(40.0));
const FLOODED_PEAK: Row = row("peak memory, the same 32 streams", "MiB", Target::None);
const PACED: Row = row("CPU per chunk, 200 streams paced at 20 ms", "µs", Target::Fraction(12.0));
/// Streams, and the rows of the median and the 99th percentile.
const FIRST_CHUNK: [(usize, Row, Row); 4] = [
    (
        1,
        row("first chunk, 1 flooded stream, p50", "ms", Target::None),
        row("first chunk, 1 flooded stream, p99", "ms", Target::None),
    ),
    (
        32,
        row("first chunk, 32 flooded streams, p50", "ms", Target::None),
        row("first chunk, 32 flooded streams, p99", "ms", Target::None),
    ),
    (
        200,
        row("first chunk, 200 flooded streams, p50", "ms", Target::None),
        row("first chunk, 200 flooded streams, p99", "ms", Target::Fraction(30.0)),
    ),
    (
        1000,
        row("first chunk, 1,000 flooded streams, p50", "ms", Target::None),
        row("first chunk, 1,000 flooded streams, p99", "ms", Target::None),
    ),
];
const PACED_FIRST: [Row; 2] = [
    row("first chunk, 200 streams paced at 20 ms, p50", "ms", Target::None),
    row("first chunk, 200 streams paced at 20 ms, p99", "ms", Target::None),
];
const THOUSAND: Row = row("of 1,000 streams paced at 20 ms, whole", "", Target::AtLeast(1_000.0));
const THOUSAND_PEAK: Row = row("peak memory, the same 1,000 streams", "MiB", Target::Below(IDLE));
const EMBEDDING: Row =
    row("2,000 texts embedded, ten a call, one call at a time; SDK without its vocabulary", "ms", Target::None);
const EMBEDDING_CPU: Row = row("CPU for the 2,000 texts", "ms", Target::None);
const CONNECTIONS: Row = row("connections for 400 requests, 32 in flight", "", Target::AtMost(40.0));

const fn row(name: &'static str, unit: &'static str, target: Target) -> Row {
    Row { name, unit, target }
}

/// One side, ready to be started as often as needed.
pub(crate) struct Contestant<'a> {
    pub side: Side,
    pub program: &'a Program,
    pub gateway: &'a Gateway,
}

impl Contestant<'_> {
    /// All rows once.
    pub(crate) fn run_all(&self, table: &mut Table) {
        self.start_and_idle(table);
        self.flooded(table);
        self.first_chunks(table);
        self.paced(table);
        self.thousand(table);
        self.embedding(table);
        self.connections(table);
    }

    /// The start through the launcher, whose rival is the SDK's only start.
    pub(crate) fn launched(&self, table: &mut Table) {
        table.add(LAUNCHED, self.side, self.plugin().start.as_secs_f64() * 1e3);
    }

    fn plugin(&self) -> Plugin {
        Plugin::start(self.program)
    }

    /// A plugin that has served a call, so that what is measured next is not its first.
    fn warm(&self, account: &Account) -> Plugin {
        let mut plugin = self.plugin();
        plugin.run_whole(&Work::chats(account, 4, Load::Flood(10)));
        plugin
    }

    fn start_and_idle(&self, table: &mut Table) {
        for _ in 0..3 {
            let plugin = self.plugin();
            table.add(START, self.side, plugin.start.as_secs_f64() * 1e3);
            if self.side == Side::Sdk {
                table.add(LAUNCHED, self.side, plugin.start.as_secs_f64() * 1e3);
            }
            table.add(IDLE_ROW, self.side, plugin.memory("VmRSS"));
        }
    }

    fn flooded(&self, table: &mut Table) {
        let account = self.account(Some(-1));
        let mut plugin = self.warm(&account);
        let work = Work::chats(&account, 32, Load::Flood(1_000));
        // The clock of a process ticks in hundredths of a second: the faster side does the same work several times.
        let times = if self.side == Side::Sdk { 1 } else { 20 };
        let before = plugin.cpu();
        for _ in 0..times {
            plugin.run_whole(&work);
        }
        table.add(FLOODED, self.side, micros(&plugin, before) / as_f64(times * 32 * 1_000));
        table.add(FLOODED_PEAK, self.side, plugin.memory("VmHWM"));
    }

    fn first_chunks(&self, table: &mut Table) {
        let account = self.account(None);
        for (streams, p50, p99) in FIRST_CHUNK {
            let mut plugin = self.warm(&account);
            let sessions = if streams == 1 {
                plugin.run_windowed(&Work::chats(&account, 50, Load::Flood(100)), 1)
            } else {
                plugin.run_whole(&Work::chats(&account, streams, Load::Flood(100)))
            };
            self.first_chunk(&sessions, p50, p99, table);
        }
    }

    fn first_chunk(&self, sessions: &[Session], p50: Row, p99: Row, table: &mut Table) {
        let first: Vec<f64> =
            sessions.iter().filter_map(|session| session.first_chunk).map(|first| first.as_secs_f64() * 1e3).collect();
        table.add(p50, self.side, percentile(&first, 0.5));
        table.add(p99, self.side, percentile(&first, 0.99));
    }

    fn paced(&self, table: &mut Table) {
        let account = self.account(None);
        let mut plugin = self.warm(&account);
        let before = plugin.cpu();
        let sessions = plugin.run_whole(&Work::chats(&account, 200, Load::Paced(150, 20)));
        table.add(PACED, self.side, micros(&plugin, before) / as_f64(200 * 150));
        self.first_chunk(&sessions, PACED_FIRST[0], PACED_FIRST[1], table);
    }

    fn thousand(&self, table: &mut Table) {
        let account = self.account(None);
        let mut plugin = self.warm(&account);
        let work = Work::chats(&account, 1_000, Load::Paced(100, 20));
        let sessions = plugin.run(&work, work.requests());
        let whole = sessions.iter().filter(|session| session.is_whole()).count();
        table.add(THOUSAND, self.side, as_f64(whole));
        table.add(THOUSAND_PEAK, self.side, plugin.memory("VmHWM"));
    }

    fn embedding(&self, table: &mut Table) {
        let account = self.account(None);
        let mut plugin = self.warm(&account);
        let before = plugin.cpu();
        let begun = Instant::now();
        plugin.run_windowed(&Work::embeddings(&account, 2_000, 10), 1);
        table.add(EMBEDDING, self.side, begun.elapsed().as_secs_f64() * 1e3);
        table.add(EMBEDDING_CPU, self.side, micros(&plugin, before) / 1e3);
    }

    fn connections(&self, table: &mut Table) {
        let mut plugin = self.plugin();
        let before = self.gateway.connections();
        plugin.run_windowed(&Work::chats(&self.account(None), 400, Load::Flood(10)), 32);
        let opened = self.gateway.connections() - before - 1; // the second question's own
        table.add(CONNECTIONS, self.side, as_f64(usize::try_from(opened).expect("a small number")));
    }

    fn account(&self, merge_window_ms: Option<i64>) -> Account {
        match self.side {
            Side::Plugin => plugin_account(self.gateway, merge_window_ms),
            Side::Sdk => Account {
                provider: "bench",
                credentials: json!({"endpoint_url": format!("{}/v1", self.gateway.open_route()), "mode": "chat",
                    "max_chunks": "10"}),
            },
        }
    }
}

/// The plugin on the open route.
pub(crate) fn plugin_account(gateway: &Gateway, merge_window_ms: Option<i64>) -> Account {
    let mut credentials = json!({"endpoint_url": gateway.open_route(), "consumer_auth_mode": "disabled",
        "llm_usage_scenario": "text_generation", "text_model_protocol": "openai_compatible"});
    if let Some(window) = merge_window_ms {
        credentials["advanced_options"] = json!(format!("{{\"merge_window_ms\":{window}}}"));
    }
    Account { provider: "higress", credentials }
}

/// Processor time since `before` in microseconds.
pub(crate) fn micros(plugin: &Plugin, before: Duration) -> f64 {
    plugin.cpu().saturating_sub(before).as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn as_f64(count: usize) -> f64 {
    count as f64
}
