//! Remote debugging against a host in this process, over real sockets.

use higress_dify_plugin::runtime::declaration::{Declaration, Sources};
use higress_dify_plugin::runtime::transport::Connection;
use higress_dify_plugin::runtime::transport::tcp::{RemoteAddress, RemoteError, RemoteSettings, run};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const MANIFEST: &str = "
version: 0.1.0
type: plugin
author: acme
name: probe
label: {en_US: Probe}
description: {en_US: Probe}
icon: icon.svg
created_at: 2026-08-01T00:00:00Z
resource: {memory: 1048576, permission: {}}
plugins: {models: [provider/probe.yaml]}
meta: {version: 0.0.1, arch: [amd64], runner: {language: python, version: '3.12', entrypoint: main}}
";
const PROVIDER: &str = "
provider: probe
label: {en_US: Probe}
supported_model_types: [llm]
configurate_methods: [customizable-model]
model_credential_schema:
  model: {label: {en_US: Model}}
  credential_form_schemas: [{variable: key, label: {en_US: Key}, type: secret-input}]
";
const LIMIT: Duration = Duration::from_secs(20);

/// What the stub server saw of its connections.
enum Seen {
    Line(String),
    /// The future of a connection was dropped or has ended.
    Gone,
}

struct Plugin {
    running: JoinHandle<Result<(), RemoteError>>,
    seen: mpsc::UnboundedReceiver<Seen>,
    stop: CancellationToken,
}

struct Gone(mpsc::UnboundedSender<Seen>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send(Seen::Gone);
    }
}

/// A plugin that dials `address`. Its server notes what it is given.
fn plugin(address: RemoteAddress) -> Plugin {
    let (sender, seen) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let key = Some(SecretString::from("the-key"));
    let settings = RemoteSettings::new(address, key, Duration::from_millis(50)).unwrap();
    let sources =
        Sources { manifest: MANIFEST, provider: PROVIDER, models: &[], assets: &[("icon.svg", b"<svg/>".as_slice())] };
    let declaration = Declaration::new(sources).unwrap();
    let token = stop.clone();
    let running = tokio::spawn(async move {
        let sender = Arc::new(sender);
        let serve = |mut connection: Connection| {
            let gone = Gone(mpsc::UnboundedSender::clone(&sender));
            async move {
                while let Some(higress_dify_plugin::runtime::transport::Inbound::Line(line)) =
                    connection.inbound.recv().await
                {
                    let _ = gone.0.send(Seen::Line(String::from_utf8_lossy(&line).into_owned()));
                }
            }
        };
        run(&settings, &declaration, &token, serve).await
    });
    Plugin { running, seen, stop }
}

struct Host {
    listener: TcpListener,
}

struct Dialled {
    read: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Host {
    async fn new() -> (Self, RemoteAddress) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Self { listener }, RemoteAddress::pick(Some(&address.to_string()), "", 0).unwrap())
    }

    async fn accept(&self) -> Dialled {
        let (stream, _): (TcpStream, _) = timeout(LIMIT, self.listener.accept()).await.unwrap().unwrap();
        let (read, write) = stream.into_split();
        Dialled { read: BufReader::new(read).lines(), write }
    }
}

impl Dialled {
    async fn line(&mut self) -> Option<Value> {
        loop {
            let line = timeout(LIMIT, self.read.next_line()).await.unwrap().ok()??;
            if !line.is_empty() {
                return Some(serde_json::from_str(&line).unwrap());
            }
        }
    }

    /// Reads the registration and returns the types of its messages.
    async fn registration(&mut self) -> Vec<String> {
        let mut types = Vec::new();
        while types.last().is_none_or(|kind| kind != "end") {
            let line = self.line().await.unwrap();
            types.push(line["type"].as_str().unwrap_or("not a registration message").to_owned());
        }
        types
    }

    async fn say(&mut self, text: &str) {
        self.write.write_all(text.as_bytes()).await.unwrap();
    }
}

async fn ended(plugin: Plugin) -> Result<(), RemoteError> {
    timeout(LIMIT, plugin.running).await.unwrap().unwrap()
}

#[tokio::test]
async fn heartbeats_follow_the_registration_and_never_precede_its_end() {
    let (host, address) = Host::new().await;
    let plugin = plugin(address);
    let mut dialled = host.accept().await;
    assert_eq!(dialled.line().await.unwrap(), json!({"type": "handshake", "data": {"key": "the-key"}}));
    assert_eq!(dialled.registration().await, ["manifest_declaration", "model_declaration", "asset_chunk", "end"]);
    for _ in 0..3 {
        assert_eq!(dialled.line().await.unwrap(), json!({"event": "heartbeat", "session_id": null, "data": {}}));
    }
    plugin.stop.cancel();
    ended(plugin).await.unwrap();
    while dialled.line().await.is_some() {}
}

#[tokio::test]
async fn lines_of_the_host_reach_the_server_also_when_they_are_no_json() {
    let (host, address) = Host::new().await;
    let mut plugin = plugin(address);
    let mut dialled = host.accept().await;
    dialled.registration().await;
    dialled.say("{\"a\":1}\n\n{\"b\"").await;
    assert!(matches!(plugin.seen.recv().await, Some(Seen::Line(line)) if line == "{\"a\":1}"));
    dialled.say(":2}\nsomething invalid\n{\"c\":3}\n").await;
    assert!(matches!(plugin.seen.recv().await, Some(Seen::Line(line)) if line == "{\"b\":2}"));
    assert!(matches!(plugin.seen.recv().await, Some(Seen::Line(line)) if line == "{\"c\":3}"));
}

#[tokio::test]
async fn a_refused_key_or_declaration_ends_the_program_with_the_hosts_words() {
    for text in ["handshake failed, invalid key", "models register failed, invalid models declaration: label"] {
        let (host, address) = Host::new().await;
        let plugin = plugin(address);
        let mut dialled = host.accept().await;
        dialled.line().await.unwrap();
        dialled.say(&format!("{text}\n")).await;
        drop(dialled);
        let error = ended(plugin).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the Dify host refused this plugin: {text}"));
    }
}

#[tokio::test]
async fn a_busy_host_is_dialled_again() {
    let (host, address) = Host::new().await;
    let plugin = plugin(address);
    let mut dialled = host.accept().await;
    dialled.say("server is busy now, please try again later").await;
    drop(dialled);
    let mut dialled = host.accept().await;
    assert_eq!(dialled.registration().await.len(), 5);
    assert!(!plugin.running.is_finished());
}

#[tokio::test]
async fn a_lost_connection_ends_its_sessions_and_registers_anew() {
    let (host, address) = Host::new().await;
    let mut plugin = plugin(address);
    for _ in 0..2 {
        let mut dialled = host.accept().await;
        assert_eq!(dialled.registration().await.len(), 5);
        dialled.say("{\"a\":1}\n").await;
        assert!(matches!(plugin.seen.recv().await, Some(Seen::Line(_))));
        drop(dialled);
        assert!(matches!(plugin.seen.recv().await, Some(Seen::Gone)));
    }
    plugin.stop.cancel();
    ended(plugin).await.unwrap();
}

#[tokio::test]
async fn a_host_that_is_not_there_yet_is_waited_for() {
    let (host, address) = Host::new().await;
    let place = host.listener.local_addr().unwrap();
    drop(host);
    let plugin = plugin(address);
    let listener = TcpListener::bind(place).await.unwrap();
    let mut dialled = Host { listener }.accept().await;
    assert_eq!(dialled.registration().await.len(), 5);
    assert!(!plugin.running.is_finished());
}

#[test]
fn a_missing_key_is_named() {
    let address = RemoteAddress::pick(None, "localhost", 5003).unwrap();
    for key in [None, Some(SecretString::from(" "))] {
        let error = RemoteSettings::new(address.clone(), key, Duration::from_secs(10)).unwrap_err();
        assert!(error.to_string().contains("REMOTE_INSTALL_KEY"), "{error}");
    }
}
