//! The numbers that are promised.

use crate::gateway::hostile;
use crate::host::route;
use crate::plugin::{MEMORY, Plugin, ask, ask_model, credentials};
use higress_dify_plugin::standin::auth::Access;
use higress_dify_plugin::standin::{Config, spawn};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_max_worker_calls_wait_in_order_while_heartbeats_go_on() {
    let settings = [("MAX_WORKER", "2"), ("HEARTBEAT_INTERVAL", "0.2")];
    let (mut plugin, standin) = (Plugin::start(&settings).await, spawn(Config::default()).unwrap());
    for number in 0..10 {
        let credentials = credentials(&standin.url(Access::Open), &json!({}));
        plugin.send(ask_model(&number.to_string(), "pace-20ms-20", credentials, true)).await;
    }
    let mut order = Vec::new();
    while order.len() < 10 {
        assert!(plugin.read().await);
        order.extend(
            (0..10)
                .filter(|number| plugin.has_ended(&number.to_string()) && !order.contains(number))
                .collect::<Vec<_>>(),
        );
        assert!(standin.stats().requests_in_flight <= 2);
    }
    // Two run at a time, so that neighbours may change places.
    assert!(order.iter().enumerate().all(|(place, number)| place.abs_diff(*number) <= 1), "{order:?}");
    assert!(plugin.heartbeats.len() >= 5, "{} heartbeats", plugin.heartbeats.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_come_on_time_while_every_core_is_busy() {
    let (mut plugin, gateway) = (Plugin::start(&[("HEARTBEAT_INTERVAL", "0.2")]).await, hostile().await);
    for number in 0..40 {
        plugin.ask(&number.to_string(), &gateway.url("endless-stream"), json!({"total_timeout": 12})).await;
    }
    for number in 0..40 {
        plugin.hear(&number.to_string()).await.assert_error("InvokeConnectionError", "total_timeout");
    }
    let gaps = plugin.heartbeats.windows(2).map(|pair| pair[1] - pair[0]);
    // Late would be one that waits until the streams end.
    assert!(gaps.max().unwrap() < Duration::from_secs(8), "{:?}", plugin.heartbeats);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_open_no_more_connections_than_run_at_once_and_close_them() {
    let (mut plugin, standin) = (Plugin::start(&[("MAX_WORKER", "20")]).await, spawn(Config::default()).unwrap());
    for number in 0..1000 {
        plugin.send(ask(&number.to_string(), &standin.url(Access::Open), &json!({}), true)).await;
    }
    for number in 0..1000 {
        plugin.hear(&number.to_string()).await.assert_answer();
    }
    let opened = standin.stats().connections_opened;
    assert!(opened <= 40, "{opened} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_outs_are_kept_by_the_process_as_a_whole() {
    let (mut plugin, gateway) = (Plugin::start(&[]).await, hostile().await);
    for (behaviour, options, words) in [
        ("stall", json!({"first_byte_timeout": 1}), "first_byte_timeout"),
        ("stall-head", json!({"idle_timeout": 1}), "idle_timeout"),
        ("endless-comments", json!({"total_timeout": 1}), "total_timeout"),
    ] {
        let begun = Instant::now();
        plugin.ask(behaviour, &gateway.url(behaviour), options).await;
        plugin.hear(behaviour).await.assert_error("InvokeConnectionError", words);
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(20), "{behaviour}: {took:?}");
    }
    plugin.assert_peak("time-outs", MEMORY);
    plugin.send(ask("next", &route(), &json!({}), true)).await;
    plugin.hear("next").await.assert_answer();
}
