//! What a provider streams: whatever the events hold, they become an answer or an error, and it makes no difference
//! where the bytes were cut.

use higress_dify_plugin::gateway::chat::surrogates::repair;
use higress_dify_plugin::gateway::sse::Framer;
use higress_dify_plugin::gateway::{Error, Event, ReplyMeta};
use higress_dify_plugin::provider::llm::stream::{Flow, Output, StreamState, Wishes};
use higress_dify_plugin::provider::options::Guardrail;
use std::fmt::Write;

/// Checks one input: a stream.
pub(crate) fn run(data: &[u8]) {
    let stop = ["\nObservation".to_owned()];
    for (show_thinking, structured, guardrail, stop) in
        [(true, false, Guardrail::Text, &[][..]), (false, true, Guardrail::Error, &stop[..])]
    {
        let wishes = Wishes { show_thinking, stop, strip_code_block: structured, structured, guardrail };
        let whole = outcome(&wishes, std::iter::once(data));
        assert_eq!(outcome(&wishes, data.chunks(1)), whole);
    }
}

/// What becomes of a stream that comes in these pieces.
fn outcome<'a>(wishes: &Wishes<'_>, mut pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let mut framer = Framer::default();
    if pieces.all(|piece| framer.push(piece).is_ok()) {
        let _ = framer.finish();
    }
    let events: Vec<Event> = std::iter::from_fn(|| framer.pop()).collect();
    let mut told = String::new();
    let mut state = StreamState::new(wishes);
    let mut out = Vec::new();
    let ended = match read(&mut state, &events, &mut told) {
        Ok(()) => state.finish(&mut out),
        Err(error) => {
            state.abort(&mut out);
            Err(error)
        }
    };
    tell(&mut told, &out);
    match ended {
        Ok(ending) => {
            for call in &ending.tool_calls {
                assert!(!call.id.is_empty() && !call.name.is_empty(), "a call that nobody can make: {call:?}");
                // An id of our own is random.
                let _ = write!(told, "{} {} ", call.name, call.arguments);
            }
            let object = ending.structured_output;
            assert!(object.as_ref().is_none_or(serde_json::Value::is_object));
            let _ = write!(told, "{:?} {:?} {object:?}", ending.finish_reason, ending.usage);
        }
        Err(error) => {
            let _ = write!(told, "{error:?}");
        }
    }
    told
}

fn read(state: &mut StreamState, events: &[Event], told: &mut String) -> Result<(), Error> {
    for event in events {
        let data = repair(&event.data);
        assert_eq!(repair(&data), data, "repaired once is repaired");
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
        assert!(!matches!(output, Output::Text(text) if text.is_empty()), "a piece of nothing");
        let _ = writeln!(told, "{output:?}");
    }
}
