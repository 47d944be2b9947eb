//! The built-in gateway and its hostile twin as a child process.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

pub(crate) struct Gateway {
    child: Child,
    /// Kept open: the gateway writes to it.
    _output: BufReader<ChildStdout>,
    pub(crate) url: String,
    pub(crate) hostile: String,
}

impl Gateway {
    pub(crate) fn start(program: &str) -> Self {
        let mut child = Command::new(program)
            .args(["gateway", "--listen", "127.0.0.1:0", "--hostile", "127.0.0.1:0", "--piece-delay", "5"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut urls = Vec::new();
        while urls.len() < 2 {
            let mut line = String::new();
            assert!(output.read_line(&mut line).expect("text") > 0, "the gateway says where it is");
            urls.extend(line.split_whitespace().filter(|word| word.starts_with("http://")).map(str::to_owned).take(1));
            urls.retain(|url| !url.trim_start_matches("http://").contains('/'));
        }
        let hostile = urls.pop().expect("two");
        Self { child, _output: output, url: urls.pop().expect("two"), hostile }
    }

    /// A counter of the gateway's.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the gateway listens");
        let request = format!("GET /standin/stats HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the gateway reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("the gateway answers");
        let (_, body) = reply.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str::<Value>(body).expect("JSON")[name].as_u64().expect("a count")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
