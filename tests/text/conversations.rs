//! Random answers in random layouts: nothing of them is lost, doubled or out of place.

use higress_dify_plugin::gateway::ReplyMeta;
use higress_dify_plugin::gateway::chat::surrogates::repair;
use higress_dify_plugin::gateway::sse::Framer;
use higress_dify_plugin::provider::llm::stream::{Flow, Output, StreamState, Wishes};
use higress_dify_plugin::provider::options::Guardrail;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a model adds to its answer.
#[derive(Debug, Clone)]
enum Piece {
    Think(String),
    Say(String),
    /// A call with this argument.
    Call(String),
}

fn piece() -> impl Strategy<Value = Piece> {
    let words = || "[a-z<>/`\"\\\\\n 世😀]{1,12}";
    prop_oneof![
        words().prop_map(Piece::Think),
        // Not a tag: what leading tags become is told elsewhere.
        words().prop_map(|words| Piece::Say(format!("A{words}"))),
        words().prop_map(Piece::Call),
    ]
}

/// The deltas of a piece: calls come in three, under an index of their own.
fn deltas(piece: &Piece, index: usize, noise: u32) -> Vec<Value> {
    match piece {
        Piece::Think(words) => vec![match noise % 3 {
            0 => json!({"reasoning_content": words, "content": null}),
            1 => json!({"reasoning": words, "content": ""}),
            _ => json!({"reasoning_content": words, "reasoning": words}),
        }],
        Piece::Say(words) => vec![json!({"content": words, "reasoning_content": ""})],
        Piece::Call(argument) => {
            let arguments: Vec<char> = json!({"x": argument}).to_string().chars().collect();
            let pieces = arguments.chunks(arguments.len().div_ceil(3)).enumerate();
            let call = |(at, piece): (usize, &[char])| {
                let piece: String = piece.iter().collect();
                let first =
                    json!({"index": index, "id": format!("c{index}"), "function": {"name": "f", "arguments": piece}});
                let more =
                    json!({"index": index, "id": "", "type": "", "function": {"name": null, "arguments": piece}});
                json!({"tool_calls": [if at == 0 { first } else { more }]})
            };
            pieces.map(call).collect()
        }
    }
}

/// The stream, each event dressed by a bit of `noise`.
fn stream(pieces: &[Piece], end: &str, noise: u32) -> Vec<u8> {
    let mut text = String::new();
    let mut noise = noise;
    for (index, piece) in pieces.iter().enumerate() {
        for delta in deltas(piece, index, noise) {
            let dress = ["", ": busy|", ": busy||", "event: message|id: 7|", "retry: 5||", "event: ping|data: {}||"];
            text.push_str(dress.get(noise as usize % 8).unwrap_or(&""));
            let chunk = json!({"choices": [{"index": index, "delta": delta, "finish_reason": ""}], "usage": null});
            text.extend(["data:", &chunk.to_string(), "||"]);
            noise = noise.rotate_left(5).wrapping_add(1);
        }
    }
    text.push_str(r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}||data: {"choices":null,"#);
    text.push_str(r#""usage":{"prompt_tokens":7,"completion_tokens":3}}"#);
    text.push_str(["", "|", "||", "||data: [DONE]", "||data: [DONE]||"].get(noise as usize % 5).unwrap_or(&""));
    text.replace('|', end).into_bytes()
}

/// What the answer is: its text, and the arguments of its calls.
fn answer(pieces: &[Piece], shown: bool) -> (String, Vec<String>) {
    let (mut text, mut calls, mut thinking) = (String::new(), Vec::new(), false);
    for piece in pieces {
        match piece {
            Piece::Think(words) if shown => {
                text.push_str(if thinking { "" } else { "<think>\n" });
                text.push_str(words);
                thinking = true;
                continue;
            }
            Piece::Think(_) => continue,
            _ if std::mem::take(&mut thinking) => text.push_str("\n</think>\n\n"),
            _ => {}
        }
        match piece {
            Piece::Call(argument) => calls.push(json!({"x": argument}).to_string()),
            Piece::Say(words) | Piece::Think(words) => text.push_str(words),
        }
    }
    text.push_str(if thinking { "\n</think>\n\n" } else { "" });
    (text, calls)
}

proptest! {
    #[test]
    fn every_answer_arrives_whole_in_every_layout(
        pieces in proptest::collection::vec(piece(), 1..10),
        end in prop::sample::select(vec!["\n", "\r", "\r\n"]),
        noise in any::<u32>(),
        cut in 1_usize..50,
        shown in any::<bool>(),
    ) {
        let wishes = Wishes {
            show_thinking: shown, stop: &[], strip_code_block: false, structured: false, guardrail: Guardrail::Text,
        };
        let mut framer = Framer::default();
        for bytes in stream(&pieces, end, noise).chunks(cut) {
            framer.push(bytes).unwrap();
        }
        framer.finish().unwrap();
        let mut state = StreamState::new(&wishes);
        let mut text = String::new();
        let mut told = |out: Vec<Output<'_>>| {
            for piece in out {
                match piece {
                    Output::Text(words) => text.push_str(&words),
                    Output::Image(_) => unreachable!("nobody draws"),
                }
            }
        };
        while let Some(event) = framer.pop() {
            let (data, mut out) = (repair(&event.data), Vec::new());
            let flow = state.event(&event, &data, &ReplyMeta::default(), &mut out).unwrap();
            told(out);
            if flow == Flow::Done {
                break;
            }
        }
        let mut out = Vec::new();
        let ending = state.finish(&mut out).unwrap();
        told(out);
        let calls: Vec<_> = ending.tool_calls.into_iter().map(|call| call.arguments).collect();
        prop_assert_eq!((text, calls), answer(&pieces, shown));
        prop_assert_eq!(ending.finish_reason.as_deref(), Some("stop"));
        prop_assert_eq!(ending.usage.unwrap().prompt(), Some(7));
    }
}
