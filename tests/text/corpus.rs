//! Every file under `streams/` is what an upstream sends; its snapshot is what becomes of it. The folder says what is
//! wanted of the answer. Where the bytes are cut must make no difference.

use higress_dify_plugin::gateway::chat::surrogates::repair;
use higress_dify_plugin::gateway::sse::Framer;
use higress_dify_plugin::gateway::{Error, Event, ReplyMeta};
use higress_dify_plugin::provider::llm::stream::{Ending, Flow, Output, StreamState, Wishes};
use higress_dify_plugin::provider::options::Guardrail;
use proptest::prelude::*;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn streams() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/text/streams");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "sse")).collect();
    files.sort();
    files
}

fn folder(path: &Path) -> &str {
    path.parent().unwrap().file_name().unwrap().to_str().unwrap()
}

/// What becomes of a stream that comes in these pieces.
fn outcome<'a>(folder: &str, pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let stop = if folder == "stop" { vec!["\nObservation".to_owned()] } else { Vec::new() };
    let wishes = Wishes {
        show_thinking: folder != "hidden",
        stop: &stop,
        strip_code_block: false,
        structured: folder == "structured",
        guardrail: if folder == "guard_error" { Guardrail::Error } else { Guardrail::Text },
    };
    let mut framer = Framer::default();
    for piece in pieces {
        framer.push(piece).unwrap();
    }
    framer.finish().unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| framer.pop()).collect();
    let mut told = String::new();
    let mut state = StreamState::new(&wishes);
    match read(&mut state, &events, &mut told) {
        Ok(()) if !state.is_answer() => told.push_str("no answer\n"),
        Ok(()) => {
            let mut out = Vec::new();
            let ending = state.finish(&mut out);
            tell(&mut told, &out);
            match ending {
                Ok(ending) => tell_ending(&mut told, ending),
                Err(error) => tell_error(&mut told, &error),
            }
        }
        Err(error) => {
            let mut out = Vec::new();
            state.abort(&mut out);
            tell(&mut told, &out);
            tell_error(&mut told, &error);
        }
    }
    told
}

fn read(state: &mut StreamState, events: &[Event], told: &mut String) -> Result<(), Error> {
    for event in events {
        let data = repair(&event.data);
        let mut out = Vec::new();
        let flow = state.event(event, &data, &ReplyMeta::default(), &mut out);
        tell(told, &out);
        if flow? == Flow::Done {
            break;
        }
    }
    Ok(())
}

fn tell(told: &mut String, out: &[Output<'_>]) {
    for output in out {
        match output {
            Output::Text(text) => writeln!(told, "text {text:?}").unwrap(),
            Output::Image(address) => writeln!(told, "picture {address}").unwrap(),
        }
    }
}

fn tell_ending(told: &mut String, ending: Ending) {
    for call in ending.tool_calls {
        // An id of our own is random.
        let id = if call.id.len() == 37 { "(ours)" } else { &call.id };
        writeln!(told, "tool {id} {} {}", call.name, call.arguments).unwrap();
    }
    writeln!(told, "finish {:?}", ending.finish_reason).unwrap();
    if let Some(usage) = ending.usage {
        writeln!(told, "usage {:?} {:?} {:?}", usage.prompt(), usage.completion(), usage.total()).unwrap();
    }
    if let Some(object) = ending.structured_output {
        writeln!(told, "object {object}").unwrap();
    }
    writeln!(told, "written {:?}", ending.transcript.into_parts().0).unwrap();
}

fn tell_error(told: &mut String, error: &Error) {
    writeln!(told, "error {:?}: {error}", error.kind).unwrap();
}

#[test]
fn every_stream_becomes_its_answer() {
    for path in streams() {
        let name = format!("{}__{}", folder(&path), path.file_stem().unwrap().to_str().unwrap());
        let bytes = fs::read(&path).unwrap();
        let told = outcome(folder(&path), std::iter::once(bytes.as_slice()));
        insta::with_settings!({snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, told);
        });
    }
}

#[test]
fn a_stream_that_comes_byte_by_byte_becomes_the_same() {
    for path in streams() {
        let bytes = fs::read(&path).unwrap();
        let whole = outcome(folder(&path), std::iter::once(bytes.as_slice()));
        assert_eq!(outcome(folder(&path), bytes.chunks(1)), whole, "{}", path.display());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_stream_cut_anywhere_becomes_the_same(lengths in proptest::collection::vec(1_usize..40, 1..20)) {
        for path in streams() {
            let bytes = fs::read(&path).unwrap();
            let mut rest = bytes.as_slice();
            let mut lengths = lengths.iter().cycle();
            let pieces = std::iter::from_fn(|| {
                let (piece, more) = rest.split_at((*lengths.next()?).min(rest.len()));
                rest = more;
                (!piece.is_empty()).then_some(piece)
            });
            let whole = outcome(folder(&path), std::iter::once(bytes.as_slice()));
            prop_assert_eq!(outcome(folder(&path), pieces), whole, "{}", path.display());
        }
    }
}
