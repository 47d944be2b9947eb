//! A provider that does what the prompt says, and a host that talks to it.

use higress_dify_plugin::runtime::entities::{
    Content, EmbeddingResult, LlmRequest, PromptMessage, TextEmbeddingRequest, TextTokensRequest,
};
use higress_dify_plugin::runtime::output::Merging;
use higress_dify_plugin::runtime::pricing::{embedding_usage, llm_usage};
use higress_dify_plugin::runtime::server::{Outcome, ServeOptions, Stop, serve};
use higress_dify_plugin::runtime::transport::Connection;
use higress_dify_plugin::runtime::transport::memory::{self, Host};
use higress_dify_plugin::runtime::{Context, InvokeError, LlmOutput, Provider};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Obeys prompts such as `say a b c`, `sleep 30`, `tick 20 500` (milliseconds, words), `flood 1000`, `big 9000000`,
/// `panic`, `print`, `unfinished`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Obedient {
    /// Calls that have begun and not ended.
    pub(crate) running: Arc<AtomicUsize>,
}

struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Provider for Obedient {
    async fn invoke_llm(&self, cx: &Context, request: LlmRequest, mut out: LlmOutput) -> Result<(), InvokeError> {
        let _running = Running::new(&self.running);
        match request.model_parameters.get("merging").and_then(Value::as_i64) {
            None => {}
            Some(..0) => out.set_merging(Merging::Off),
            Some(window) => out.set_merging(Merging::Window(Duration::from_millis(window.unsigned_abs()))),
        }
        let Some(PromptMessage { content: Content::Text(prompt), .. }) = request.prompt_messages.last() else {
            return Err(InvokeError::bad_request("no prompt"));
        };
        let (command, rest) = prompt.split_once(' ').unwrap_or((prompt, ""));
        let numbers: Vec<u64> = rest.split(' ').filter_map(|number| number.parse().ok()).collect();
        match command {
            "say" => {
                for word in rest.split_inclusive(' ') {
                    out.text(word).await?;
                }
            }
            "sleep" => {
                sleep(Duration::from_secs(numbers[0])).await;
                out.text("awake").await?;
            }
            "tick" => {
                for number in 0..numbers[1] {
                    out.text(&format!("{number} ")).await?;
                    sleep(Duration::from_millis(numbers[0])).await;
                }
            }
            "flood" => {
                for number in 0..numbers[0] {
                    out.text(&format!("{number} ")).await?;
                }
            }
            "big" => out.text(&"\u{e9}".repeat(usize::try_from(numbers[0]).unwrap() / 2)).await?,
            "burn" => {
                let until = std::time::Instant::now() + Duration::from_millis(numbers[0]);
                while std::time::Instant::now() < until {
                    std::hint::spin_loop();
                }
            }
            "print" => {
                println!("{{\"event\":\"session\",\"printed\":\"by a library\"}}");
            }
            "panic" => panic!("secret detail"),
            "unfinished" => return Ok(()),
            other => return Err(InvokeError::bad_request(format!("cannot {other}"))),
        }
        out.finish(llm_usage(1, 2, None, cx.started.elapsed()), Some("stop".to_owned()), None).await
    }

    async fn invoke_text_embedding(
        &self,
        cx: &Context,
        request: TextEmbeddingRequest,
    ) -> Result<EmbeddingResult, InvokeError> {
        // The first text says how many numbers each vector has; a number takes two bytes.
        let numbers: usize = request.texts.first().and_then(|text| text.parse().ok()).unwrap_or(1);
        let vector = RawValue::from_string(format!("[{}1]", "1,".repeat(numbers - 1))).unwrap();
        let embeddings = vec![vector; request.texts.len()];
        Ok(EmbeddingResult { model: request.model, embeddings, usage: embedding_usage(1, None, cx.started.elapsed()) })
    }

    async fn count_text_embedding_tokens(
        &self,
        _: &Context,
        request: TextTokensRequest,
    ) -> Result<Vec<u64>, InvokeError> {
        Ok(request.texts.iter().map(|text| text.len() as u64).collect())
    }
}

pub(crate) const OPTIONS: ServeOptions =
    ServeOptions { max_sessions: 10_000, session_ceiling: Duration::from_secs(630), probe: false, notices: true };

/// A server at work, and its host.
pub(crate) struct Scene {
    pub(crate) host: Host,
    pub(crate) provider: Obedient,
    pub(crate) server: JoinHandle<Outcome>,
    pub(crate) stop: Stop,
}

pub(crate) fn scene(options: ServeOptions) -> Scene {
    let (connection, host) = memory::connect(None);
    scene_on(connection, host, options)
}

pub(crate) fn scene_on(connection: Connection, host: Host, options: ServeOptions) -> Scene {
    let provider = Obedient::default();
    let stop = Stop::default();
    let server = tokio::spawn(serve(Arc::new(provider.clone()), connection, options, stop.clone()));
    Scene { host, provider, server, stop }
}

/// A request line for text.
pub(crate) fn ask(session: &str, prompt: &str) -> String {
    ask_with(session, prompt, true, &json!({}))
}

pub(crate) fn ask_with(session: &str, prompt: &str, stream: bool, parameters: &Value) -> String {
    json!({"session_id": session, "conversation_id": null, "event": "request", "data": {
        "user_id": "u", "type": "model", "action": "invoke_llm", "provider": "p", "model_type": "llm", "model": "m",
        "credentials": {}, "model_parameters": parameters, "stop": null, "tools": null, "stream": stream,
        "prompt_messages": [{"role": "user", "content": prompt, "name": "", "tool_calls": null, "tool_call_id": ""}],
    }})
    .to_string()
}

/// A request line for vectors.
pub(crate) fn embed(session: &str, texts: &[&str]) -> String {
    json!({"session_id": session, "event": "request", "data": {
        "type": "model", "action": "invoke_text_embedding", "provider": "p", "model_type": "text-embedding",
        "model": "m", "credentials": {}, "texts": texts, "input_type": "document",
    }})
    .to_string()
}

/// What one session has said.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) results: Vec<Value>,
    pub(crate) errors: Vec<Value>,
    pub(crate) ends: usize,
    pub(crate) after_end: usize,
}

impl Said {
    pub(crate) fn hear(&mut self, data: &Value) {
        if self.ends > 0 {
            self.after_end += 1;
        }
        match data["type"].as_str() {
            Some("stream") => self.results.push(data["data"].clone()),
            Some("error") => self.errors.push(data["data"].clone()),
            Some("end") => {
                assert!(data["data"].is_object());
                self.ends += 1;
            }
            Some("invoke") => {}
            other => panic!("a message of type {other:?}"),
        }
    }

    /// The text of all chunks, whose indices must be without gaps.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (index, chunk) in self.results.iter().enumerate() {
            assert_eq!(chunk["delta"]["index"], json!(index));
            text.push_str(chunk["delta"]["message"]["content"].as_str().expect("text"));
        }
        text
    }

    /// Whole, in order, with usage and reason once, at the end.
    pub(crate) fn assert_whole(&self) {
        assert_eq!((self.errors.len(), self.ends, self.after_end), (0, 1, 0), "{self:?}");
        let (last, others) = self.results.split_last().expect("a result");
        assert_eq!(last["delta"]["finish_reason"], "stop");
        assert!(last["delta"]["usage"].is_object());
        for chunk in others {
            assert!(chunk["delta"]["usage"].is_null() && chunk["delta"]["finish_reason"].is_null());
            assert_ne!(chunk["delta"]["message"]["content"], "");
        }
    }

    pub(crate) fn error_type(&self) -> &str {
        assert_eq!((self.errors.len(), self.ends, self.after_end), (1, 1, 0), "{self:?}");
        self.errors[0]["error_type"].as_str().unwrap()
    }

    pub(crate) fn error_text(&self) -> &str {
        let error = &self.errors[0];
        assert_eq!(error["args"], json!({"description": error["message"]}));
        error["message"].as_str().unwrap()
    }
}

impl Scene {
    /// Reads until `session` has ended; lines of other sessions are dropped.
    pub(crate) async fn hear(&mut self, session: &str) -> Said {
        let mut said = Said::default();
        while said.ends == 0 {
            let event = self.host.event().await.expect("more output");
            if event["session_id"] == session {
                said.hear(&event["data"]);
            }
        }
        said
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn call(&mut self, session: &str, prompt: &str) -> Said {
        self.host.send(ask(session, prompt)).await;
        self.hear(session).await
    }
}
