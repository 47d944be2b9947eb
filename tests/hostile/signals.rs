//! How the process ends.

use crate::gateway::hostile;
use crate::host::route;
use crate::plugin::{Plugin, SOON, ask_model, credentials};
use rustix::process::Signal;
use serde_json::json;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;
use tokio::time::{Instant, timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_process_finishes_what_runs_refuses_what_comes_and_exits_with_0() {
    let (mut plugin, route) = (Plugin::start(&[]).await, route());
    for number in 0..20 {
        let credentials = credentials(&route, &json!({}));
        plugin.send(ask_model(&number.to_string(), "pace-20ms-100", credentials, true)).await;
    }
    plugin.until("every first chunk", |plugin| plugin.heard.len() == 20).await;
    plugin.signal(Signal::TERM);
    // Taken in once the signal has been: until then a call is served.
    plugin.until("a refusal", |_| true).await;
    let ended = plugin.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    for said in ended.heard.values() {
        said.assert_answer();
        assert!(said.text.ends_with("98 99 "));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_process_gives_up_after_thirty_seconds_and_says_so() {
    let (mut plugin, gateway) = (Plugin::start(&[]).await, hostile().await);
    plugin.ask("S", &gateway.url("stall-300"), json!({})).await;
    plugin.until("a chunk", |plugin| plugin.heard.contains_key("S")).await;
    plugin.signal(Signal::TERM);
    let begun = Instant::now();
    let ended = plugin.ended().await;
    ended.heard["S"].assert_error("InvokeServerUnavailableError", "the plugin is being stopped");
    assert_eq!(ended.status.code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_secs(29), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_ends_it_at_once_also_in_a_flood_that_nobody_reads() {
    let (mut plugin, gateway) = (Plugin::start(&[]).await, hostile().await);
    for number in 0..20 {
        plugin.ask(&number.to_string(), &gateway.url("endless-stream"), json!({})).await;
    }
    plugin.until("every first chunk", |plugin| plugin.heard.len() == 20).await;
    let begun = Instant::now();
    // Signals that a busy process has not seen yet count as one, so more than two may be needed.
    while plugin.is_alive() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it waits for its grace");
        plugin.signal(Signal::TERM);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    timeout(SOON, async {
        while gateway.connections_open() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("nothing is left at the gateway");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_gone_ends_the_process_by_itself_and_not_by_a_signal() {
    let (mut plugin, gateway) = (Plugin::start(&[("HEARTBEAT_INTERVAL", "0.2")]).await, hostile().await);
    plugin.ask("S", &gateway.url("stall"), json!({})).await;
    // What is left of a parent that was killed: closed pipes, both of them.
    plugin.close_output();
    plugin.close_input();
    let ended = plugin.ended().await;
    assert_eq!((ended.status.code(), ended.status.signal()), (Some(1), None), "no death by SIGPIPE");
}
