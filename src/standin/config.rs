//! What a stand-in is made of.

use super::auth::Access;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The routes: a path prefix, and how its callers prove who they are. Below each prefix all APIs are served.
pub const ROUTES: [(&str, Access); 4] =
    [("/open", Access::Open), ("/key", Access::Key), ("/hmac", Access::Hmac), ("/apisix", Access::Apisix)];

/// How a stand-in behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may call.
    pub consumers: Vec<Consumer>,
    /// How far a signed request's date may be off; `None` leaves dates unchecked.
    pub date_offset: Option<Duration>,
    /// Between two pieces of a streamed answer.
    pub piece_delay: Duration,
    /// How often an asynchronous task is asked for before it is done.
    pub task_polls: u32,
}

/// A consumer of the gateway with both kinds of credentials. `Debug` shows the name only.
#[derive(Clone)]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// Its API key.
    pub api_key: String,
    /// Its access key, the public half of a signature.
    pub access_key: String,
    /// The secret it signs with.
    pub secret: String,
    /// Whether the routes let it in.
    pub allowed: bool,
}

impl Consumer {
    /// The consumer `demo`, which every protected route lets in.
    pub fn demo() -> Self {
        Self {
            name: "demo".to_owned(),
            api_key: "sk-demo-0001".to_owned(),
            access_key: "demo-key-0001".to_owned(),
            secret: "demo-secret-0001".to_owned(),
            allowed: true,
        }
    }

    /// The consumer `guest`, which is known and let in nowhere.
    pub fn guest() -> Self {
        Self {
            name: "guest".to_owned(),
            api_key: "sk-guest-0001".to_owned(),
            access_key: "guest-key-0001".to_owned(),
            secret: "guest-secret-0001".to_owned(),
            allowed: false,
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name).field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

impl Default for Config {
    /// A free port on loopback, the consumers `demo` and `guest`, dates within five minutes, answers at full speed.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            consumers: vec![Consumer::demo(), Consumer::guest()],
            date_offset: Some(Duration::from_secs(300)),
            piece_delay: Duration::ZERO,
            task_polls: 2,
        }
    }
}
