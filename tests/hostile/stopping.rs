//! Stop: the gateway sees that nobody waits any more.

use crate::gateway::hostile;
use crate::plugin::{Plugin, SOON};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What the Dify plugin daemon says to a question of a model plugin on a session it knows.
fn refusal(question: &Value) -> String {
    let lines = ["error", "end"].map(|event| {
        json!({"session_id": question["session_id"], "event": "backwards_response", "data": {
            "backwards_request_id": question["data"]["data"]["backwards_request_id"], "event": event,
            "message": "you can not invoke dify from model", "data": {},
        }})
        .to_string()
            + "\n"
    });
    lines.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_of_a_call_whose_client_has_left_is_closed_within_fifteen_seconds_and_no_other() {
    let (mut plugin, gateway) = (Plugin::start(&[]).await, hostile().await);
    plugin.ask("gone", &gateway.url("drip-50"), json!({})).await;
    plugin.ask("here", &gateway.url("drip-20"), json!({})).await;
    let (mut answered, mut left, mut noticed) = (0, None, None);
    while !plugin.has_ended("gone") || !plugin.has_ended("here") {
        assert!(timeout(SOON, plugin.read()).await.unwrap());
        for question in std::mem::take(&mut plugin.others) {
            if question["data"]["type"] != "invoke" || (left.is_some() && question["session_id"] == "gone") {
                continue;
            }
            plugin.send(refusal(&question)).await;
            answered += 1;
            if question["session_id"] == "gone" {
                left = Some(Instant::now());
            }
        }
        if noticed.is_none() && gateway.connections_open() < 2 && plugin.heard.contains_key("here") {
            noticed = left.map(|left| left.elapsed());
        }
    }
    plugin.heard["gone"].assert_error("InvokeConnectionError", "nobody waits");
    plugin.heard["here"].assert_answer();
    // Fifteen by the clock of the process; the machine of a test may be busy.
    let noticed = noticed.expect("the gateway sees its connection closed");
    assert!(noticed < Duration::from_secs(20) && answered > 2, "{noticed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_nothing_is_asked() {
    let settings = [("HIGRESS_STOP_PROBE", "off")];
    let (mut plugin, gateway) = (Plugin::start(&settings).await, hostile().await);
    plugin.ask("S", &gateway.url("drip-5"), json!({})).await;
    plugin.hear("S").await.assert_answer();
    assert!(!plugin.others.iter().any(|event| event["data"]["type"] == "invoke"));
}
