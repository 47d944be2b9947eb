//! The built-in gateway as a process of its own.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

pub(crate) struct Gateway {
    child: Child,
    /// Kept open: the gateway prints some more.
    _output: BufReader<ChildStdout>,
    pub address: String,
}

impl Gateway {
    pub(crate) fn start(program: &str) -> Self {
        let mut child = Command::new(program)
            .args(["gateway", "--listen", "127.0.0.1:0", "--color", "never"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let address = loop {
            let mut line = String::new();
            assert!(output.read_line(&mut line).expect("text") > 0, "the gateway did not say where it is");
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.trim_end().to_owned();
            }
        };
        Self { child, _output: output, address }
    }

    /// The route that asks for no proof, so that neither side pays for one.
    pub(crate) fn open_route(&self) -> String {
        format!("http://{}/open", self.address)
    }

    /// Connections accepted so far, this question's own included.
    pub(crate) fn connections(&self) -> u64 {
        let mut stream = TcpStream::connect(&self.address).expect("the gateway listens");
        let request = format!("GET /standin/stats HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).expect("the gateway reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("the gateway answers");
        let body = reply.split("\r\n\r\n").nth(1).expect("a body");
        let stats: Value = serde_json::from_str(body).expect("JSON");
        stats["connections_opened"].as_u64().expect("a count")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
