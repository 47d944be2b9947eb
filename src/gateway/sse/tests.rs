use super::*;
use crate::gateway::ErrorKind;
use futures_util::StreamExt;
use proptest::prelude::*;

fn event(data: &str) -> Event {
    Event { data: data.into(), ..Event::default() }
}

/// The events of `pieces`, the stream ending after them.
fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut framer = Framer::default();
    for piece in pieces {
        framer.push(piece).unwrap();
    }
    framer.finish().unwrap();
    std::iter::from_fn(|| framer.pop()).collect()
}

fn data(stream: &[u8]) -> Vec<String> {
    events([stream]).into_iter().map(|event| event.data).collect()
}

#[test]
fn lines_end_in_lf_cr_or_crlf() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = "data: a|data: b||event: x|data:c||data: [DONE]||".replace('|', end);
        let c = Event { event: "x".into(), ..event("c") };
        assert_eq!(events([stream.as_bytes()]), [event("a\nb"), c.clone(), event("[DONE]")], "{end:?}");
        let bytes: Vec<_> = stream.bytes().map(|byte| [byte]).collect();
        assert_eq!(events(bytes.iter().map(<[u8; 1]>::as_slice)), [event("a\nb"), c, event("[DONE]")], "{end:?}");
    }
}

#[test]
fn the_last_event_needs_neither_blank_line_nor_newline() {
    assert_eq!(data(b"data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
    assert_eq!(data(b"data: a\n\ndata: [DONE]\n"), ["a", "[DONE]"]);
    assert_eq!(data(b"data: a\r"), ["a"]);
    assert_eq!(data(b"event: error\ndata:{}"), ["{}"]);
    assert_eq!(data(b""), Vec::<String>::new());
}

#[test]
fn an_event_that_was_cut_does_not_count_but_one_without_its_blank_line_does() {
    let cut = |stream: &[u8]| {
        let mut framer = Framer::default();
        framer.push(stream).unwrap();
        framer.cut();
        std::iter::from_fn(|| framer.pop()).map(|event| event.data).collect::<Vec<_>>()
    };
    assert_eq!(cut(b"data: a\n\ndata: [DONE]\n"), ["a", "[DONE]"]);
    assert_eq!(cut(b"data: a\n\ndata: {\"b\":"), ["a"]);
    assert_eq!(cut(b"data: a\n\ndata: b\ndata"), ["a"]);
}

#[test]
fn the_blank_after_the_colon_is_optional_and_only_one_goes() {
    assert_eq!(data(b"data:a\n\ndata:  b\n\ndata\n\ndata:\n\ndata\ndata\n\n"), ["a", " b", "", "", "\n"]);
}

#[test]
fn comments_stay_with_their_event() {
    let stream =
        b": ping\n\nid:1\nevent:error\n:HTTP_STATUS/400\ndata:{\"code\":\"X\"}\n\n: later\ndata: a\n\ndata: b\n\n";
    let error =
        Event { event: "error".into(), data: r#"{"code":"X"}"#.into(), comments: vec!["HTTP_STATUS/400".into()] };
    let commented = Event { comments: vec![" later".into()], ..event("a") };
    assert_eq!(events([&stream[..]]), [error, commented, event("b")]);
}

#[test]
fn events_without_data_and_unknown_fields_are_dropped() {
    assert_eq!(data(b"event: ping\n\nretry: 5\nfoo: bar\nfoo\ndata: a\n\n\n\n"), ["a"]);
}

#[test]
fn a_line_that_is_a_json_object_is_an_event_though_it_lacks_its_field() {
    let stream = b"data: a\n\ndata: b\n{\"error\":{}}\ndata: c\n\n{ is text\n{\"d\":1}";
    assert_eq!(data(stream), ["a", "b", "{\"error\":{}}", "c", "{\"d\":1}"]);
    assert_eq!(events(stream.chunks(1)), events([&stream[..]]));
}

#[test]
fn the_default_event_has_no_name() {
    assert_eq!(events([&b"event: message\ndata: a\n\n"[..]]), [event("a")]);
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_start_and_harmless_elsewhere() {
    assert_eq!(
        data("\u{feff}data: a\n\n\u{feff}data: b\ndata: c\n\nid: 1\n\u{feff}data: d\n\n".as_bytes()),
        ["a", "c"]
    );
    assert_eq!(events("\u{feff}data: a\n\n".as_bytes().chunks(1)), [event("a")]);
}

#[test]
fn invalid_utf8_is_replaced_and_does_not_stop_the_stream() {
    assert_eq!(
        data(b"data: a\xff\xfeb\n\ndata: c\xe4\n\nid: \xff\ndata: d\n\n"),
        ["a\u{fffd}\u{fffd}b", "c\u{fffd}", "d"]
    );
}

#[test]
fn a_character_cut_in_two_is_whole_again() {
    let stream = "data: 你好😀\n\n".as_bytes();
    for cut in 0..=stream.len() {
        let (left, right) = stream.split_at(cut);
        assert_eq!(events([left, right]), [event("你好😀")], "cut at {cut}");
    }
}

#[test]
fn an_event_over_the_limit_is_an_error_after_the_events_before_it() {
    for stream in ["data: 0123456789", "data: 0123456789\n\n", "data: 012\ndata: 345\n", "foo\nfoo\nfoo\nfoo\nfoo\n"] {
        let mut framer = Framer::with_limit(15);
        framer.push(b"data: ok\n\n").unwrap();
        let error = framer.push(stream.as_bytes()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert_eq!(framer.pop(), Some(event("ok")));
    }
}

#[test]
fn comments_are_bounded() {
    let mut framer = Framer::with_limit(4096);
    for _ in 0..10_000 {
        framer.push(b": still here\n").unwrap();
    }
    framer.push(b"data: a\n\n").unwrap();
    let event = framer.pop().unwrap();
    assert_eq!((event.data.as_str(), event.comments.len()), ("a", MAX_COMMENTS));
}

#[test]
fn a_long_line_costs_linear_time() {
    let line = [b"data: ".as_slice(), &vec![b'x'; 8 << 20], b"\n\n"].concat();
    let mut framer = Framer::with_limit(9 << 20);
    let started = std::time::Instant::now();
    for piece in line.chunks(16 << 10) {
        framer.push(piece).unwrap();
    }
    assert_eq!(framer.pop().unwrap().data.len(), 8 << 20);
    // Quadratic time would be minutes in this build.
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn an_event_of_many_short_lines_costs_linear_time() {
    let stream = ["data:\n".repeat(200_000), "\n".into()].concat();
    let started = std::time::Instant::now();
    assert_eq!(data(stream.as_bytes())[0].len(), 199_999);
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
}

/// Pieces of streams that matter.
const PIECES: &[&str] = &[
    "data: ", "data:", "data", "event: x", "id: 1", ":", ": c", "\n", "\r", "\r\n", "\n\n", "a", " ", "[]", "你",
    "\u{feff}", "foo: bar", "retry: 1", "\0", "[DONE]",
];

/// Streams of such pieces, with bytes that are no UTF-8 between them.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::sample::select(&[0xff_u8, 0xe4, 0xbd][..]).prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_events(bytes in stream(), cuts in proptest::collection::vec(0..200_usize, 0..8)) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(events(pieces), events([bytes.as_slice()]));
        prop_assert_eq!(events(bytes.chunks(1)), events([bytes.as_slice()]));
    }

    /// `sse-stream` is strict about UTF-8 and drops what no blank line ends, so it gets neither.
    #[test]
    fn events_equal_those_of_another_implementation(bytes in stream()) {
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        text.push_str("\n\n");
        let body = stream::iter([Ok::<_, Infallible>(bytes::Bytes::from(text.clone()))]);
        let theirs: Vec<_> = sse_stream::SseStream::from_bytes_stream(body)
            .filter_map(|event| async { event.ok() })
            .collect::<Vec<_>>()
            .now_or_never()
            .unwrap()
            .into_iter()
            .filter_map(|event| Some((event.event.filter(|name| name != "message").unwrap_or_default(), event.data?)))
            .collect();
        let ours: Vec<_> = events([text.as_bytes()]).into_iter().map(|event| (event.event, event.data)).collect();
        prop_assert_eq!(ours, theirs);
    }

    /// The road around the parser gives what the parser gives.
    #[test]
    fn one_line_events_need_no_parser(value in "[^\r\n]{0,40}") {
        let line = format!("data:{value}\n");
        prop_assert_eq!(events([line.as_bytes(), b"\n"]), vec![event(&parse(&line).unwrap().1)]);
    }
}
