use super::*;
use crate::runtime::entities::LlmRequest;

#[test]
fn a_call_can_run_on_any_thread() {
    fn sendable<T: Send>(_: impl FnOnce(Context, LlmRequest, LlmOutput) -> T) {}
    sendable(|cx, request, out| async move { crate::provider::llm::invoke(&cx, request, out).await });
}

#[tokio::test(start_paused = true)]
async fn all_tries_of_a_call_share_its_limit() {
    let tries = Tries { started: Instant::now(), learned: Learned::default(), left: MAX_LESSONS };
    assert_eq!(tries.rest_of(Duration::from_secs(30)), Duration::from_secs(30));
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(tries.rest_of(Duration::from_secs(30)), Duration::from_secs(10));
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(tries.rest_of(Duration::from_secs(30)), Duration::ZERO);
}
