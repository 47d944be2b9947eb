//! The commands, run as a person runs them, and the host they are built on.

use higress_dify_plugin::cli::host::{Host, Message, Session};
use higress_dify_plugin::cli::requests;
use higress_dify_plugin::standin::auth::Access;
use higress_dify_plugin::standin::{Config, spawn};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(30);

/// The program with nothing of this environment that it would read.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_higress-dify-plugin"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    for variable in ["HIGRESS_API_KEY", "HIGRESS_HMAC_KEY", "HIGRESS_HMAC_SECRET", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn run(command: &mut Command) -> Ran {
    let output = tokio::time::timeout(SOON, command.output()).await.expect("an end in time").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A plugin that the test plays itself: its input, line by line, and its output.
struct Plugin {
    input: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
    output: WriteHalf<DuplexStream>,
}

impl Plugin {
    async fn line(&mut self) -> Value {
        serde_json::from_str(&self.input.next_line().await.unwrap().unwrap()).unwrap()
    }

    async fn say(&mut self, event: &Value) {
        self.output.write_all(format!("{event}\n\n").as_bytes()).await.unwrap();
    }

    async fn say_in(&mut self, session: &Session, kind: &str, data: Value) {
        let data = json!({"type": kind, "data": data});
        self.say(&json!({"event": "session", "session_id": session.id, "data": data})).await;
    }
}

fn pair() -> (Host, Plugin) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (output, input) = tokio::io::split(near);
    let (plugin_input, plugin_output) = tokio::io::split(far);
    let plugin = Plugin { input: BufReader::new(plugin_input).lines(), output: plugin_output };
    (Host::over(output, input), plugin)
}

#[tokio::test]
async fn a_host_sorts_what_concurrent_sessions_say() {
    let (mut host, mut plugin) = pair();
    plugin.say(&json!({"event": "heartbeat", "session_id": null, "data": {}})).await;
    host.ready(SOON).await.unwrap();
    let mut one = host.invoke(&json!({"action": "a"})).await.unwrap();
    let mut other = host.invoke(&json!({"action": "b"})).await.unwrap();
    let sent = plugin.line().await;
    assert_eq!((&sent["event"], &sent["data"]["action"]), (&json!("request"), &json!("a")));
    assert_eq!(sent["session_id"], one.id);
    plugin.say_in(&other, "stream", json!(1)).await;
    plugin.say(&json!({"event": "log", "data": {"message": "hello"}})).await;
    plugin.say_in(&one, "error", json!({"error_type": "InvokeError", "message": "no"})).await;
    plugin.say_in(&one, "end", json!({})).await;
    plugin.say_in(&other, "end", json!({})).await;
    let failed = Message::Error { kind: "InvokeError".to_owned(), message: "no".to_owned() };
    assert_eq!(one.next(SOON).await.unwrap(), failed);
    assert_eq!(one.next(SOON).await.unwrap(), Message::End);
    assert_eq!(other.next(SOON).await.unwrap(), Message::Stream(json!(1)));
    assert_eq!(other.next(SOON).await.unwrap(), Message::End);
    assert_eq!(host.others()[0]["data"]["message"], "hello");
    assert_eq!(host.heartbeats(), 1);
}

#[tokio::test]
async fn a_host_waits_no_longer_than_it_was_told() {
    let (mut host, plugin) = pair();
    let now = Duration::from_millis(1);
    assert!(host.ready(now).await.unwrap_err().to_string().contains("no heartbeat"));
    let mut session = host.invoke(&json!({})).await.unwrap();
    assert!(session.next(now).await.unwrap_err().to_string().contains("said nothing"));
    drop(plugin);
    assert!(session.next(SOON).await.unwrap_err().to_string().contains("ended in the middle"));
}

#[tokio::test]
async fn a_line_that_dify_would_not_read_ends_the_session() {
    let (mut host, mut plugin) = pair();
    let mut session = host.invoke(&json!({})).await.unwrap();
    let writer = tokio::spawn(async move {
        let long = "x".repeat(6 * 1024 * 1024);
        // Fails once the host has given up.
        let _ = plugin.output.write_all(long.as_bytes()).await;
    });
    assert!(session.next(SOON).await.is_err());
    drop(host);
    writer.await.unwrap();
}

#[test]
fn a_request_line_has_every_key_the_daemon_writes() {
    let model = requests::Model { kind: "llm", name: "m".to_owned(), credentials: json!({"api_key": null}) };
    let data = model.llm(&[requests::message("user", "hi")], &json!({}), &Value::Null, true);
    let line: Value = serde_json::from_str(&requests::line("s", &data)).unwrap();
    for key in ["session_id", "conversation_id", "message_id", "app_id", "endpoint_id", "context", "event", "data"] {
        assert!(line.get(key).is_some(), "{key}");
    }
    for key in ["prompt_messages", "model_parameters", "tools", "stop", "stream", "json_schema", "user_id"] {
        assert!(line["data"].get(key).is_some(), "{key}");
    }
}

#[tokio::test]
async fn every_command_has_help_and_wrong_usage_is_2() {
    for arguments in [&["--help"][..], &["demo", "--help"], &["invoke", "--help"], &["gateway", "--help"]] {
        let ran = run(&mut program(arguments)).await;
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        assert!(ran.out.contains("Usage: higress-dify-plugin"));
    }
    assert!(run(&mut program(&["--version"])).await.out.starts_with("higress-dify-plugin "));
    assert_eq!(run(&mut program(&["invoke", "llm", "hi"])).await.code, Some(2));
    assert_eq!(run(&mut program(&["nonsense"])).await.code, Some(2));
}

#[tokio::test]
async fn a_secret_on_the_command_line_is_refused_without_being_repeated() {
    let command = ["invoke", "llm", "--endpoint", "http://127.0.0.1:1", "--option", "api_key=sk-secret", "hi"];
    let ran = run(&mut program(&command)).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("api_key is not taken from the command line"), "{}", ran.err);
    assert!(!ran.err.contains("sk-secret"));
}

#[tokio::test]
async fn the_gateway_prints_where_it_is_serves_and_ends_in_order() {
    let mut child = program(&["gateway", "--listen", "127.0.0.1:0", "--hostile", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = String::new();
    while let Some(line) = tokio::time::timeout(SOON, lines.next_line()).await.unwrap().unwrap() {
        seen += &line;
        seen.push('\n');
        if line.contains("Ctrl-C") {
            break;
        }
    }
    for part in
        ["Stand-in", "/open", "/key", "/hmac", "sk-demo-0001", "demo-secret-0001", "fault-429", "Hostile gateway"]
    {
        assert!(seen.contains(part), "{part} is missing in {seen}");
    }
    assert!(!seen.contains('\u{1b}'), "no colour without a terminal");
    let address = seen.lines().next().unwrap().rsplit_once("http://").unwrap().1;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /standin/stats HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let status = BufReader::new(stream).lines().next_line().await.unwrap().unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    let process = child.id().unwrap().to_string();
    assert!(Command::new("kill").arg(&process).status().await.unwrap().success());
    assert!(tokio::time::timeout(SOON, child.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = run(&mut program(&["gateway", "--listen", &address])).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.starts_with(&format!("error: cannot listen at {address}; choose another")), "{}", ran.err);
}

#[tokio::test]

async fn the_demo_succeeds_and_tells_no_secret() {
    let ran = run(&mut program(&["demo", "--json"])).await;
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.out, ran.err);
    let steps: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(steps.len() >= 15 && steps.iter().all(|step| step["ok"] == true));
    for secret in ["sk-demo-0001", "demo-secret-0001", "not-the-secret"] {
        assert!(!ran.out.contains(secret), "{secret}");
    }
    let shown = run(&mut program(&["demo", "--color", "always"])).await;
    assert!(shown.out.contains("\u{1b}[32m") && shown.out.contains("answers are what they should be"));
}

#[tokio::test]
async fn the_readme_s_invoke_command_works_as_it_stands() {
    let standin = spawn(Config::default()).unwrap();
    for readme in ["README.md", "readme/README_zh_Hans.md"] {
        let text = std::fs::read_to_string(readme).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("cargo run --release -- invoke ")).expect(readme);
        let words = line.replace('"', "").replace("http://gateway/prefix", &standin.url(Access::Key));
        let arguments: Vec<&str> = ["invoke"].into_iter().chain(words.split(' ')).collect();
        let ran = run(program(&arguments).env("HIGRESS_API_KEY", "sk-demo-0001")).await;
        assert_eq!(ran.code, Some(0), "{readme}: {}", ran.err);
        let prompt = arguments.last().unwrap();
        assert!(ran.out.contains(prompt), "{}", ran.out);
    }
}

#[tokio::test]
async fn invoke_prints_the_answer_or_the_error_as_dify_shows_it() {
    let standin = spawn(Config::default()).unwrap();
    let (key, hmac) = (standin.url(Access::Key), standin.url(Access::Hmac));
    let command = ["invoke", "llm", "--endpoint", &key, "--auth", "api_key", "--stream", "Why", "so", "blue?"];
    let ran = run(program(&command).env("HIGRESS_API_KEY", "sk-demo-0001")).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("“Why so blue?”") && ran.out.ends_with('\n'));
    let command = ["invoke", "rerank", "--endpoint", &hmac, "--auth", "hmac", "red fox", "a dog", "the red fox"];
    let signed = |secret: &str| {
        let mut command = program(&command);
        command.env("HIGRESS_HMAC_KEY", "demo-key-0001").env("HIGRESS_HMAC_SECRET", secret);
        command
    };
    let ran = run(&mut signed("demo-secret-0001")).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.lines().next().unwrap().ends_with("\t1\tthe red fox"), "{}", ran.out);
    let ran = run(&mut signed("wrong-secret")).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.starts_with("error: InvokeAuthorizationError: [higress]"), "{}", ran.err);
    assert!(!ran.err.contains("wrong-secret"));
}
