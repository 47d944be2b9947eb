use crate::support::{OPTIONS, Said, ask, ask_with, embed, scene, scene_on};
use higress_dify_plugin::runtime::server::{Outcome, ServeOptions};
use higress_dify_plugin::runtime::transport::{Inbound, memory};
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn the_first_heartbeat_leaves_at_once_and_the_next_one_every_period() {
    let (connection, host) = memory::connect(Some(Duration::from_secs(10)));
    let mut scene = scene_on(connection, host, OPTIONS);
    let start = Instant::now();
    for beat in 0..5_u32 {
        let line = scene.host.line().await.unwrap();
        assert_eq!(&line[..], br#"{"event":"heartbeat","session_id":null,"data":{}}"#);
        let due = Duration::from_secs(10) * beat;
        assert!(start.elapsed() >= due && start.elapsed() < due + Duration::from_millis(5), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_thousand_parallel_sessions_each_get_their_own_whole_answer() {
    let mut scene = scene(OPTIONS);
    let mut heard: HashMap<String, Said> = HashMap::new();
    for number in 0..1000 {
        scene.host.send(ask(&format!("s{number}"), &format!("tick 1 {}", number % 7 + 1))).await;
    }
    scene.host.close_input();
    while let Some(event) = scene.host.event().await {
        let session = event["session_id"].as_str().expect("a whole line of a session").to_owned();
        heard.entry(session).or_default().hear(&event["data"]);
    }
    assert_eq!(heard.len(), 1000);
    for number in 0..1000 {
        let said = &heard[&format!("s{number}")];
        said.assert_whole();
        let words = (0..=number % 7).fold(String::new(), |text, word| text + &word.to_string() + " ");
        assert_eq!(said.text(), words);
    }
    assert_eq!(scene.server.await.unwrap(), Outcome::InputEnded);
}

#[tokio::test]
async fn an_action_that_does_not_stream_answers_once() {
    let mut scene = scene(OPTIONS);
    scene.host.send(embed("S", &["3", "x"])).await;
    let said = scene.hear("S").await;
    assert_eq!((said.results.len(), said.errors.len(), said.ends), (1, 0, 1));
    assert_eq!(said.results[0]["embeddings"], json!([[1, 1, 1], [1, 1, 1]]));
}

#[tokio::test(start_paused = true)]
async fn a_slow_session_does_not_delay_a_quick_one() {
    let mut scene = scene(OPTIONS);
    scene.host.send(ask("slow", "sleep 60")).await;
    let start = Instant::now();
    scene.call("quick", "say now").await.assert_whole();
    assert!(start.elapsed() < Duration::from_secs(1));
    scene.hear("slow").await.assert_whole();
}

#[tokio::test]
async fn a_panic_ends_its_own_session_only_and_shows_nothing_of_itself() {
    let mut scene = scene(OPTIONS);
    scene.host.send(ask("other", "tick 5 20")).await;
    scene.host.send(ask("S", "panic")).await;
    let said = scene.hear("S").await;
    assert_eq!(said.error_type(), "InvokeServerUnavailableError");
    assert!(said.error_text().contains("internal error") && !said.error_text().contains("secret"));
    scene.hear("other").await.assert_whole();
    scene.call("again", "say still here").await.assert_whole();
}

#[tokio::test]
async fn an_answer_without_its_last_chunk_is_an_error() {
    let mut scene = scene(OPTIONS);
    assert!(scene.call("S", "unfinished").await.error_text().contains("not finished"));
}

#[tokio::test]
async fn a_request_that_cannot_be_served_says_why() {
    let mut scene = scene(OPTIONS);
    for (data, why) in [
        (r#"{"type":"model","action":"invoke_tts"}"#, "invoke_tts"),
        (r#"{"type":"model","action":"nonsense"}"#, "nonsense"),
        (r#"{"type":"model"}"#, "action"),
        (r#"{"type":"tool","action":"invoke_llm"}"#, "tool"),
        (r#"{"type":"model","action":"invoke_rerank","model":"m","query":"q","docs":[]}"#, "invoke_rerank"),
        (r#"{"type":"model","action":"invoke_llm"}"#, "model"),
        (r#"{"type":7}"#, "cannot be read"),
        ("[]", "cannot be read"),
        ("3", "cannot be read"),
    ] {
        scene.host.send(format!(r#"{{"session_id":"S","event":"request","data":{data}}}"#)).await;
        let said = scene.hear("S").await;
        assert_eq!(said.error_type(), "InvokeBadRequestError", "{data}");
        assert!(said.error_text().contains(why), "{data}: {}", said.error_text());
    }
}

#[tokio::test]
async fn a_bad_line_gives_one_error_and_the_process_goes_on() {
    let mut scene = scene(OPTIONS);
    for line in ["garbage", "{", "[]", "null", "{}", r#"{"event":"request","data":{}}"#, "\u{1F600}"] {
        scene.host.send(line).await;
        let event = scene.host.event().await.unwrap();
        assert_eq!((&event["event"], &event["session_id"]), (&json!("error"), &json!(null)), "{line}");
        assert!(event["data"]["error"].is_string());
    }
    scene.host.send_inbound(Inbound::TooLong).await;
    let event = scene.host.event().await.unwrap();
    assert!(event["data"]["error"].as_str().unwrap().contains("134217728"), "{event}");
    scene.host.send(&b"\xff\xfe"[..]).await;
    assert_eq!(scene.host.event().await.unwrap()["event"], "error");
    scene.call("S", "say on").await.assert_whole();
}

#[tokio::test]
async fn a_bad_line_that_names_its_session_ends_it() {
    let mut scene = scene(OPTIONS);
    scene.host.send(r#"{"session_id":"S","event":"hello","data":{}}"#).await;
    assert!(scene.hear("S").await.error_text().contains("hello"));
    scene.host.send(r#"{"session_id":"S","event":"request"}"#).await;
    assert!(scene.hear("S").await.error_text().contains("data"));
}

#[tokio::test(start_paused = true)]
async fn lines_about_a_running_session_do_not_disturb_it() {
    let mut scene = scene(OPTIONS);
    scene.host.send(ask("S", "tick 100 10")).await;
    scene.host.send(ask("S", "say something else")).await;
    scene.host.send(r#"{"session_id":"S","event":"hello","data":{}}"#).await;
    scene.host.send(r#"{"session_id":"S","event":"backwards_response","data":{"event":"end"}}"#).await;
    let mut said = Said::default();
    let mut complaints = 0;
    while said.ends == 0 {
        let event = scene.host.event().await.unwrap();
        match event["event"].as_str() {
            Some("error") => complaints += 1,
            _ => said.hear(&event["data"]),
        }
    }
    said.assert_whole();
    assert_eq!(said.text(), "0 1 2 3 4 5 6 7 8 9 ");
    assert_eq!(complaints, 2);
    scene.call("S", "say free again").await.assert_whole();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_input_lets_running_sessions_finish() {
    let mut scene = scene(ServeOptions { max_sessions: 2, ..OPTIONS });
    for session in ["a", "b", "c"] {
        scene.host.send(ask(session, "sleep 30")).await;
    }
    scene.host.close_input();
    let mut heard: HashMap<String, Said> = HashMap::new();
    while let Some(event) = scene.host.event().await {
        heard.entry(event["session_id"].as_str().unwrap().to_owned()).or_default().hear(&event["data"]);
    }
    assert_eq!(heard.len(), 3);
    heard.values().for_each(Said::assert_whole);
    assert_eq!(scene.server.await.unwrap(), Outcome::InputEnded);
}

#[tokio::test(start_paused = true)]
async fn above_the_worker_limit_sessions_wait_in_order_while_heartbeats_go_on() {
    let (connection, host) = memory::connect(Some(Duration::from_secs(10)));
    let mut scene = scene_on(connection, host, ServeOptions { max_sessions: 1, ..OPTIONS });
    for session in ["a", "b", "c"] {
        scene.host.send(ask(session, "sleep 30")).await;
    }
    let (mut order, mut beats) = (Vec::new(), 0);
    while order.len() < 3 {
        let event = scene.host.event().await.unwrap();
        match event["event"].as_str() {
            Some("heartbeat") => beats += 1,
            _ if event["data"]["type"] == "end" => order.push(event["session_id"].as_str().unwrap().to_owned()),
            _ => assert_eq!(scene.provider.running.load(Ordering::SeqCst).max(1), 1),
        }
    }
    assert_eq!(order, ["a", "b", "c"]);
    assert!(beats >= 9, "{beats}");
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_what_may_wait_are_refused_and_the_others_served() {
    let mut scene = scene(ServeOptions { max_sessions: 1, ..OPTIONS });
    let padding = "x".repeat(20 * 1024 * 1024);
    scene.host.send(ask("running", "sleep 5")).await;
    for number in 0..4 {
        scene.host.send(ask_with(&format!("w{number}"), "say ok", true, &json!({"padding": padding}))).await;
    }
    let refused = scene.hear("w3").await;
    assert_eq!(refused.error_type(), "InvokeServerUnavailableError");
    assert!(refused.error_text().contains("64 MiB") && refused.error_text().contains("MAX_WORKER"));
    scene.hear("w2").await.assert_whole();
}

#[tokio::test(start_paused = true)]
async fn a_session_over_its_ceiling_is_given_up() {
    let mut scene = scene(ServeOptions { session_ceiling: Duration::from_secs(60), ..OPTIONS });
    let start = Instant::now();
    let said = scene.call("S", "sleep 1000").await;
    assert_eq!(said.error_type(), "InvokeServerUnavailableError");
    assert!(said.error_text().contains("60 s"));
    assert!(start.elapsed() < Duration::from_secs(62));
    assert_eq!(scene.provider.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_gentle_stop_serves_what_runs_and_refuses_what_comes() {
    let mut scene = scene(OPTIONS);
    scene.host.send(ask("S", "sleep 20")).await;
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.stop.gently.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(scene.call("late", "say no").await.error_text().contains("being stopped"));
    scene.hear("S").await.assert_whole();
    assert_eq!(scene.host.event().await, None);
    assert_eq!(scene.server.await.unwrap(), Outcome::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_gentle_stop_ends_after_its_grace_with_an_error_for_what_still_runs() {
    let mut scene = scene(OPTIONS);
    scene.host.send(ask("S", "sleep 500")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    scene.stop.gently.cancel();
    assert!(scene.hear("S").await.error_text().contains("being stopped"));
    assert_eq!(scene.server.await.unwrap(), Outcome::Stopped);
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_second_request_to_stop_ends_at_once() {
    let scene = scene(OPTIONS);
    scene.host.send(ask("S", "sleep 500")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    scene.stop.gently.cancel();
    scene.stop.now.cancel();
    assert_eq!(scene.server.await.unwrap(), Outcome::Stopped);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(scene.provider.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_closed_output_cancels_every_session() {
    let (connection, host) = memory::connect(Some(Duration::from_secs(10)));
    let scene = scene_on(connection, host, OPTIONS);
    for session in ["a", "b"] {
        scene.host.send(ask(session, "sleep 500")).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.provider.running.load(Ordering::SeqCst), 2);
    drop(scene.host);
    assert_eq!(scene.server.await.unwrap(), Outcome::OutputClosed);
    assert_eq!(scene.provider.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_server_cancels_every_session() {
    let scene = scene(OPTIONS);
    scene.host.send(ask("S", "sleep 500")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.server.abort();
    assert!(scene.server.await.unwrap_err().is_cancelled());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.provider.running.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn where_lines_without_a_session_are_errors_none_is_sent() {
    let mut scene = scene(ServeOptions { notices: false, ..OPTIONS });
    scene.host.send("garbage").await;
    scene.call("S", "say on").await.assert_whole();
    scene.host.close_input();
    assert_eq!(scene.host.event().await, None);
}
