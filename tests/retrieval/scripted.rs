//! A gateway inside the test: answers as it is told and remembers what it was asked.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use higress_dify_plugin::runtime::entities::Credentials;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as the gateway saw it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// For example `POST /v1/embeddings`.
    pub(crate) line: String,
    /// Its headers.
    pub(crate) headers: http::HeaderMap,
    /// Its body's text.
    pub(crate) text: String,
}

impl Asked {
    /// The body as JSON; null when it is not.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// The gateway; it ends when this is dropped.
pub(crate) struct Gateway {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: JoinHandle<()>,
}

impl Gateway {
    /// A gateway on a free port of loopback that answers each request with what `answer` makes of it.
    pub(crate) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Asked) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
    {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = Arc::clone(&asked);
        let app = axum::Router::new().fallback(move |request: Request| {
            let (answer, log) = (answer.clone(), Arc::clone(&log));
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let asked = Asked {
                    line: format!("{} {}", head.method, head.uri.path()),
                    headers: head.headers,
                    text: String::from_utf8_lossy(&body).into_owned(),
                };
                log.lock().unwrap().push(asked.clone());
                answer(asked).await
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/pre", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, asked, server }
    }

    /// A gateway that answers every request alike.
    pub(crate) async fn always(status: u16, body: &'static str) -> Self {
        Self::start(move |_| std::future::ready(answer(status, body))).await
    }

    /// Everything it was asked, in order of arrival.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The form of a model on this gateway: `fields` over the address and no consumer.
    pub(crate) fn credentials(&self, fields: Value) -> Credentials {
        let Value::Object(fields) = fields else { panic!("the fields of a form are an object") };
        let mut form = Map::new();
        form.insert("endpoint_url".to_owned(), self.url.as_str().into());
        form.insert("consumer_auth_mode".to_owned(), "disabled".into());
        form.extend(fields);
        Credentials(form)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An answer with a status and a body of JSON.
pub(crate) fn answer(status: u16, body: impl Into<String>) -> Response {
    Response::builder().status(status).header("content-type", "application/json").body(Body::from(body.into())).unwrap()
}
