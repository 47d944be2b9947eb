//! What was seen, as one table, and which promise it breaks.

use crate::Options;
use crate::driver::Figures;
use std::fmt::Write;
use std::time::Duration;

/// The part of the looks that is left out: caches and pools fill.
const WARM_UP: f64 = 0.25;
/// How much the later half's median may exceed the earlier one's: an allocator keeps what a burst needed.
const MEMORY_GROWTH: f64 = 8.0;
const FILES_GROWTH: f64 = 20.0;
/// Bounds that the documentation states, in MiB and seconds.
const PEAK: f64 = 256.0;
const SILENCE: Duration = Duration::from_secs(15);
/// A slow host needs longer to be sure that it says nothing.
const NOTICED: Duration = Duration::from_secs(30);

/// The table.
pub(crate) fn table(options: &Options, seen: &Figures) -> String {
    let (memory, files) = (halves(&seen.memory), halves(&seen.files));
    let sessions = seen.right.values().sum::<u64>();
    let mut text = String::from("| figure | value | bound |\n|---|---|---|\n");
    let mut row = |name: &str, value: String, bound: String| {
        let _ = writeln!(text, "| {name} | {value} | {bound} |");
    };
    row("time, calls at once", format!("{:.1} min, {}", options.time.as_secs_f64() / 60.0, options.users), "–".into());
    row("sessions, of that many kinds", format!("{}, {}", seen.sessions, seen.right.len()), "–".into());
    row("sessions that ended once and as they should", sessions.to_string(), seen.sessions.to_string());
    row("lines for a session that had ended", seen.unknown_lines.to_string(), "0".into());
    row("chunks", seen.pieces.to_string(), "–".into());
    row(
        "heartbeats; longest silence between two",
        format!("{}; {:.1} s", seen.heartbeats, seen.silence.as_secs_f64()),
        "15 s".into(),
    );
    row(
        "abandoned calls given up; after at most",
        format!("{}; {:.1} s", seen.abandoned, seen.noticed.as_secs_f64()),
        "30 s".into(),
    );
    row(
        "memory: median of the earlier and later half",
        format!("{:.1} and {:.1} MiB", memory.0, memory.1),
        format!("+{MEMORY_GROWTH:.0} MiB"),
    );
    row("memory: median of each tenth of the time, MiB", tenths(&seen.memory), "–".into());
    row("memory: peak", format!("{:.1} MiB", seen.peak), format!("{PEAK:.0} MiB"));
    row(
        "open files: median of the earlier and later half",
        format!("{:.0} and {:.0}", files.0, files.1),
        format!("+{FILES_GROWTH:.0}"),
    );
    row("calls left at the gateway behind the last session", seen.upstream_left.to_string(), "0".into());
    row("panics", seen.panics.to_string(), "0".into());
    row("exit behind SIGTERM with 20 streams running", format!("{:?}", seen.exit), "Some(0)".into());
    text
}

/// The promises that did not hold.
pub(crate) fn broken(seen: &Figures) -> Vec<String> {
    let (memory, files) = (halves(&seen.memory), halves(&seen.files));
    let mut broken: Vec<String> = seen.wrong.iter().take(20).cloned().collect();
    let mut promise = |holds: bool, what: &str| {
        if !holds {
            broken.push(what.to_owned());
        }
    };
    promise(seen.wrong.is_empty(), "every call comes to what it should");
    promise(seen.unknown_lines == 0, "a session ends once, and nothing follows");
    promise(seen.heartbeats > 1 && seen.silence <= SILENCE, "no heartbeat is late");
    promise(seen.noticed <= NOTICED, "an abandoned call is given up");
    promise(memory.1 <= memory.0 + MEMORY_GROWTH, "memory is flat");
    promise(seen.peak <= PEAK, "memory is bounded");
    promise(files.1 <= files.0 + FILES_GROWTH, "open files are flat");
    promise(seen.upstream_left == 0, "no call is left behind");
    promise(seen.panics == 0, "nothing panics");
    promise(seen.exit == Some(0), "SIGTERM ends the process in order");
    broken
}

/// The medians of the earlier and the later half, without the warm-up.
fn halves(figures: &[f64]) -> (f64, f64) {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a short list"
    )]
    let from = (figures.len() as f64 * WARM_UP) as usize;
    let warm = &figures[from..];
    let (early, late) = warm.split_at(warm.len() / 2);
    (median(early), median(late))
}

/// The course of a figure, in ten medians.
fn tenths(figures: &[f64]) -> String {
    let tenths = figures.chunks(figures.len().div_ceil(10).max(1));
    tenths.map(|tenth| format!("{:.0}", median(tenth))).collect::<Vec<_>>().join(" ")
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
