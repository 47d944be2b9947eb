//! The corpus of every fuzz target, replayed: what once broke something stays repaired. `.ci/check-fuzz` goes on from
//! here.

use std::fs;
use std::path::Path;

#[path = "../fuzz/checks/chunk.rs"]
mod chunk;
#[path = "../fuzz/checks/credentials.rs"]
mod credentials;
#[path = "../fuzz/checks/endpoint.rs"]
mod endpoint;
#[path = "../fuzz/checks/envelope.rs"]
mod envelope;
#[path = "../fuzz/checks/framer.rs"]
mod framer;
#[path = "../fuzz/checks/signer.rs"]
mod signer;

/// Runs a target's check over its corpus. The name of an input that fails is the last that is printed.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "{target} has a corpus");
    for input in inputs {
        println!("{}", input.display());
        check(&fs::read(input).unwrap());
    }
}

#[test]
fn the_framer_takes_its_corpus() {
    replay("framer", framer::run);
}

#[test]
fn the_envelope_takes_its_corpus() {
    replay("envelope", envelope::run);
}

#[test]
fn the_chunk_takes_its_corpus() {
    replay("chunk", chunk::run);
}

#[test]
fn the_credentials_take_their_corpus() {
    replay("credentials", credentials::run);
}

#[test]
fn the_endpoint_takes_its_corpus() {
    replay("endpoint", endpoint::run);
}

#[test]
fn the_signer_takes_its_corpus() {
    replay("signer", signer::run);
}
