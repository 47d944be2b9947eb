//! Lines from the host: whatever they hold, they are opened or refused, and what is said about them is one line of
//! JSON under the session's own id.

use bytes::Bytes;
use higress_dify_plugin::runtime::InvokeError;
use higress_dify_plugin::runtime::protocol::envelope::{BadLine, Envelope};
use higress_dify_plugin::runtime::protocol::{outbound, request};
use serde_json::Value;
use serde_json::value::RawValue;

const ACTIONS: [&str; 12] = [
    "validate_provider_credentials",
    "validate_model_credentials",
    "get_ai_model_schemas",
    "invoke_llm",
    "get_llm_num_tokens",
    "start_polling",
    "check_polling",
    "invoke_text_embedding",
    "get_text_embedding_num_tokens",
    "invoke_multimodal_embedding",
    "invoke_rerank",
    "invoke_multimodal_rerank",
];

/// Checks one input: a line.
pub(crate) fn run(data: &[u8]) {
    match Envelope::parse(&Bytes::copy_from_slice(data)) {
        Ok(Envelope::Request(line)) => {
            let raw: &RawValue = serde_json::from_slice(&line.data).expect("the data of a request is JSON");
            for action in ACTIONS {
                if let Err(error) = request::decode(action, raw) {
                    answer(&line.session_id, &error);
                }
            }
        }
        Ok(Envelope::BackwardsResponse { session_id, .. }) => assert!(!session_id.is_empty()),
        Err(BadLine { session_id, reason }) => {
            answer(session_id.as_deref().unwrap_or("S"), &InvokeError::bad_request(reason));
        }
    }
}

fn answer(session_id: &str, error: &InvokeError) {
    for line in [outbound::error(session_id, error), outbound::end(session_id)] {
        assert!(line.len() < outbound::LINE_LIMIT);
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "one line");
        let told: Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(told["session_id"], session_id);
    }
}
