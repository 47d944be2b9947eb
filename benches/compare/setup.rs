//! Everything that is started: the shipped program, its launcher, and the plugin on the Python SDK.

use crate::Options;
use crate::process::Program;
use std::path::{Path, PathBuf};
use std::process::Command;

const SDK: &str = "dify_plugin==0.10.2";

pub(crate) struct Setup {
    pub plugin: Program,
    /// `main.py` on a bare Python, as the daemon starts it.
    pub launcher: Option<Program>,
    pub sdk: Option<Program>,
    built: &'static str,
    python: String,
}

impl Setup {
    pub(crate) fn new(root: &Path, options: &Options) -> Self {
        let (program, built) = match &options.program {
            Some(program) => (program.clone(), "a program given by hand"),
            None => (shipped(root), "the shipped program, static with musl and mimalloc"),
        };
        let plugin = Program { command: vec![program], folder: root.to_owned() };
        let mut setup = Self { plugin, launcher: None, sdk: None, built, python: String::new() };
        if options.alone || !options.wants("against") {
            return setup;
        }
        let python = python();
        let bare = environment(root, "compare-bare-venv", &python, &[]);
        let full = environment(root, "compare-venv", &python, &[SDK]);
        let started =
            |python: String, folder: PathBuf| Program { command: vec![python, "-m".into(), "main".into()], folder };
        if options.program.is_none() {
            setup.launcher = Some(started(bare, root.to_owned()));
        }
        setup.python = said(Command::new(&full).arg("--version"));
        setup.sdk = Some(started(full, root.join("benches/compare/sdk_plugin")));
        setup
    }

    /// What was measured, and on what.
    pub(crate) fn machine(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib: u64 = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or_default();
        format!(
            "Plugin {} ({}) against {} on {}; Linux, {}, {cores} cores, {} GiB, gateway and driver on the same machine.",
            env!("CARGO_PKG_VERSION"),
            self.built,
            SDK.replace("==", " "),
            self.python,
            std::env::consts::ARCH,
            kib >> 20
        )
    }
}

/// The same program for the C library of this machine, as `cargo build --release` makes it.
pub(crate) fn glibc(root: &Path, built: &str) -> Program {
    Program { command: vec![built.to_owned()], folder: root.to_owned() }
}

/// Builds the program that packages carry.
fn shipped(root: &Path) -> String {
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    // Cargo's variables for this run are not that build's.
    let mut build = Command::new(root.join(".ci/build-binaries"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_") && name != "CARGO_HOME") {
        build.env_remove(name);
    }
    run(build.arg(machine).stdout(std::process::Stdio::null()));
    root.join("bin").join(format!("higress-linux-{machine}")).display().to_string()
}

/// The Python of a virtual environment with `packages` in it, made on first use.
fn environment(root: &Path, name: &str, base: &str, packages: &[&str]) -> String {
    let folder = root.join("target").join(name);
    let python = folder.join("bin/python").display().to_string();
    // The path belongs to it: an environment does not survive being moved.
    let (complete, wanted) = (folder.join("complete"), format!("{python} {packages:?}"));
    if std::fs::read_to_string(&complete).is_ok_and(|made| made == wanted) {
        return python;
    }
    run(Command::new(base).args(["-m", "venv", "--clear"]).arg(&folder));
    if !packages.is_empty() {
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(packages));
    }
    std::fs::write(complete, wanted).expect("target is writable");
    python
}

/// A Python 3.12 that starts: a version manager's `python3.12` may be there and refuse to.
fn python() -> String {
    let pyenv =
        std::env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".pyenv")));
    let installed =
        pyenv.and_then(|root| std::fs::read_dir(root.join("versions")).ok()).into_iter().flatten().flatten();
    let installed = installed.map(|version| version.path().join("bin/python3.12").display().to_string());
    let named = std::env::var("PYTHON").ok().into_iter().chain(["python3.12".to_owned()]);
    named
        .chain(installed)
        .chain(["python3".to_owned()])
        .find(|python| said(Command::new(python).arg("--version")).starts_with("Python 3.12."))
        .expect("Python 3.12: install it, or name it in PYTHON")
}

fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
