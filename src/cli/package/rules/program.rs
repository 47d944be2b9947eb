//! Rules about the native programs.

use clap::ValueEnum;

use super::super::archive::Entry;
use super::{Judge, Refusal};

/// Which programs a package must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Programs {
    /// One for each machine, both static: what a release is.
    Both,
    /// One or more, linked any way: for trying a build on one's own machine.
    Any,
}

/// A machine that Dify runs plugins on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    /// Where the launcher looks for its program.
    pub(crate) path: &'static str,
    /// What wheel tags and compilers call it.
    pub(crate) name: &'static str,
    /// `e_machine` in an ELF header.
    code: u16,
}

/// The machines in `meta.arch`.
pub(crate) const MACHINES: [Machine; 2] = [
    Machine { path: "bin/higress-linux-amd64", name: "x86_64", code: 62 },
    Machine { path: "bin/higress-linux-arm64", name: "aarch64", code: 183 },
];

/// Checks that the programs wanted are there and made for their machines.
pub(super) fn check(entries: &[Entry], programs: Programs) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut refuse = |place: &str, rule: &str| {
        refusals.push(Refusal { place: place.to_owned(), rule: rule.to_owned(), judge: Judge::Project });
    };
    let mut found = 0;
    for machine in MACHINES {
        let Some(entry) = entries.iter().find(|entry| entry.path == machine.path) else {
            if programs == Programs::Both {
                refuse(machine.path, "is missing: a release serves both machines (build it, or allow --programs any)");
            }
            continue;
        };
        found += 1;
        match elf_machine(&entry.data) {
            None => refuse(machine.path, "is no 64-bit Linux program"),
            Some(code) if code != machine.code => refuse(machine.path, "is built for another machine"),
            Some(_) if programs == Programs::Both && needs_loader(&entry.data) => {
                refuse(machine.path, "is linked dynamically: it would not start on every image");
            }
            Some(_) => {}
        }
    }
    if programs == Programs::Any && found == 0 {
        refuse("bin/", "holds no program: there would be nothing to start");
    }
    refusals
}

/// The machine of a 64-bit little-endian ELF file.
fn elf_machine(program: &[u8]) -> Option<u16> {
    program.starts_with(b"\x7fELF\x02\x01").then(|| number(program, 18, 2)).flatten()?.try_into().ok()
}

/// Whether an ELF file names a dynamic loader (a `PT_INTERP` program header).
fn needs_loader(program: &[u8]) -> bool {
    const PT_INTERP: usize = 3;
    let header = |at, width| number(program, at, width).unwrap_or(0);
    let (start, size, count) = (header(32, 8), header(54, 2), header(56, 2));
    (0..count).any(|index| {
        let at = size.checked_mul(index).and_then(|offset| offset.checked_add(start));
        at.and_then(|at| number(program, at, 4)) == Some(PT_INTERP)
    })
}

/// A little-endian number of `width` bytes.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    Some(field.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}
