//! The plugin against a plugin on the Python SDK: the same gateway, the same driver, in turn, in one run.
//!
//! `cargo bench --bench compare` builds the plugin, makes a virtual environment with `dify_plugin` under `target/`,
//! starts the built-in gateway on loopback and prints one table of medians and ratios. With `-- --write` it also
//! writes `docs/images/cost-per-chunk.svg`; `-- --rounds N` sets how often each side runs (5); `-- --alone` leaves the
//! SDK out; `-- --launcher FOLDER` names an unpacked package, to time the start through its `main.py` as well.
//!
//! Needs Linux (`/proc`) and, for the SDK's side, Python 3.12 as `python3.12` or in the variable `PYTHON`.

mod gateway;
mod picture;
mod process;
mod scenario;
mod table;

use scenario::{Scenario, Side};
use std::path::{Path, PathBuf};
use std::process::Command;
use table::Table;

fn main() {
    let options = Options::read();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plugin = env!("CARGO_BIN_EXE_higress-dify-plugin").to_owned();
    let gateway = gateway::Gateway::start(&plugin);
    let mut sides = vec![Side { name: "plugin", command: vec![plugin.clone()], folder: root.to_owned(), sdk: false }];
    if !options.alone {
        let python = environment(root);
        let folder = root.join("benches/compare/sdk_plugin");
        let command = vec![python.clone(), "-m".into(), "main".into()];
        sides.push(Side { name: "SDK", command, folder, sdk: true });
    }
    let mut table = Table::default();
    for round in 1..=options.rounds {
        for side in &sides {
            eprintln!("round {round} of {}: {}", options.rounds, side.name);
            Scenario { side, gateway: &gateway, table: &mut table }.run_all();
        }
        if let (Some(folder), Some(python)) = (&options.launcher, sides.get(1).map(|sdk| sdk.command[0].clone())) {
            let command = vec![python, "-m".into(), "main".into()];
            let launched = process::Plugin::start(&command, folder);
            table.add(
                "start to first heartbeat, through the launcher",
                "ms",
                "plugin",
                launched.start.as_secs_f64() * 1e3,
            );
        }
    }
    println!("{}", table.render());
    let curve = scenario::curve(&sides[0], &gateway);
    println!("{}", picture::as_text(&curve));
    if options.write {
        let file = root.join("docs/images/cost-per-chunk.svg");
        std::fs::write(&file, picture::as_svg(&curve)).expect("docs/images is writable");
    }
}

struct Options {
    rounds: usize,
    alone: bool,
    write: bool,
    launcher: Option<PathBuf>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { rounds: 5, alone: false, write: false, launcher: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rounds" => options.rounds = arguments.next().and_then(|n| n.parse().ok()).expect("--rounds N"),
                "--alone" => options.alone = true,
                "--write" => options.write = true,
                "--launcher" => options.launcher = Some(arguments.next().expect("--launcher FOLDER").into()),
                "--bench" => {} // what cargo bench adds
                other => panic!("unknown argument {other}"),
            }
        }
        options
    }
}

/// The Python of a virtual environment with the SDK in it, made on first use.
fn environment(root: &Path) -> String {
    let folder = root.join("target/compare-venv");
    let python = folder.join("bin/python").display().to_string();
    if !Path::new(&python).exists() {
        let base = std::env::var("PYTHON").unwrap_or_else(|_| "python3.12".into());
        run(Command::new(base).args(["-m", "venv"]).arg(&folder));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "dify_plugin==0.10.2"]));
    }
    python
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
