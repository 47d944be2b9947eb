//! The plugin against a plugin on the Python SDK: the same gateway, the same driver, in turn, in one run; then what
//! merging saves, how far the plugin is from copying bytes, and how its cost grows.
//!
//! `cargo bench --bench compare` builds the program as it is shipped (`.ci/build-binaries`), makes a virtual environment
//! with `dify_plugin` under `target/`, starts the built-in gateway on loopback and prints tables of medians. The gateway
//! and this driver are processes of their own, and processor time is read from `/proc` for the plugin's process alone.
//!
//! After `--`: `--write` puts tables and picture into `docs/`; `--rounds N` sets how often the sides take turns (3);
//! `--program FILE` measures another program than the shipped one; `--only against|merging|floor|growth` leaves
//! the other parts out; `--alone` leaves the SDK out.
//!
//! Needs Linux, and for the SDK's side Python 3.12 (in PYTHON, in the path or from pyenv).

mod document;
mod floor;
mod gateway;
mod growth;
mod heard;
mod merging;
mod picture;
mod process;
mod scenario;
mod setup;
mod table;
mod work;

use gateway::Gateway;
use scenario::Contestant;
use std::path::Path;
use std::time::Instant;
use table::{Side, Table};

fn main() {
    if let Some(arguments) = floor::arguments() {
        return floor::copy(&arguments);
    }
    let options = Options::read();
    let begun = Instant::now();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = env!("CARGO_BIN_EXE_higress-dify-plugin");
    let setup = setup::Setup::new(root, &options);
    let gateway = Gateway::start(built);
    let mut report = document::Report::default();
    if options.wants("against") {
        report.add("against", against(&setup, &gateway, &options));
    }
    if options.wants("merging") {
        report.add("merging", merging::measure(&setup.plugin, &gateway));
    }
    if options.wants("floor") {
        report.add("floor", floor::measure(&setup.plugin, &setup::glibc(root, built), &gateway));
    }
    if options.wants("growth") {
        let curves = growth::measure(&setup.plugin, &gateway);
        report.add("growth", growth::as_text(&curves));
        if options.write {
            let file = root.join("docs/images/growth.svg");
            std::fs::write(&file, picture::as_svg(&curves)).expect("docs/images is writable");
        }
    }
    if options.write {
        report.write(&root.join("docs/PERFORMANCE.md"));
    }
    eprintln!("took {} s", begun.elapsed().as_secs());
}

/// The table of both sides, with what it was measured on.
fn against(setup: &setup::Setup, gateway: &Gateway, options: &Options) -> String {
    let mut table = Table::default();
    for round in 1..=options.rounds {
        if let Some(program) = &setup.launcher {
            for _ in 0..3 {
                Contestant { side: Side::Plugin, program, gateway }.launched(&mut table);
            }
        }
        let sides = [(Side::Plugin, Some(&setup.plugin)), (Side::Sdk, setup.sdk.as_ref())];
        for (side, program) in sides {
            let Some(program) = program else { continue };
            eprintln!("round {round} of {}: {side:?}", options.rounds);
            Contestant { side, program, gateway }.run_all(&mut table);
        }
    }
    let (text, missed) = table.render();
    let judged = if missed == 0 { "Every target is met.".to_owned() } else { format!("Targets missed: {missed}.") };
    format!("{text}\n{judged} {} Medians of {} rounds in turn.\n", setup.machine(), options.rounds)
}

pub(crate) struct Options {
    rounds: usize,
    alone: bool,
    write: bool,
    only: Option<String>,
    program: Option<String>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { rounds: 3, alone: false, write: false, only: None, program: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rounds" => options.rounds = arguments.next().and_then(|n| n.parse().ok()).expect("--rounds N"),
                "--alone" => options.alone = true,
                "--write" => options.write = true,
                "--only" => options.only = Some(arguments.next().expect("--only PART")),
                "--program" => options.program = Some(arguments.next().expect("--program FILE")),
                "--bench" => {} // what cargo bench adds
                other => panic!("unknown argument {other}"),
            }
        }
        options
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }
}
