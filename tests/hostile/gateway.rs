//! The hostile gateway, every behaviour of it.

use crate::plugin::{MEMORY, MEMORY_OF_THE_LARGEST, Plugin, SOON, ask};
use higress_dify_plugin::standin::auth::Access;
use higress_dify_plugin::standin::hostile::{self, BEHAVIOURS, Hostile, RECORDED, refusing_addr};
use higress_dify_plugin::standin::{Config, Standin, spawn};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::time::{Instant, timeout};

const CONNECTION: &str = "InvokeConnectionError";
const SERVER: &str = "InvokeServerUnavailableError";
const REQUEST: &str = "InvokeBadRequestError";

pub(crate) async fn hostile() -> Hostile {
    hostile::spawn(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap()
}

/// A behaviour, what it must come to (an answer, or an error of a kind with words), and the options it is called with.
struct Row {
    behaviour: &'static str,
    error: Option<(&'static str, &'static str)>,
    options: Value,
}

fn rows() -> Vec<Row> {
    let row = |behaviour, error, options| Row { behaviour, error, options };
    let first_byte = || json!({"first_byte_timeout": 1});
    let idle = || json!({"idle_timeout": 1});
    let total = || json!({"total_timeout": 2});
    let none = || json!({});
    let closed = Some((CONNECTION, "closed the connection without an answer"));
    let broken = Some((CONNECTION, "broke off"));
    let stopped = Some((CONNECTION, "nothing more came for 1 s (idle_timeout)"));
    let overdue = Some((CONNECTION, "not complete after 2 s (total_timeout)"));
    let too_large = Some((SERVER, "larger than 64 MiB"));
    let no_http = Some((SERVER, "does not answer in HTTP"));
    vec![
        row("ok", None, none()),
        row("reset", closed, none()),
        row("close", closed, none()),
        row("stall", Some((CONNECTION, "did not answer within 1 s (first_byte_timeout)")), first_byte()),
        row("stall-head", stopped, idle()),
        row("stall-300", stopped, idle()),
        row("drip-100", overdue, total()),
        row("cut-300", broken, none()),
        row("reset-300", broken, none()),
        row("half-closed-300", broken, none()),
        row("endless-stream", overdue, total()),
        row("endless-line", Some((SERVER, "larger than 8388608 bytes")), none()),
        row("endless-comments", overdue, total()),
        row("endless-header", no_http, none()),
        row("endless-body", too_large, none()),
        row("header-flood", no_http, none()),
        row("informational-100", None, none()),
        row("endless-informational", Some((CONNECTION, "(total_timeout)")), total()),
        row("body-104857600", too_large, none()),
        row("bomb-1073741824", too_large, none()),
        row("html", Some((SERVER, "HTML page")), none()),
        row("wrong-type", None, none()),
        row("no-type", None, none()),
        row("bad-utf8", None, none()),
        row("long-length", broken, none()),
        row("short-length", Some((SERVER, "not valid JSON")), none()),
        row("two-lengths", no_http, none()),
        row("bad-chunk", Some((SERVER, "is not valid HTTP")), none()),
        row("redirect-301", Some((REQUEST, "301")), none()),
        row("redirect-307", Some((REQUEST, "Redirects are not followed")), none()),
        row("not-http", no_http, none()),
        row("early", Some((REQUEST, "413")), none()),
        row("empty", Some((SERVER, "the body is empty")), none()),
        row("dense-67000000", Some((SERVER, "more than 100000 objects and lists")), none()),
        row("texts-20000000", None, none()),
        row("large-events-1", None, none()),
        row("tiny-events-20000000", Some((SERVER, "there is no answer in the reply")), none()),
    ]
}

/// A well-behaved route, and a call there that runs all along: two hundred numbers, one every 20 ms.
fn neighbour(standin: &Standin) -> String {
    standin.url(Access::Open)
}

fn numbers(count: usize) -> String {
    (0..count).map(|number| format!("{number} ")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_behaviour_has_its_error_in_time_and_in_bounded_memory_beside_a_living_neighbour() {
    let (gateway, standin) = (hostile().await, spawn(Config::default()).unwrap());
    for Row { behaviour, error, options } in rows() {
        let mut plugin = Plugin::start(&[]).await;
        let slow = crate::plugin::credentials(&neighbour(&standin), &json!({}));
        plugin.send(crate::plugin::ask_model("neighbour", "pace-5ms-100", slow, true)).await;
        // Events and whole answers are read in different ways.
        for stream in [true, false] {
            let session = format!("{behaviour} {stream}");
            plugin.send(ask(&session, &gateway.url(behaviour), &options, stream)).await;
            let said = plugin.hear(&session).await;
            match error {
                Some((kind, words)) => said.assert_error(kind, words),
                None => said.assert_answer(),
            }
        }
        let neighbour = plugin.hear("neighbour").await;
        neighbour.assert_answer();
        assert_eq!(neighbour.text, numbers(100), "{behaviour}");
        plugin.assert_peak(behaviour, MEMORY);
        plugin.ask("next", &gateway.url("ok"), json!({})).await;
        plugin.hear("next").await.assert_answer();
        plugin.close_input();
        let ended = plugin.ended().await;
        assert!(ended.status.success() && ended.stderr.is_empty(), "{behaviour}: {}", ended.stderr);
    }
}

#[test]
fn every_behaviour_has_its_row() {
    for (name, _) in BEHAVIOURS {
        let base = name.trim_end_matches("-<n>");
        assert!(rows().iter().any(|row| row.behaviour.starts_with(base)), "{name} is not tried");
    }
}

#[tokio::test]
async fn nobody_listening_is_told_at_once() {
    let mut plugin = Plugin::start(&[]).await;
    let begun = Instant::now();
    plugin.ask("S", &format!("http://{}", refusing_addr().unwrap()), json!({})).await;
    plugin.hear("S").await.assert_error(CONNECTION, "Nothing listens");
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "no waiting for a time-out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_cut_at_any_byte_is_an_answer_or_an_error_and_never_a_false_one() {
    let gateway = hostile().await;
    let mut plugin = Plugin::start(&[]).await;
    plugin.ask("whole", &gateway.url("ok"), json!({})).await;
    let whole = plugin.hear("whole").await;
    for cut in 0..=RECORDED.len() {
        plugin.ask(&cut.to_string(), &gateway.url(&format!("cut-{cut}")), json!({})).await;
    }
    for cut in 0..=RECORDED.len() {
        let said = plugin.hear(&cut.to_string()).await;
        assert!(whole.text.starts_with(said.text.trim_end_matches("\n</think>\n\n")), "{cut}: {}", said.text);
        match said.error {
            None => assert_eq!(said.text, whole.text, "{cut}: half an answer must not look whole"),
            Some(_) => said.assert_error(CONNECTION, "broke off"),
        }
        assert_eq!((said.ends, said.after_end), (1, 0));
    }
    plugin.assert_peak("a stream cut at each byte", MEMORY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_answers_at_once_take_turns_and_stay_in_bounds() {
    let (gateway, standin) = (hostile().await, spawn(Config::default()).unwrap());
    for (behaviour, words) in [
        ("endless-body", "larger than 64 MiB"),
        ("endless-line", "larger than 8388608 bytes"),
        ("bomb-1073741824", "larger than 64 MiB"),
    ] {
        let mut plugin = Plugin::start(&[]).await;
        for number in 0..12 {
            plugin.ask(&format!("{number}"), &gateway.url(behaviour), json!({})).await;
        }
        plugin.ask("small", &neighbour(&standin), json!({})).await;
        for number in 0..12 {
            plugin.hear(&number.to_string()).await.assert_error(SERVER, words);
        }
        plugin.hear("small").await.assert_answer();
        plugin.assert_peak(&format!("12 times {behaviour}"), MEMORY);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_events_at_once_take_turns_and_stay_in_bounds() {
    let gateway = hostile().await;
    let mut plugin = Plugin::start(&[]).await;
    for number in 0..12 {
        plugin.ask(&number.to_string(), &gateway.url("large-events-1"), json!({})).await;
    }
    for number in 0..12 {
        plugin.hear(&number.to_string()).await.assert_answer();
    }
    plugin.assert_peak("12 times large-events", MEMORY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_among_two_hundred_streams_harms_none() {
    let (gateway, standin) = (hostile().await, spawn(Config::default()).unwrap());
    let mut plugin = Plugin::start(&[]).await;
    for number in 0..200 {
        let credentials = crate::plugin::credentials(&neighbour(&standin), &json!({}));
        plugin.send(crate::plugin::ask_model(&number.to_string(), "pace-20ms-100", credentials, true)).await;
        if number == 100 {
            plugin.ask("bomb", &gateway.url("bomb-1073741824"), json!({})).await;
        }
    }
    plugin.hear("bomb").await.assert_error(SERVER, "larger than 64 MiB");
    for number in 0..200 {
        let said = plugin.hear(&number.to_string()).await;
        said.assert_answer();
        assert_eq!(said.text, numbers(100));
    }
    plugin.assert_peak("a bomb among 200 streams", MEMORY_OF_THE_LARGEST);
}

#[tokio::test]
async fn an_upload_that_is_refused_half_way_says_why() {
    let gateway = hostile().await;
    let mut plugin = Plugin::start(&[]).await;
    let line =
        ask("S", &gateway.url("early"), &json!({}), true).replace("\"hi\"", &format!("\"{}\"", "x".repeat(20 << 20)));
    plugin.send(line).await;
    // The refusal may be lost with the connection; what to do is the same.
    plugin.hear("S").await.assert_error(REQUEST, "raise the gateway's body limit");
    plugin.assert_peak("a refused upload of 20 MiB", MEMORY);
    timeout(SOON, async {
        while gateway.connections_open() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its connection is closed");
}
