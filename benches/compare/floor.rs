//! The least a process can do between a gateway and a host: copy the bytes of the streams from sockets to a pipe.

use crate::gateway::Gateway;
use crate::process::{Plugin, Program, cpu_of};
use crate::scenario::{as_f64, plugin_account};
use crate::table::show;
use crate::work::{Load, Work};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

const STREAMS: usize = 32;
const CHUNKS: usize = 1_000;
const TIMES: usize = 20;
/// As much as the plugin reads at a time at first.
const BLOCK: usize = 16 * 1024;

/// What a process that only copies is told.
pub(crate) struct Arguments {
    address: String,
}

/// The arguments of this process, if it was started to copy.
pub(crate) fn arguments() -> Option<Arguments> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == "copy").then_some(())?;
    Some(Arguments { address: arguments.next()? })
}

/// Copies, a thread for each stream.
pub(crate) fn copy(arguments: &Arguments) {
    for _ in 0..TIMES {
        let streams = (0..STREAMS).map(|_| {
            let address = arguments.address.clone();
            std::thread::spawn(move || copy_stream(&address))
        });
        for stream in streams.collect::<Vec<_>>() {
            stream.join().expect("a stream that ends");
        }
    }
}

fn copy_stream(address: &str) {
    let body = format!(r#"{{"model":"flood-{CHUNKS}","stream":true,"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    let head = format!(
        "POST /open/v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("the gateway reads");
    let mut block = [0; BLOCK];
    while let Ok(read @ 1..) = stream.read(&mut block) {
        std::io::stdout().lock().write_all(&block[..read]).expect("somebody reads");
    }
}

/// The plugin, in both builds, beside the copying process.
pub(crate) fn measure(shipped: &Program, glibc: &Program, gateway: &Gateway) -> String {
    let mut text = String::from(
        "| 32 flooded streams, merging off | CPU per chunk | in user space | in the kernel |\n|---|--:|--:|--:|\n",
    );
    let chunks = as_f64(TIMES * STREAMS * CHUNKS);
    let rows = [
        ("the plugin as shipped (musl, mimalloc)", streamed(shipped, gateway)),
        ("the plugin built for this machine's glibc", streamed(glibc, gateway)),
        ("the gateway's bytes copied from socket to pipe", copied(gateway)),
    ];
    for (name, (user, system)) in rows {
        let per_chunk = |seconds: f64| show(Some(seconds * 1e6 / chunks), "µs");
        let _ =
            writeln!(text, "| {name} | {} | {} | {} |", per_chunk(user + system), per_chunk(user), per_chunk(system));
    }
    text
}

fn streamed(program: &Program, gateway: &Gateway) -> (f64, f64) {
    let account = plugin_account(gateway, Some(-1));
    let mut plugin = Plugin::start(program);
    plugin.run_whole(&Work::chats(&account, 4, Load::Flood(10)));
    let work = Work::chats(&account, STREAMS, Load::Flood(CHUNKS));
    let before = plugin.cpu_parts();
    for _ in 0..TIMES {
        plugin.run_whole(&work);
    }
    let after = plugin.cpu_parts();
    (after.0.saturating_sub(before.0).as_secs_f64(), after.1.saturating_sub(before.1).as_secs_f64())
}

fn copied(gateway: &Gateway) -> (f64, f64) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["copy", &gateway.address])
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
