//! What goes over the wire when all is well.

use crate::server::{Act, Server, answer, chat, chunk, event_stream, events_of, json, options, route, send};
use higress_dify_plugin::gateway::auth::{HmacAlgorithm, HmacDialect, HmacScheme, KeyPlacement, hmac_base64, x_ca};
use higress_dify_plugin::gateway::{
    self, Auth, Call, Endpoint, ErrorKind, Origin, Reply, Route, TransportOptions, learned, limiter,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::SecretString;
use std::time::Duration;

fn hmac() -> Auth {
    Auth::Hmac {
        access_key: "access-key".into(),
        secret: SecretString::from("very-secret"),
        scheme: HmacScheme {
            dialect: HmacDialect::XCa,
            algorithm: HmacAlgorithm::Sha256,
            body_digest: true,
            replay_nonce: true,
        },
    }
}

#[tokio::test]
async fn what_is_signed_is_what_is_sent() {
    let server = Server::one(vec![answer("200 OK", "", "{}")]).await;
    let mut route = server.route();
    route.endpoint = Endpoint::parse(&format!("http://{}/你 好/v1?b=2&a=%20x", server.address)).unwrap();
    route.auth = hmac();
    route.headers.insert("x-app", HeaderValue::from_static("app-1"));
    route.signed_headers.push(HeaderName::from_static("x-app"));
    let reply = route_send(&route, &chat()).await;
    assert_eq!(reply.status, 200);
    let seen = &server.requests()[0];
    let (method, target) = seen.line.strip_suffix(" HTTP/1.1").unwrap().split_once(' ').unwrap();
    assert_eq!(target, "/%E4%BD%A0%20%E5%A5%BD/v1/chat/completions?b=2&a=%20x");
    assert_eq!(seen.headers["accept"], "text/event-stream");
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.headers["x-higress-nonce"], seen.headers["x-ca-nonce"]);
    assert!(seen.headers["x-ca-signature-headers"].starts_with("x-app,x-ca-key,"));
    assert!(seen.headers.contains_key("content-md5"));
    let headers: HeaderMap = seen
        .headers
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
        .collect();
    let string = x_ca::string_to_sign(&method.parse::<Method>().unwrap(), target, &headers, &seen.body);
    let signature = hmac_base64(HmacAlgorithm::Sha256, &SecretString::from("very-secret"), &string);
    assert_eq!(seen.headers["x-ca-signature"], signature);
}

async fn route_send(route: &Route, call: &Call) -> Reply {
    gateway::send(route, call).await.unwrap()
}

#[tokio::test]
async fn a_get_has_no_body_and_no_content_headers() {
    let server = Server::one(vec![answer("200 OK", "", "{}")]).await;
    route_send(&server.route(), &Call::get("/api/v1/tasks/t 1")).await;
    let seen = &server.requests()[0];
    assert_eq!(seen.line, "GET /pre/api/v1/tasks/t%201 HTTP/1.1");
    for name in ["content-type", "content-length", "content-md5", "transfer-encoding"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    assert_eq!(seen.headers["accept"], "*/*");
}

#[tokio::test]
async fn a_key_in_the_query_comes_after_the_fixed_query() {
    let server = Server::one(vec![answer("200 OK", "", "{}")]).await;
    let mut route = server.route();
    route.endpoint = Endpoint::parse(&format!("http://{}?x=1", server.address)).unwrap();
    route.auth = Auth::ApiKey { key: SecretString::from("a+b/c"), placement: KeyPlacement::Query("apikey".into()) };
    route_send(&route, &json()).await;
    assert_eq!(server.requests()[0].line, "POST /v1/chat/completions?x=1&apikey=a%2Bb%2Fc HTTP/1.1");
}

#[tokio::test]
async fn nothing_is_sent_without_a_credential() {
    let server = Server::one(vec![answer("200 OK", "", "{}")]).await;
    let mut route = server.route();
    route.auth = Auth::ApiKey { key: SecretString::from(""), placement: KeyPlacement::Bearer };
    let error = gateway::send(&route, &json()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_reply_tells_who_answered_under_which_id() {
    let headers =
        "content-type: Application/JSON; charset=utf-8\r\nx-envoy-upstream-service-time: 3\r\nx-request-id: r-1\r\n";
    let server = Server::one(vec![answer("200 OK", headers, "{\"a\":1}")]).await;
    let reply = route_send(&server.route(), &json()).await;
    assert_eq!(
        (reply.meta.origin, reply.meta.request_id.as_deref(), reply.retries),
        (Some(Origin::Provider), Some("r-1"), 0)
    );
    assert_eq!((reply.content_type().as_str(), reply.is_event_stream()), ("application/json", false));
    assert_eq!(&reply.bytes().await.unwrap()[..], b"{\"a\":1}");
}

#[tokio::test]
async fn connections_are_used_again() {
    let whole = vec![event_stream(), chunk("data: a\n\ndata: [DONE]\n\n"), send("0\r\n\r\n")];
    let server = Server::one(whole).await;
    let route = server.route();
    for _ in 0..5 {
        let reply = route_send(&route, &chat()).await;
        assert!(reply.is_event_stream());
        let mut events = events_of(reply).await.unwrap();
        assert_eq!(events.next().await.unwrap().unwrap().data, "a");
        assert_eq!(events.next().await.unwrap().unwrap().data, "[DONE]");
        events.finish().await;
    }
    assert_eq!((server.requests().len(), server.connections()), (5, 1));
}

#[tokio::test]
async fn dropping_the_events_closes_the_connection() {
    let server = Server::one(vec![event_stream(), chunk("data: a\n\n"), Act::Stall]).await;
    let mut events = events_of(route_send(&server.route(), &chat()).await).await.unwrap();
    events.next().await.unwrap();
    drop(events);
    server.connection_ended().await;
}

#[tokio::test]
async fn dropping_a_call_that_waits_closes_the_connection() {
    let server = Server::one(vec![Act::Stall]).await;
    let (route, call) = (server.route(), json());
    let waiting = tokio::spawn(async move { gateway::send(&route, &call).await.map(drop) });
    while server.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    server.connection_ended().await;
}

#[tokio::test]
async fn an_answer_that_asks_for_it_is_tried_again_with_a_new_signature() {
    let server = Server::start(vec![
        vec![answer("429 Too Many Requests", "retry-after: 0\r\n", "Too many requests")],
        vec![answer("503 Service Unavailable", "retry-after: 0\r\n", "")],
        vec![answer("200 OK", "", "{}")],
    ])
    .await;
    let mut route = server.route_with(TransportOptions { retries: 2, ..options() });
    route.auth = hmac();
    assert_eq!(route_send(&route, &json()).await.retries, 2);
    let nonces: std::collections::HashSet<_> =
        server.requests().into_iter().map(|seen| seen.headers["x-ca-nonce"].clone()).collect();
    assert_eq!(nonces.len(), 3);
}

#[tokio::test]
async fn no_answer_is_tried_again_unless_it_is_wanted_and_asked_for() {
    for (retries, status, headers, tries) in [
        (0, "429 Too Many Requests", "retry-after: 0\r\n", 1),
        (2, "503 Service Unavailable", "", 1),
        (2, "500 Internal Server Error", "", 1),
        (2, "400 Bad Request", "", 1),
        (2, "429 Too Many Requests", "retry-after: 3600\r\n", 1),
        (1, "429 Too Many Requests", "retry-after: 0\r\n", 2),
    ] {
        let server = Server::one(vec![answer(status, headers, "no")]).await;
        let route = server.route_with(TransportOptions { retries, ..options() });
        gateway::send(&route, &json()).await.unwrap_err();
        assert_eq!(server.requests().len(), tries, "{status} {headers}");
    }
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_whole_address() {
    let proxy = Server::one(vec![answer("200 OK", "", "{}")]).await;
    let options = TransportOptions { proxy: Some(format!("http://{}", proxy.address)), ..options() };
    route_send(&route("http://gateway.invalid/pre", options), &json()).await;
    assert_eq!(proxy.requests()[0].line, "POST http://gateway.invalid/pre/v1/chat/completions HTTP/1.1");
}

#[tokio::test]
async fn what_calls_taught_is_remembered_by_endpoint_and_model() {
    let endpoint = Endpoint::parse("http://learned.example/pre").unwrap();
    learned::note(&endpoint, "m", |known| known.token_param = Some("max_completion_tokens"));
    learned::note(&endpoint, "m", |known| known.batch_size = Some(5));
    let known = learned::get(&endpoint, "m");
    assert_eq!((known.token_param, known.batch_size), (Some("max_completion_tokens"), Some(5)));
    assert_eq!(learned::get(&endpoint, "other").batch_size, None);
}

#[tokio::test]
async fn an_endpoint_takes_so_many_calls_and_the_next_waits() {
    let endpoint = Endpoint::parse("http://limited.example").unwrap();
    let first = limiter::acquire(&endpoint, 2).await;
    let _second = limiter::acquire(&endpoint, 2).await;
    let third = limiter::acquire(&endpoint, 2);
    tokio::pin!(third);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut third).await.is_err());
    drop(first);
    third.await;
}
