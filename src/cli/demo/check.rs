//! Whether an answer is what it should be.

use super::steps::{Chapter, Expected, Step};
use crate::cli::answer::Answer;
use crate::standin::Recorded;

/// What is wrong with an answer, if anything is.
pub(super) fn problem(step: &Step, chapter: &Chapter, answer: &Answer, calls: &[Recorded]) -> Option<String> {
    match (&answer.error, step.expected) {
        (Some(error), Expected::Error(kind)) if error.kind == kind => return None,
        (Some(error), Expected::Error(kind)) => return Some(format!("the error is {}, not {kind}", error.kind)),
        (Some(error), _) => return Some(format!("{}: {}", error.kind, error.message)),
        (None, Expected::Error(kind)) => return Some(format!("it should have failed with {kind}")),
        (None, _) => {}
    }
    if let Some(call) = calls.iter().find(|call| call.consumer.as_deref() != chapter.consumer) {
        return Some(format!("the gateway took the caller for {:?}", call.consumer));
    }
    let (right, what) = match step.expected {
        Expected::Saved => (answer.result["result"] == true, "the model was not saved".to_owned()),
        Expected::Schema => {
            let rules = answer.result["model_schema"]["parameter_rules"].as_array();
            (rules.is_some_and(|rules| !rules.is_empty()), "there is no parameter".to_owned())
        }
        Expected::Text(text) => (
            answer.text.contains(text) && answer.tokens().is_some(),
            format!("text with “{text}” and usage are missing"),
        ),
        Expected::ToolCall => {
            let arguments = answer.tool_calls.first().and_then(|call| call["function"]["arguments"].as_str());
            let valid = arguments.is_some_and(|text| serde_json::from_str::<serde_json::Value>(text).is_ok());
            (valid && answer.tool_calls.len() == 1, "there is not one call with arguments in JSON".to_owned())
        }
        Expected::Picture => {
            let there = answer.text.contains("http://") || !answer.pictures.is_empty();
            (there, "there is no picture".to_owned())
        }
        Expected::Vectors(count) => {
            let vectors = answer.result["embeddings"].as_array().map_or(0, Vec::len);
            (vectors == count, format!("there are {vectors} vectors, not {count}"))
        }
        Expected::Documents(count) => {
            let documents = answer.result["docs"].as_array().map_or(0, Vec::len);
            (documents == count, format!("there are {documents} documents, not {count}"))
        }
        Expected::Error(_) => (true, String::new()),
    };
    (!right).then_some(what)
}
