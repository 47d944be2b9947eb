use crate::support::{OPTIONS, Said, ask, ask_with, scene};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const WORDS: usize = 50_000;

fn numbers(count: usize) -> String {
    (0..count).fold(String::new(), |text, number| text + &number.to_string() + " ")
}

#[tokio::test(start_paused = true)]
async fn a_lone_delta_leaves_at_once() {
    let mut scene = scene(OPTIONS);
    scene.host.send(ask("S", "tick 1000 3")).await;
    let start = Instant::now();
    for second in 0..3 {
        let event = scene.host.event().await.unwrap();
        assert_eq!(event["data"]["data"]["delta"]["message"]["content"], format!("{second} "));
        assert_eq!(start.elapsed().as_secs(), second);
    }
    let said = scene.hear("S").await;
    assert_eq!((said.results.len(), said.ends), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_fewer_chunks_and_loses_nothing() {
    let mut scene = scene(OPTIONS);
    scene.host.send(ask("S", &format!("flood {WORDS}"))).await;
    sleep(Duration::from_secs(60)).await;
    let said = scene.hear("S").await;
    said.assert_whole();
    assert_eq!(said.text(), numbers(WORDS));
    assert!(said.results.len() < WORDS / 50, "{} chunks", said.results.len());
}

#[tokio::test(start_paused = true)]
async fn with_merging_off_every_delta_is_a_chunk() {
    let mut scene = scene(OPTIONS);
    scene.host.send(ask_with("S", "flood 5000", true, &json!({"merging": -1}))).await;
    sleep(Duration::from_secs(60)).await;
    let said = scene.hear("S").await;
    said.assert_whole();
    assert_eq!(said.text(), numbers(5000));
    assert_eq!(said.results.len(), 5001);
}

#[tokio::test(start_paused = true)]
async fn a_window_holds_company_back_but_not_the_first_delta_and_not_the_end() {
    let mut scene = scene(OPTIONS);
    scene.host.send(ask_with("S", "tick 10 100", true, &json!({"merging": 200}))).await;
    let start = Instant::now();
    let first = scene.host.event().await.unwrap();
    assert_eq!(first["data"]["data"]["delta"]["message"]["content"], "0 ");
    assert!(start.elapsed() < Duration::from_millis(10));
    let mut said = Said::default();
    said.hear(&first["data"]);
    while said.ends == 0 {
        said.hear(&scene.host.event().await.unwrap()["data"]);
    }
    said.assert_whole();
    assert_eq!(said.text(), numbers(100));
    // A second of text in windows of a fifth of a second, the first delta, and the last chunk.
    assert!((6..=9).contains(&said.results.len()), "{} chunks", said.results.len());
    assert!(start.elapsed() < Duration::from_millis(1030), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_loud_session_does_not_delay_a_quiet_one() {
    let mut scene = scene(OPTIONS);
    for number in 0..8 {
        scene.host.send(ask(&format!("loud{number}"), "flood 2000000")).await;
    }
    sleep(Duration::from_secs(5)).await;
    scene.host.send(ask("quiet", "say here")).await;
    sleep(Duration::from_secs(1)).await;
    let mut bytes_before = 0;
    loop {
        let line = scene.host.line().await.unwrap();
        if line.starts_with(br#"{"event":"session","session_id":"quiet""#) {
            break;
        }
        bytes_before += line.len();
    }
    // What was in the pipe, one batch that was being written, and one turn of each session.
    assert!(bytes_before < 400 * 1024, "{bytes_before} bytes went ahead");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_overtakes_what_sessions_have_queued() {
    let (connection, host) = higress_dify_plugin::runtime::transport::memory::connect(Some(Duration::from_secs(10)));
    let mut scene = crate::support::scene_on(connection, host, OPTIONS);
    scene.host.send(ask("S", "flood 2000000")).await;
    sleep(Duration::from_secs(25)).await;
    let mut bytes_before = 0;
    let mut beats = 0;
    while beats < 2 {
        let line = scene.host.line().await.unwrap();
        bytes_before += line.len();
        beats += usize::from(line.starts_with(br#"{"event":"heartbeat""#));
    }
    assert!(bytes_before < 200 * 1024, "{bytes_before} bytes went ahead");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_read_for_a_minute_gets_everything_afterwards() {
    let mut scene = scene(OPTIONS);
    for number in 0..50 {
        scene.host.send(ask(&format!("s{number}"), "tick 1 2000")).await;
    }
    sleep(Duration::from_secs(60)).await;
    scene.host.close_input();
    let mut heard: HashMap<String, Said> = HashMap::new();
    while let Some(event) = scene.host.event().await {
        heard.entry(event["session_id"].as_str().unwrap().to_owned()).or_default().hear(&event["data"]);
    }
    assert_eq!(heard.len(), 50);
    for said in heard.values() {
        said.assert_whole();
        assert_eq!(said.text(), numbers(2000));
    }
}
