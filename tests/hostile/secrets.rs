//! Marked secrets on every way to fail: none of them leaves the process, but for the gateway.

use crate::gateway::hostile;
use crate::plugin::{Plugin, ask_model};
use higress_dify_plugin::standin::auth::Access;
use higress_dify_plugin::standin::{Config, SPECIAL_MODELS, spawn};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const API_KEY: &str = "marked-api-key/+7f3a";
const ACCESS_KEY: &str = "AKIDmarked-access-key-91";
const SECRET: &str = "marked-hmac-secret-5c2e";
const QUERY: &str = "marked-query-value-77aa";
const HEADER: &str = "marked-header-value-88bb";
const PROXY: &str = "marked-proxy-password-99cc";
const CA: &str = "marked-ca-pem-00dd";
const ALL: [&str; 7] = [API_KEY, ACCESS_KEY, SECRET, QUERY, HEADER, PROXY, CA];

/// A gateway that repeats the whole request in its answer: in the body, in headers, in an event.
async fn parrot() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(repeat(stream));
        }
    });
    format!("http://{address}")
}

async fn repeat(mut stream: TcpStream) {
    let mut request = vec![0; 64 * 1024];
    let count = stream.read(&mut request).await.unwrap_or_default();
    let request = String::from_utf8_lossy(&request[..count]).into_owned();
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let line = head.replace("\r\n", " | ");
    let way = request.split('/').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
    let error = json!({"error": {"message": line, "code": line, "type": line}, "request_id": line}).to_string();
    let (status, headers, body) = match way {
        "event" => {
            ("200 OK", "content-type: text/event-stream\r\n".to_owned(), format!("event: error\ndata: {error}\n\n"))
        }
        "half" => {
            let piece = json!({"choices": [{"index": 0, "delta": {"content": "x"}}]});
            let events = format!("data: {piece}\n\ndata: no JSON {line}\n\n");
            ("200 OK", "content-type: text/event-stream\r\n".to_owned(), events)
        }
        "page" => ("200 OK", "content-type: text/html\r\n".to_owned(), format!("<html>{line}</html>")),
        "moved" => {
            ("307 Moved", format!("location: http://other.invalid/{}\r\n", line.replace(' ', "%20")), String::new())
        }
        status => {
            let headers = format!("x-request-id: {line}\r\nwww-authenticate: {line}\r\nretry-after: 1\r\n");
            (status, headers, error)
        }
    };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// The forms under which a secret is sent.
fn forms(options: &Value) -> Vec<Value> {
    let form = |more: Value| {
        let mut form = json!({"llm_usage_scenario": "text_generation", "enable_request_metadata": "disabled",
            "extra_headers": json!({"x-tenant-token": HEADER}).to_string()});
        let mut all = options.as_object().unwrap().clone();
        all.extend(more["options"].as_object().cloned().unwrap_or_default());
        form["advanced_options"] = Value::Object(all).to_string().into();
        form.as_object_mut().unwrap().extend(more["form"].as_object().unwrap().clone());
        form
    };
    let key = json!({"consumer_auth_mode": "api_key", "api_key": API_KEY});
    let hmac = json!({"consumer_auth_mode": "hmac", "hmac_key": ACCESS_KEY, "hmac_secret": SECRET});
    vec![
        form(json!({"form": key})),
        form(json!({"form": key, "options": {"key_query": "apikey"}})),
        form(json!({"form": key, "options": {"key_header": "x-api-key"}})),
        form(json!({"form": hmac})),
        form(json!({"form": hmac, "options": {"hmac_dialect": "apisix"}})),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_leaves_the_process_on_any_way_to_fail() {
    // Everything of the program itself, and what its libraries say at that level.
    let mut plugin = Plugin::start(&[("HIGRESS_LOG", "trace")]).await;
    let (parrot, hostile, standin) = (parrot().await, hostile().await, spawn(Config::default()).unwrap());
    let mut calls: Vec<(String, Value)> = Vec::new();
    let none = json!({});
    let ways = ["400", "401", "403", "404", "413", "429", "500", "503", "504", "event", "half", "page", "moved"];
    calls.extend(ways.map(|way| (format!("{parrot}/{way}"), none.clone())));
    let hurry = json!({"first_byte_timeout": 0.5, "idle_timeout": 0.5, "total_timeout": 1});
    for behaviour in
        ["reset", "stall", "stall-300", "cut-300", "endless-comments", "html", "not-http", "bad-chunk", "redirect-307"]
    {
        calls.push((hostile.url(behaviour), hurry.clone()));
    }
    calls.push((standin.url(Access::Key), none.clone()));
    calls.push((standin.url(Access::Hmac), none.clone()));
    calls.push((standin.url(Access::Apisix), none.clone()));
    calls.push(("http://127.0.0.1:1/refused".to_owned(), none.clone()));
    calls.push(("http://no-such-name.invalid/pre".to_owned(), none.clone()));
    calls.push((hostile.url("ok").replace("http://", "https://"), none.clone()));
    calls.push((hostile.url("ok"), json!({"ca_pem": CA})));
    calls.push((hostile.url("ok"), json!({"proxy": format!("http://user:{PROXY}@127.0.0.1:1")})));
    calls.push((hostile.url("ok"), json!({"proxy": "http://127.0.0.1:1"})));
    calls.push((hostile.url("ok").replace("http://", "https://"), json!({"tls_verify": false})));
    calls.push((hostile.url("ok"), json!({"no_such_key": SECRET})));
    calls.push((hostile.url("ok"), json!({"hmac_algorithm": 7, "total_timeout": "soon"})));
    calls.push(("ftp://wrong".to_owned(), none.clone()));
    calls.push((hostile.url("ok"), none.clone()));
    let mut sessions = Vec::new();
    for (endpoint, options) in &calls {
        for mut form in forms(options) {
            form["endpoint_url"] = format!("{endpoint}?token={QUERY}").into();
            let session = format!("{} of {endpoint}", sessions.len());
            plugin.send(ask_model(&session, "m", form.clone(), sessions.len() % 2 == 0)).await;
            sessions.push(session);
            let save = json!({"type": "model", "action": "validate_model_credentials", "user_id": "u", "provider": "higress",
                "model_type": "llm", "model": "m", "credentials": form});
            let session = format!("{} saved", sessions.len());
            plugin.send(format!("{}\n", json!({"session_id": session, "event": "request", "data": save}))).await;
            sessions.push(session);
        }
    }
    // Secrets where none belongs, and values that do not fit.
    for (number, (field, value)) in [
        ("api_key", json!(format!("{API_KEY}\n"))),
        ("api_key", json!({"value": API_KEY})),
        ("hmac_secret", json!([SECRET])),
        ("extra_headers", json!(format!("{{\"x-a\": \"{HEADER}\u{1}\"}}"))),
        ("extra_headers", json!(format!("{{\"x-a\": \"{HEADER}\""))),
        ("extra_headers", json!(format!("{{\"host\": \"{HEADER}\"}}"))),
        ("advanced_options", json!(format!("{{\"ca_pem\": \"{CA}\""))),
        ("advanced_options", json!(format!("{{\"key_header\": \"{API_KEY} \"}}"))),
        ("consumer_auth_mode", json!("key")),
    ]
    .into_iter()
    .enumerate()
    {
        for mut form in forms(&none) {
            form["endpoint_url"] = hostile.url("ok").into();
            form[field] = value.clone();
            let session = format!("{number} {}", sessions.len());
            plugin.send(ask_model(&session, "m", form, true)).await;
            sessions.push(session);
        }
    }
    for (model, _) in SPECIAL_MODELS {
        if model.starts_with("fault-") {
            let mut form = forms(&hurry).remove(3);
            form["endpoint_url"] = format!("{}?token={QUERY}", standin.url(Access::Open)).into();
            plugin.send(ask_model(model, model, form, true)).await;
            sessions.push((*model).to_owned());
        }
    }
    let mut failed = 0;
    for session in &sessions {
        failed += usize::from(plugin.hear(session).await.error.is_some());
    }
    assert!(failed > 300, "only {failed} of {} failed", sessions.len());
    plugin.close_input();
    let ended = plugin.ended().await;
    assert!(ended.status.success());
    let output = String::from_utf8(ended.output).unwrap();
    assert!(ended.stderr.contains("tls_verify is off") && output.contains("[redacted]"));
    for (name, text) in [("output", &output), ("stderr", &ended.stderr)] {
        // A saved form goes back to the host as it came: that is the protocol.
        for line in text.lines().filter(|line| !line.contains(r#""data":{"result":true,"#)) {
            // As it is, inside JSON inside JSON, and as it stands in a URL.
            let plain =
                line.replace('\\', "").replace("%2F", "/").replace("%2B", "+").replace("%2f", "/").replace("%2b", "+");
            for secret in ALL {
                assert!(!plain.contains(secret), "{secret} in the {name}: {line}");
            }
        }
    }
    assert!(output.contains("AKID…"), "the access key's id is shown shortened");
}
