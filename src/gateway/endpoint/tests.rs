use super::*;

fn chat(typed: &str) -> String {
    Endpoint::parse(typed).unwrap().join("/v1/chat/completions").to_string()
}

fn error(typed: &str) -> Error {
    let error = Endpoint::parse(typed).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    error
}

#[test]
fn every_spelling_of_an_address_reaches_the_same_path() {
    for (typed, sent) in [
        ("http://g/pre", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/", "http://g/pre/v1/chat/completions"),
        ("http://g/pre//", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/v1", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/v1/", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/v1/chat/completions", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/v1/chat/completions/", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/chat/completions", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/v1/completions", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/v1/embeddings", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/v1/reranks", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/v1/rerank", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/v1/images/generations", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/api/v1/services/rerank/text-rerank/text-rerank", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/api/v1/services/aigc/multimodal-generation/generation", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/api/v1/tasks/0123", "http://g/pre/v1/chat/completions"),
        ("http://g/pre/api/v1/tasks/api/v1/services/x", "http://g/pre/v1/chat/completions"),
        ("http://g/api/v1/servicesx/api/v1/services/y", "http://g/api/v1/servicesx/v1/chat/completions"),
        ("http://g/compatible-mode/v1", "http://g/compatible-mode/v1/chat/completions"),
        ("http://g/pre?x=1", "http://g/pre/v1/chat/completions?x=1"),
        ("http://g/pre/v1/chat/completions?b=2&a=1", "http://g/pre/v1/chat/completions?b=2&a=1"),
        ("http://g/pre?", "http://g/pre/v1/chat/completions"),
        ("http://g/pre?a=1&&b=2", "http://g/pre/v1/chat/completions?a=1&b=2"),
        ("http://g/pre#", "http://g/pre/v1/chat/completions"),
        ("http://g", "http://g/v1/chat/completions"),
        ("http://g/", "http://g/v1/chat/completions"),
        ("http://g?x=1", "http://g/v1/chat/completions?x=1"),
        ("  http://g/pre \n", "http://g/pre/v1/chat/completions"),
        ("\u{feff}http://g/pre\u{3000}", "http://g/pre/v1/chat/completions"),
        ("HTTP://G.Example/Pre", "http://g.example/Pre/v1/chat/completions"),
        ("https://g:443/pre", "https://g/pre/v1/chat/completions"),
        ("http://g:8080", "http://g:8080/v1/chat/completions"),
        ("http://127.0.0.1:8080/pre", "http://127.0.0.1:8080/pre/v1/chat/completions"),
        ("http://[::1]:8080/pre", "http://[::1]:8080/pre/v1/chat/completions"),
        ("http://[2001:db8::1]", "http://[2001:db8::1]/v1/chat/completions"),
        ("http://g/a/./b/../c", "http://g/a/c/v1/chat/completions"),
        ("http://g/a\\b", "http://g/a/b/v1/chat/completions"),
        ("http://g/v1x", "http://g/v1x/v1/chat/completions"),
    ] {
        assert_eq!(chat(typed), sent, "{typed:?}");
    }
}

#[test]
fn a_path_is_sent_as_the_gateway_normalises_it() {
    for (typed, path) in [
        ("http://g/你好", "/%E4%BD%A0%E5%A5%BD"),
        ("http://g/%e4%bd%a0", "/%e4%bd%a0"),
        ("http://g/c%7Ed%6D", "/c~dm"),
        ("http://g/a%2fb", "/a%2fb"),
        ("http://g/a b", "/a%20b"),
        ("http://g/a%20b", "/a%20b"),
        ("http://g/100%", "/100%25"),
        ("http://g/a|b^{c}`\"<>", "/a%7Cb%5E%7Bc%7D%60%22%3C%3E"),
        ("http://g/a%2e%2e/b", "/a../b"),
        ("http://g/a/%2e%2e/b", "/b"),
        ("http://g/a//b", "/a//b"),
    ] {
        let url = Endpoint::parse(typed).unwrap().join("/v1/models");
        assert_eq!(url.path(), format!("{path}/v1/models"), "{typed:?}");
    }
}

#[test]
fn a_query_is_sent_in_ascii_with_its_escapes_kept() {
    let sent = |typed: &str| Endpoint::parse(typed).unwrap().join("/v1/models").query().unwrap().to_owned();
    assert_eq!(sent("http://g?n=你 好"), "n=%E4%BD%A0%20%E5%A5%BD");
    assert_eq!(sent("http://g?n=%e4%bd%a0+x&k=%7e"), "n=%e4%bd%a0+x&k=%7e");
    assert_eq!(sent("http://g?k=a'b"), "k=a%27b");
    assert_eq!(sent("http://g?a=b=c"), "a=b=c");
}

#[test]
fn the_root_of_dashscope_serves_both_kinds_of_calls() {
    let endpoint = Endpoint::parse("https://g/api/v1").unwrap();
    assert_eq!(endpoint.join("/api/v1/services/x").as_str(), "https://g/api/v1/services/x");
    assert_eq!(endpoint.join("/v1/embeddings").as_str(), "https://g/api/v1/embeddings");
}

#[test]
fn a_missing_scheme_is_refused_with_the_likely_address() {
    for (typed, hint) in [
        ("gateway.example.com/pre/v1", "https://gateway.example.com/pre"),
        ("gateway.example.com:8443/pre", "https://gateway.example.com:8443/pre"),
        ("gateway.example.com:8080/pre", "http://gateway.example.com:8080/pre"),
        ("localhost:8080/pre", "http://localhost:8080/pre"),
        ("10.0.0.7/pre", "http://10.0.0.7/pre"),
        ("//gateway.example.com/pre", "https://gateway.example.com/pre"),
        ("http:/g/pre", "http://g/pre"),
        ("https//g.example/pre", "https://g.example/pre"),
    ] {
        let advice = error(typed).advice.unwrap();
        assert!(advice.ends_with(&format!("probably {hint}")), "{typed:?}: {advice}");
    }
}

#[test]
fn what_is_no_http_address_is_refused() {
    for typed in [
        "",
        "  ",
        "ftp://g/pre",
        "ws://g",
        "http://",
        "http:///pre",
        "http://g:99999/",
        "http://::1/",
        "http://g/#/ai/route",
        "http://g/a\nb",
        "http://g/pre?x",
        "http://g/pre?x=",
        "http://g/pre?=1",
        "http://a b/",
    ] {
        error(typed);
    }
}

#[test]
fn a_password_in_the_address_is_refused_and_not_repeated() {
    for typed in ["http://user:hunter2@g/pre", "user:hunter2@g/pre", "http://hunter2@g"] {
        let shown = format!("{0} {0:?}", error(typed));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn an_endpoint_is_shown_without_its_query() {
    let endpoint = Endpoint::parse("https://g.example:8443/pre?token=hunter2").unwrap();
    assert_eq!(endpoint.to_string(), "https://g.example:8443/pre");
    assert!(!format!("{endpoint:?}").contains("hunter2"));
}
