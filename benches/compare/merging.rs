//! What merging saves: chunks to the host and processor time, for each `merge_window_ms`.

use crate::gateway::Gateway;
use crate::process::{Plugin, Program, Reader};
use crate::scenario::{as_f64, micros, plugin_account};
use crate::table::show;
use crate::work::{Load, Work};
use std::fmt::Write;
use std::time::Duration;

const WINDOWS: [i64; 4] = [-1, 0, 20, 100];
/// A host that takes 1.6 MB/s: less than the streams bring.
const SLOW: Reader = Reader::Slow(16 * 1024, Duration::from_millis(10));
const LOADS: [(&str, usize, Load, Reader, usize); 3] = [
    ("32 flooded streams, 1,000 deltas each", 32, Load::Flood(1_000), Reader::AtOnce, 10),
    ("the same, a host that reads 1.6 MB/s", 32, Load::Flood(1_000), SLOW, 1),
    ("200 streams paced at 20 ms, 150 deltas each", 200, Load::Paced(150, 20), Reader::AtOnce, 1),
];

pub(crate) fn measure(plugin: &Program, gateway: &Gateway) -> String {
    let mut text = String::from(
        "| load | `merge_window_ms` | chunks to the host, of 100 deltas | CPU in the plugin per delta |\n|---|--:|--:|--:|\n",
    );
    for (name, streams, load, reader, times) in LOADS {
        for window in WINDOWS {
            eprintln!("merging: {name}, {window} ms");
            let account = plugin_account(gateway, Some(window));
            let mut plugin = Plugin::start_with(plugin, reader);
            plugin.run_whole(&Work::chats(&account, 4, Load::Flood(10)));
            let work = Work::chats(&account, streams, load);
            let before = plugin.cpu();
            let mut chunks = 0;
            for _ in 0..times {
                chunks += plugin.run_whole(&work).iter().map(|session| session.chunks).sum::<usize>();
            }
            let deltas = as_f64(times * streams * load.chunks());
            let left = show(Some(100.0 * as_f64(chunks) / deltas), "%").replace(" %", "");
            let cpu = show(Some(micros(&plugin, before) / deltas), "µs");
            let _ = writeln!(text, "| {name} | {window} | {left} | {cpu} |");
        }
    }
    text
}
