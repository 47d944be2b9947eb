use super::*;
use crate::runtime::entities::LlmRequest;

#[test]
fn a_call_can_run_on_any_thread() {
    fn sendable<T: Send>(_: impl FnOnce(Context, LlmRequest, LlmOutput) -> T) {}
    sendable(|cx, request, out| async move { crate::provider::llm::invoke(&cx, request, out).await });
}
