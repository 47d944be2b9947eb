//! The calls of the mix, and what each must come to.

use crate::gateway::Gateway;
use serde_json::{Value, json};

/// What a call must come to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer.
    Answer,
    /// An answer whose text is the numbers from 0 up to this one.
    Numbers(usize),
    /// An error that holds these words.
    Error(&'static str),
    /// Nobody waits for it: it must be given up.
    Abandoned,
}

/// One kind of call.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    /// Whether it may not run beside another of its kind: its answer is held up to the limit for a body, 64 MiB.
    pub(crate) alone: bool,
    /// How often it comes, among all.
    weight: u32,
    /// The request without its session.
    data: Value,
}

/// All kinds, and which comes next: the same in every run.
pub(crate) struct Mix {
    pub(crate) kinds: Vec<Kind>,
    state: u64,
}

impl Mix {
    pub(crate) fn new(gateway: &Gateway) -> Self {
        let mut kinds = Vec::new();
        let open = format!("{}/open", gateway.url);
        let mut add = |name: &'static str, weight, outcome, data| {
            let alone = name.starts_with("bomb") || name.starts_with("body");
            kinds.push(Kind { name, outcome, alone, weight, data });
        };
        let text = |endpoint: &str, model: &str, options: Value| llm(model, &credentials(endpoint, &options), true);
        let soon = |limit: &str| json!({limit: 0.5});

        for (name, weight, model, chunks) in [
            ("stream, 20 ms a chunk", 20, "pace-20ms-100", 100),
            ("stream, 5 ms a chunk", 10, "pace-5ms-200", 200),
            ("stream of 6 s", 6, "pace-50ms-120", 120),
            ("stream, flooded", 20, "flood-1000", 1000),
        ] {
            add(name, weight, Outcome::Numbers(chunks), text(&open, model, json!({})));
        }
        add("stream nobody waits for", 1, Outcome::Abandoned, text(&open, "pace-200ms-1000", json!({})));

        let signed = signed(gateway, "demo-secret-0001");
        add("signed stream", 10, Outcome::Answer, llm("m", &signed, true));
        add("signed whole answer", 10, Outcome::Answer, llm("m", &signed, false));
        add("wrong secret", 5, Outcome::Error("Invalid Signature"), llm("m", &self::signed(gateway, "wrong"), true));
        add("saved", 5, Outcome::Answer, other("validate_model_credentials", "llm", &signed, json!({})));
        let texts: Vec<String> = (0..200).map(|number| format!("text {number}")).collect();
        let embedding = json!({"texts": texts, "input_type": "document"});
        add("200 embeddings", 5, Outcome::Answer, other("invoke_text_embedding", "text-embedding", &signed, embedding));
        let rerank = json!({"query": "a", "docs": ["a", "b", "c"], "score_threshold": null, "top_n": 2});
        add("rerank", 5, Outcome::Answer, other("invoke_rerank", "rerank", &signed, rerank));
        let mut image = signed;
        image["llm_usage_scenario"] = "image_generation".into();
        add("picture", 5, Outcome::Answer, llm("m", &image, true));

        for (model, outcome) in [
            ("fault-no-done", Outcome::Answer),
            ("fault-no-finish", Outcome::Answer),
            ("fault-crlf", Outcome::Answer),
            ("fault-guard", Outcome::Answer),
            ("fault-429", Outcome::Error("429 rate limited by the provider")),
            ("fault-500-html", Outcome::Error("500 server error")),
            ("fault-503", Outcome::Error("503 server error of the gateway")),
            ("fault-not-json", Outcome::Error("unreadable answer")),
            ("fault-stream-error", Outcome::Error("The model is overloaded")),
            ("fault-cut", Outcome::Error("broke off")),
            ("fault-stall", Outcome::Error("first_byte_timeout")),
            ("fault-stall-stream", Outcome::Error("idle_timeout")),
        ] {
            let options = match model {
                "fault-stall" => soon("first_byte_timeout"),
                "fault-stall-stream" => soon("idle_timeout"),
                _ => json!({}),
            };
            add(model, 2, outcome, text(&open, model, options));
        }
        let hurry = json!({"total_timeout": 1});
        for (behaviour, options, outcome) in [
            ("reset", json!({}), Outcome::Error("closed the connection without an answer")),
            ("cut-700", json!({}), Outcome::Error("broke off")),
            ("reset-700", json!({}), Outcome::Error("broke off")),
            ("stall-head", soon("idle_timeout"), Outcome::Error("idle_timeout")),
            ("endless-comments", hurry.clone(), Outcome::Error("total_timeout")),
            ("endless-informational", hurry, Outcome::Error("")),
            ("endless-line", json!({}), Outcome::Error("larger than 8388608 bytes")),
            ("header-flood", json!({}), Outcome::Error("")),
            ("not-http", json!({}), Outcome::Error("does not answer in HTTP")),
            ("bomb-1073741824", json!({}), Outcome::Error("larger than 64 MiB")),
            ("body-104857600", json!({}), Outcome::Error("larger than 64 MiB")),
            ("redirect-307", json!({}), Outcome::Error("307")),
        ] {
            add(behaviour, 1, outcome, text(&format!("{}/{behaviour}", gateway.hostile), "m", options));
        }
        add("refused", 1, Outcome::Error("Nothing listens"), text("http://127.0.0.1:1", "m", json!({"retries": 0})));
        Self { kinds, state: 1 }
    }

    /// The next call: which kind it is, and its line for the plugin.
    pub(crate) fn next(&mut self, session: &str) -> (usize, String) {
        // Knuth's multiplier: any spread of numbers does, if it is the same each time.
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let all: u32 = self.kinds.iter().map(|kind| kind.weight).sum();
        let mut rest = u32::try_from(self.state >> 33).unwrap_or_default() % all;
        let at = self.kinds.iter().position(|kind| match rest.checked_sub(kind.weight) {
            Some(less) => {
                rest = less;
                false
            }
            None => true,
        });
        let at = at.expect("less than all");
        (at, line(session, &self.kinds[at].data))
    }

    /// The first kind: a stream of two seconds.
    pub(crate) fn paced(&self, session: &str) -> (usize, String) {
        (0, line(session, &self.kinds[0].data))
    }
}

fn line(session: &str, data: &Value) -> String {
    let line = json!({"session_id": session, "conversation_id": null, "message_id": null, "app_id": null,
        "endpoint_id": null, "context": null, "event": "request", "data": data});
    format!("{line}\n")
}

fn credentials(endpoint: &str, options: &Value) -> Value {
    json!({"endpoint_url": endpoint, "consumer_auth_mode": "disabled", "llm_usage_scenario": "text_generation",
        "advanced_options": options.to_string()})
}

fn signed(gateway: &Gateway, secret: &str) -> Value {
    json!({"endpoint_url": format!("{}/hmac", gateway.url), "consumer_auth_mode": "hmac",
        "hmac_key": "demo-key-0001", "hmac_secret": secret, "llm_usage_scenario": "text_generation"})
}

fn llm(model: &str, credentials: &Value, stream: bool) -> Value {
    let mut data = other(
        "invoke_llm",
        "llm",
        credentials,
        json!({"model_parameters": {}, "tools": null, "stop": null,
        "stream": stream, "prompt_messages": [{"role": "user", "content": "hi", "name": null}]}),
    );
    data["model"] = model.into();
    data
}

fn other(action: &str, model_type: &str, credentials: &Value, more: Value) -> Value {
    let mut data = json!({"type": "model", "user_id": "u", "provider": "higress", "action": action, "model": "m",
        "model_type": model_type, "credentials": credentials});
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    data
}
