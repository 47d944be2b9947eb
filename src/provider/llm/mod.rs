//! Text generation.

use crate::runtime::entities::{Credentials, LlmRequest, LlmTokensRequest, ModelRef};
use crate::runtime::{Context, InvokeError, LlmOutput};

pub async fn invoke(_cx: &Context, _request: LlmRequest, _out: LlmOutput) -> Result<(), InvokeError> { Err(InvokeError::bad_request("later")) }
pub async fn validate(_cx: &Context, model: &ModelRef) -> Result<Credentials, InvokeError> { Ok(model.credentials.clone()) }
pub async fn count_tokens(_cx: &Context, _request: LlmTokensRequest) -> Result<u64, InvokeError> { Ok(0) }
