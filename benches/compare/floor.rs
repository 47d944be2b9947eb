//! The least a process can do between a gateway and a host: copy the bytes of the streams from sockets to a pipe.

use crate::gateway::Gateway;
use crate::process::{Plugin, Program, cpu_of};
use crate::scenario::{as_f64, plugin_account};
use crate::table::show;
use crate::work::{Load, Work};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// As much as the plugin reads at a time at first.
const BLOCK: usize = 16 * 1024;

/// What is streamed: so many streams, so often one after the other.
#[derive(Clone, Copy)]
struct Streams {
    name: &'static str,
    load: Load,
    count: usize,
    times: usize,
}

/// The last two are the same number of chunks in the same time, of few streams and of many.
const KINDS: [Streams; 3] = [
    Streams { name: "32 flooded streams, merging off", load: Load::Flood(1_000), count: 32, times: 20 },
    Streams { name: "10 streams paced at 1 ms, merging off", load: Load::Paced(3_000, 1), count: 10, times: 1 },
    Streams { name: "200 streams paced at 20 ms", load: Load::Paced(150, 20), count: 200, times: 1 },
];

/// What a process that only copies is told.
pub(crate) struct Arguments {
    address: String,
    streams: Streams,
}

/// The arguments of this process, if it was started to copy.
pub(crate) fn arguments() -> Option<Arguments> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == "copy").then_some(())?;
    let address = arguments.next()?;
    let streams = KINDS[arguments.next()?.parse::<usize>().ok()?];
    Some(Arguments { address, streams })
}

/// Copies all streams on one thread.
pub(crate) fn copy(arguments: &Arguments) {
    let Arguments { address, streams } = arguments;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    for _ in 0..streams.times {
        runtime.block_on(async {
            let mut copies = tokio::task::JoinSet::new();
            for _ in 0..streams.count {
                copies.spawn(copy_stream(address.clone(), streams.load.model()));
            }
            copies.join_all().await;
        });
    }
}

async fn copy_stream(address: String, model: String) {
    let body = format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let mut stream = TcpStream::connect(&address).await.expect("the gateway listens");
    let head = format!(
        "POST /open/v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("the gateway reads");
    let mut block = vec![0; BLOCK];
    while let Ok(read @ 1..) = stream.read(&mut block).await {
        std::io::stdout().lock().write_all(&block[..read]).expect("somebody reads");
    }
}

/// The plugin, in both builds, beside the copying process.
pub(crate) fn measure(shipped: &Program, glibc: &Program, gateway: &Gateway) -> String {
    let mut text =
        String::from("| load | process | CPU per chunk | in user space | in the kernel |\n|---|---|--:|--:|--:|\n");
    for (number, streams) in KINDS.into_iter().enumerate() {
        let chunks = as_f64(streams.times * streams.count * streams.load.chunks());
        let rows = [
            ("the plugin as shipped (musl, mimalloc)", streamed(shipped, streams, gateway)),
            ("the plugin built for this machine's glibc", streamed(glibc, streams, gateway)),
            ("the gateway's bytes copied from sockets to a pipe", copied(number, gateway)),
        ];
        for (process, (user, system)) in rows {
            let per_chunk = |seconds: f64| show(Some(seconds * 1e6 / chunks), "µs");
            let (all, user, system) = (per_chunk(user + system), per_chunk(user), per_chunk(system));
            let _ = writeln!(text, "| {} | {process} | {all} | {user} | {system} |", streams.name);
        }
    }
    text
}

fn streamed(program: &Program, streams: Streams, gateway: &Gateway) -> (f64, f64) {
    let account = plugin_account(gateway, Some(-1));
    let mut plugin = Plugin::start(program);
    plugin.run_whole(&Work::chats(&account, 4, Load::Flood(10)));
    let work = Work::chats(&account, streams.count, streams.load);
    let before = plugin.cpu_parts();
    for _ in 0..streams.times {
        plugin.run_whole(&work);
    }
    let after = plugin.cpu_parts();
    (after.0.saturating_sub(before.0).as_secs_f64(), after.1.saturating_sub(before.1).as_secs_f64())
}

fn copied(number: usize, gateway: &Gateway) -> (f64, f64) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["copy", &gateway.address, &number.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut output = child.stdout.take().expect("piped");
    let mut block = vec![0; 256 * 1024];
    while let Ok(1..) = output.read(&mut block) {}
    // It has ended; what it used is known until it is waited for.
    let (user, system) = cpu_of(child.id());
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}");
    (user.as_secs_f64(), system.as_secs_f64())
}
