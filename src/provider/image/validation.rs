//! The check of an image model as it is saved: it must cost nothing.

use crate::gateway::images::{self, Generation};
use crate::gateway::{Call, Deadline, Error, ErrorKind, Origin, dashscope};
use crate::provider::credentials::{ImageCredentials, ImageProtocol};
use crate::provider::errors::validation_failed;
use crate::provider::exchange::{VALIDATION_TIMEOUT, exchange};
use crate::runtime::{Context, InvokeError};

/// In a refusal these speak of the model, the account or the route, and not of the missing prompt. `DashScope` says
/// "url error" when the model is not served on this path.
const NOT_ABOUT_THE_INPUT: [&str; 17] = [
    "model not",
    "model_not",
    "modelnot",
    "invalid model",
    "invalidmodel",
    "unknown model",
    "not support model",
    "unsupported model",
    "does not exist",
    "not found",
    "url error",
    "arrearage",
    "billing",
    "access denied",
    "accessdenied",
    "quota",
    "api name",
];

/// Asks for a picture without saying of what: nothing is made, and how that is refused tells whether address,
/// credential and model are right.
///
/// # Errors
///
/// [`CredentialsValidateFailed`](crate::runtime::ErrorKind::CredentialsValidateFailed) for every failure but the
/// upstream's refusal of the missing prompt.
pub async fn validate(cx: &Context, credentials: &ImageCredentials) -> Result<(), InvokeError> {
    let answer = async {
        let mut call = request_without_prompt(credentials)?;
        call.deadline = Some(Deadline::fixed(cx.started, VALIDATION_TIMEOUT));
        exchange(cx, &credentials.common, &credentials.upstream_model, call).await
    };
    match answer.await {
        Ok(_) => Ok(()),
        Err(error) if is_about_the_input(&error) => Ok(()),
        Err(error) => Err(validation_failed(error.into())),
    }
}

fn request_without_prompt(credentials: &ImageCredentials) -> Result<Call, Error> {
    let model = &credentials.upstream_model;
    match credentials.protocol {
        ImageProtocol::DashScope => dashscope::generation(model, None, None),
        ImageProtocol::DashScopeAsync => dashscope::submission(model, None, &dashscope::Parameters::default()),
        ImageProtocol::OpenAiImages => images::generation(&Generation { model, ..Generation::default() }),
    }
}

/// Whether the upstream has understood whom and what it was asked, and misses only the prompt. What it says itself is
/// JSON: a page or a line of text comes from something on the way, such as a TLS port that is asked in plain HTTP.
fn is_about_the_input(error: &Error) -> bool {
    if !error.structured || error.origin == Some(Origin::Gateway) {
        return false;
    }
    if error.kind != ErrorKind::BadRequest || !matches!(error.status, None | Some(200..=299 | 400 | 422)) {
        return false;
    }
    let words = format!("{} {}", error.code.as_deref().unwrap_or_default(), error.message).to_ascii_lowercase();
    !NOT_ABOUT_THE_INPUT.iter().any(|phrase| words.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: Option<&str>, message: &str) -> Error {
        let mut error = Error::new(ErrorKind::BadRequest, message);
        error.status = Some(status);
        error.code = code.map(str::to_owned);
        error.structured = true;
        error
    }

    #[test]
    fn a_refusal_of_the_missing_prompt_means_that_all_else_is_right() {
        for error in [
            refusal(400, Some("InvalidParameter"), "Input should be a valid list: input.messages.0.content"),
            refusal(400, None, "Missing required parameter: 'prompt'."),
            refusal(422, None, "prompt: Field required"),
        ] {
            assert!(is_about_the_input(&error), "{error}");
        }
    }

    #[test]
    fn a_refusal_of_model_account_route_or_consumer_is_a_failure() {
        let mut unauthorized = refusal(400, None, "Invalid Signature");
        unauthorized.kind = ErrorKind::Authorization;
        for error in [
            refusal(400, Some("InvalidParameter"), "Model not exist."),
            refusal(400, Some("model_not_found"), "The model `x` does not exist"),
            refusal(400, Some("InvalidParameter"), "url error, please check url!"),
            refusal(400, Some("Arrearage"), "Access denied, please make sure your account is in good standing."),
            refusal(404, None, "No route of the gateway matches this address and model"),
            unauthorized,
        ] {
            assert!(!is_about_the_input(&error), "{error}");
        }
    }
}
