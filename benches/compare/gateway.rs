//! The built-in gateway as a child process.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

pub(crate) struct Gateway {
    child: Child,
    address: String,
    pub open_route: String,
}

impl Gateway {
    pub(crate) fn start(plugin: &str) -> Self {
        let mut child = Command::new(plugin)
            .args(["gateway", "--listen", "127.0.0.1:0", "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("the gateway says where it is");
        let about: Value = serde_json::from_str(&line).expect("JSON");
        let url = about["url"].as_str().expect("a URL").to_owned();
        Self { child, address: url.trim_start_matches("http://").to_owned(), open_route: format!("{url}/open") }
    }

    /// Connections the gateway has accepted so far, this question's own left out.
    pub(crate) fn connections(&self) -> u64 {
        let mut stream = TcpStream::connect(&self.address).expect("the gateway listens");
        let request = format!("GET /standin/stats HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).expect("the gateway reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("the gateway answers");
        let body = reply.split("\r\n\r\n").nth(1).expect("a body");
        let stats: Value = serde_json::from_str(body).expect("JSON");
        stats["connections"].as_u64().expect("a count")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
