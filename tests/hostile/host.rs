//! A host that sends and reads what no host should.

use crate::plugin::{MEMORY, MEMORY_OF_THE_LARGEST, Plugin, ask, ask_model, credentials};
use higress_dify_plugin::standin::auth::Access;
use higress_dify_plugin::standin::{Config, spawn};
use serde_json::{Value, json};

/// The route of a well-behaved gateway; it lives as long as the test's runtime.
pub(crate) fn route() -> String {
    let standin = spawn(Config::default()).unwrap();
    let url = standin.url(Access::Open);
    drop(tokio::spawn(async move {
        let _standin = standin;
        std::future::pending::<()>().await;
    }));
    url
}

fn complaints(plugin: &Plugin) -> Vec<&str> {
    let errors = plugin.others.iter().filter(|event| event["event"] == "error");
    errors.map(|event| event["data"]["error"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn garbage_is_complained_about_line_by_line_and_nothing_else_happens() {
    let mut plugin = Plugin::start(&[]).await;
    let deep = [b"[".repeat(1_000_000), b"\n".to_vec()].concat();
    let deep_data = [br#"{"session_id":"deep","event":"request","data":"#.to_vec(), deep.clone()].concat();
    let long_id = format!("{{\"session_id\":\"{}\",\"event\":\"request\",\"data\":{{}}}}\n", "i".repeat(1 << 20));
    let lines: [&[u8]; 11] = [
        b"garbage\n",
        b"{\n",
        b"\0\0\0\n",
        b"\xff\xfe\xc0{}\n",
        b"{\"session_id\":\"\xff\",\"event\":\"request\",\"data\":{}}\n",
        b"{\"session_id\":1e999,\"event\":\"request\",\"data\":{}}\n",
        b"{\"session_id\":\"a\",\"session_id\":\"b\",\"event\":\"request\",\"data\":{}}\n",
        b"[\"S\",\"request\",null,{}]\n",
        &deep,
        &deep_data,
        long_id.as_bytes(),
    ];
    for line in lines {
        plugin.send(line).await;
    }
    plugin.send(b" \t\r\n\n\r\n").await;
    plugin.send(ask("S", &route(), &json!({}), true)).await;
    plugin.hear("S").await.assert_answer();
    assert_eq!(complaints(&plugin).len(), lines.len(), "{:?}", complaints(&plugin));
    assert!(plugin.heard.keys().eq(["S"]));
    plugin.assert_peak("garbage", MEMORY);
}

#[tokio::test]
async fn a_line_that_comes_byte_by_byte_is_a_line() {
    let mut plugin = Plugin::start(&[]).await;
    for byte in ask("S", &route(), &json!({}), true).into_bytes() {
        plugin.send([byte]).await;
    }
    plugin.hear("S").await.assert_answer();
}

#[tokio::test]
async fn unknown_keys_do_not_matter_and_unknown_events_and_actions_have_their_error() {
    let mut plugin = Plugin::start(&[]).await;
    let mut line: Value = serde_json::from_str(&ask("S", &route(), &json!({}), true)).unwrap();
    line["tenant_id"] = json!({"a": [1, {"b": null}]});
    line["data"]["surprise"] = json!([[[]], 1e300]);
    plugin.send(format!("{line}\n")).await;
    plugin.hear("S").await.assert_answer();
    for (session, event, data) in [
        ("tts", "request", json!({"type": "model", "action": "invoke_tts"})),
        ("nonsense", "request", json!({"type": "model", "action": "\u{0}nonsense"})),
        ("tool", "request", json!({"type": "tool", "action": "invoke"})),
        ("list", "request", json!([1])),
        ("number", "request", json!(7)),
        ("event", "shrug", json!({})),
    ] {
        plugin.send(format!("{}\n", json!({"session_id": session, "event": event, "data": data}))).await;
        plugin.hear(session).await.assert_error("InvokeBadRequestError", "");
    }
}

#[tokio::test]
async fn data_of_the_wrong_type_has_an_error_that_names_it() {
    let mut plugin = Plugin::start(&[]).await;
    let line: Value = serde_json::from_str(&ask("S", &route(), &json!({}), true)).unwrap();
    for (number, (key, value)) in [
        ("model", json!(7)),
        ("credentials", json!("secret")),
        ("credentials", json!({"endpoint_url": ["x"]})),
        ("prompt_messages", json!({"role": "user"})),
        ("prompt_messages", json!([{"role": "", "content": ""}])),
        ("prompt_messages", json!([7])),
        ("model_parameters", json!([1])),
        ("tools", json!("tool")),
        ("stream", json!("perhaps")),
    ]
    .into_iter()
    .enumerate()
    {
        let session = number.to_string();
        let mut line = line.clone();
        line["session_id"] = json!(session);
        line["data"][key] = value;
        plugin.send(format!("{line}\n")).await;
        let said = plugin.hear(&session).await;
        // Some are understood, as the daemon and older hosts write them; none is left without an end.
        if said.error.is_some() {
            said.assert_error("InvokeBadRequestError", "");
        } else {
            said.assert_answer();
        }
    }
}

#[tokio::test]
async fn a_prompt_that_the_host_cut_off_says_so() {
    let mut plugin = Plugin::start(&[]).await;
    let mut line: Value = serde_json::from_str(&ask("S", &route(), &json!({}), true)).unwrap();
    line["data"]["prompt_messages"] = json!([{"role": "", "content": null, "name": "", "tool_calls": null}]);
    plugin.send(format!("{line}\n")).await;
    plugin.hear("S").await.assert_error("InvokeBadRequestError", "role");
}

#[tokio::test]
async fn a_repeated_session_id_does_not_disturb_the_call_that_runs() {
    let (mut plugin, route) = (Plugin::start(&[]).await, route());
    plugin.send(ask_model("S", "pace-5ms-200", credentials(&route, &json!({})), true)).await;
    plugin.send(ask("S", &route, &json!({}), true)).await;
    let said = plugin.hear("S").await;
    said.assert_answer();
    assert!(said.text.starts_with("0 1 2 ") && said.text.ends_with("198 199 "), "{}", said.text);
    assert!(complaints(&plugin)[0].contains("already in progress"));
    plugin.send(ask("S", &route, &json!({}), true)).await;
    plugin.until("a second end", |plugin| plugin.heard["S"].ends == 2).await;
}

#[tokio::test]
async fn a_line_of_a_hundred_megabytes_is_read_and_one_over_the_limit_is_skipped_by_name() {
    let (mut plugin, route) = (Plugin::start(&[]).await, route());
    let line = ask("S", &route, &json!({}), true);
    let padded = |bytes: usize| line.replace("\"hi\"", &format!("\"hi\",\"padding\":\"{}\"", "x".repeat(bytes)));
    plugin.send(padded(100 << 20)).await;
    plugin.hear("S").await.assert_answer();
    plugin.send(padded(130 << 20)).await;
    plugin.until("a complaint", |plugin| !complaints(plugin).is_empty()).await;
    assert!(complaints(&plugin)[0].contains("134217728 bytes (128 MiB)"));
    plugin.send("x".repeat(100 << 20) + "\n").await;
    plugin.until("another", |plugin| complaints(plugin).len() == 2).await;
    plugin.send(ask("T", &route, &json!({}), true)).await;
    plugin.hear("T").await.assert_answer();
    plugin.assert_peak("lines of 100 MiB", MEMORY_OF_THE_LARGEST);
}

#[tokio::test]
async fn a_prompt_of_a_hundred_megabytes_is_sent_in_bounded_memory() {
    let (mut plugin, gateway) = (Plugin::start(&[]).await, crate::gateway::hostile().await);
    let line = ask("S", &gateway.url("ok"), &json!({}), true);
    plugin.send(line.replace("\"hi\"", &format!("\"{}\"", "a line\\n".repeat(100 << 17)))).await;
    plugin.hear("S").await.assert_answer();
    plugin.assert_peak("a prompt of 100 MiB", MEMORY_OF_THE_LARGEST);
}

#[tokio::test]
async fn a_line_of_millions_of_values_is_refused_by_their_number_and_takes_little() {
    let (mut plugin, route) = (Plugin::start(&[]).await, route());
    for (number, (key, piece)) in
        [("prompt_messages", "{},"), ("tools", "{},"), ("stop", "\"\","), ("unknown", "1,")].into_iter().enumerate()
    {
        let session = number.to_string();
        let mut line: Value = serde_json::from_str(&ask(&session, &route, &json!({}), true)).unwrap();
        line["data"][key] = json!("@");
        let values = format!("[{}null]", piece.repeat((16 << 20) / piece.len()));
        plugin.send(line.to_string().replace("\"@\"", &values) + "\n").await;
        plugin.hear(&session).await.assert_error("InvokeBadRequestError", "more than 200000 values");
    }
    plugin.send(ask("next", &route, &json!({}), true)).await;
    plugin.hear("next").await.assert_answer();
    plugin.assert_peak("lines of millions of values", MEMORY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_calls_to_a_host_that_reads_none_of_them_for_a_while_all_end_once() {
    let (mut plugin, route) = (Plugin::start(&[]).await, route());
    let begun = plugin.heartbeats.len();
    for number in 0..5_000 {
        plugin.send(ask_model(&number.to_string(), "flood-20", credentials(&route, &json!({})), true)).await;
    }
    // All of them have been taken in, though not a line was read since the first heartbeat.
    for number in 0..5_000 {
        let said = plugin.hear(&number.to_string()).await;
        said.assert_answer();
        assert!(said.text.ends_with("18 19 "));
    }
    plugin.until("a heartbeat", |plugin| plugin.heartbeats.len() > begun).await;
    plugin.assert_peak("5,000 calls", MEMORY_OF_THE_LARGEST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_that_nobody_reads_stays_small() {
    let (mut plugin, gateway) = (Plugin::start(&[]).await, crate::gateway::hostile().await);
    for number in 0..50 {
        plugin.ask(&number.to_string(), &gateway.url("endless-stream"), json!({"total_timeout": 5})).await;
    }
    // Served only when the calls before have had their time.
    for number in 0..50 {
        plugin.hear(&number.to_string()).await.assert_error("InvokeConnectionError", "total_timeout");
    }
    plugin.assert_peak("50 floods that nobody reads", MEMORY);
}

#[tokio::test]
async fn an_input_that_ends_in_the_middle_of_a_line_ends_the_process_well() {
    let (mut plugin, route) = (Plugin::start(&[]).await, route());
    plugin.send(ask_model("S", "pace-5ms-100", credentials(&route, &json!({})), true)).await;
    plugin.send(br#"{"session_id":"T","event":"requ"#).await;
    plugin.close_input();
    let ended = plugin.ended().await;
    ended.heard["S"].assert_answer();
    assert!(ended.status.success() && ended.heard.len() == 1, "{}", ended.stderr);
}

#[tokio::test]
async fn a_last_line_without_its_newline_is_served() {
    let (mut plugin, route) = (Plugin::start(&[]).await, route());
    plugin.send(ask("S", &route, &json!({}), true).trim_end()).await;
    plugin.close_input();
    plugin.ended().await.heard["S"].assert_answer();
}
