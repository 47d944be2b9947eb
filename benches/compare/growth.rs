//! How cost grows: a chunk's with the length of a stream, a stream's with the number of streams.

use crate::gateway::Gateway;
use crate::process::{Plugin, Program};
use crate::scenario::{as_f64, micros, plugin_account};
use crate::table::show;
use crate::work::{Load, Work};
use std::fmt::Write;

/// Chunks of each of ten streams.
const LENGTHS: [usize; 4] = [100, 1_000, 10_000, 50_000];
/// Streams of a hundred chunks.
const NUMBERS: [usize; 5] = [1, 10, 100, 1_000, 5_000];
/// Enough chunks for a clock that ticks in hundredths of a second.
const ENOUGH: usize = 400_000;
/// Held open at the same time, each for ten seconds.
const HELD: [usize; 4] = [100, 1_000, 2_500, 5_000];

/// One curve.
pub(crate) struct Curve {
    pub title: &'static str,
    pub across: &'static str,
    pub unit: &'static str,
    pub points: Vec<(usize, f64)>,
}

pub(crate) fn measure(program: &Program, gateway: &Gateway) -> [Curve; 3] {
    let account = plugin_account(gateway, Some(-1));
    let cost = |streams: usize, chunks: usize| {
        eprintln!("growth: {streams} streams of {chunks} chunks");
        let mut plugin = Plugin::start(program);
        plugin.run_whole(&Work::chats(&account, 4, Load::Flood(10)));
        let work = Work::chats(&account, streams, Load::Flood(chunks));
        let times = (ENOUGH / (streams * chunks)).max(1);
        let before = plugin.cpu();
        for _ in 0..times {
            plugin.run_whole(&work);
        }
        micros(&plugin, before) / as_f64(times * streams)
    };
    let held = |streams: usize| {
        eprintln!("growth: {streams} streams at the same time");
        let mut plugin = Plugin::start(program);
        plugin.run_whole(&Work::chats(&account, 4, Load::Flood(10)));
        plugin.run_whole(&Work::chats(&account, streams, Load::Paced(20, 500)));
        plugin.memory("VmHWM")
    };
    [
        Curve {
            title: "CPU per chunk, by length",
            across: "chunks of each of 10 streams",
            unit: "µs",
            points: LENGTHS.map(|chunks| (chunks, cost(10, chunks) / as_f64(chunks))).to_vec(),
        },
        Curve {
            title: "CPU per stream, by number",
            across: "streams of 100 chunks at a time",
            unit: "µs",
            points: NUMBERS.map(|streams| (streams, cost(streams, 100))).to_vec(),
        },
        Curve {
            title: "Peak memory, by number",
            across: "streams held open at the same time",
            unit: "MiB",
            points: HELD.map(|streams| (streams, held(streams))).to_vec(),
        },
    ]
}

pub(crate) fn as_text(curves: &[Curve]) -> String {
    let mut text = String::new();
    for curve in curves {
        let heads: String = curve.points.iter().fold(String::new(), |heads, (at, _)| heads + &format!(" {at} |"));
        let rule = "--:|".repeat(curve.points.len());
        let figures: String =
            curve.points.iter().fold(String::new(), |row, (_, y)| row + &format!(" {} |", show(Some(*y), curve.unit)));
        let _ = writeln!(text, "| {} |{heads}\n|---|{rule}\n| {} |{figures}\n", curve.across, curve.title);
    }
    text
}
