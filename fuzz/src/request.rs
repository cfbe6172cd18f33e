//! What a client sends to a server: the head of a request, its body, and what follows.

use transload_registry_server::fuzzing::{Head, Taken, request};

/// A request is the same however its bytes come, ends where every reader finds its end, and reads back from what it is written as.
pub fn check(input: &[u8]) {
    let taken = request(input, input.len().max(1));
    for piece in [1, 7] {
        assert_eq!(request(input, piece), taken, "in pieces of {piece} bytes");
    }
    let Taken::Request(head, body, rest) = taken else {
        return;
    };
    assert!(head.path.starts_with('/'));
    assert!(
        head.path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#')
    );
    assert!(!head.line.contains(char::is_control));

    let end = input.windows(4).position(|four| four == b"\r\n\r\n");
    let text = &input[..end.expect("it ends")];
    assert!(ends_of_lines_are_whole(text), "another reader finds other lines");
    let value_of = |wanted: &str| only_value(text, wanted);
    let length = value_of("content-length");
    let coding = value_of("transfer-encoding");
    match head.length {
        None => {
            assert!(coding.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")) && length.is_none())
        }
        Some(0) if length.is_none() => assert!(coding.is_none()),
        Some(bytes) => {
            let digits = std::str::from_utf8(length.expect("it has a length")).expect("digits");
            assert_eq!(digits.parse(), Ok(bytes));
            assert!(coding.is_none());
        }
    }
    if let (Ok(body), Some(length)) = (&body, head.length) {
        assert_eq!(body.len() as u64, length);
        assert!(input.ends_with(&[&body[..], &rest[..]].concat()));
    }
    reads_back(&head);
}

/// Whether no line of a head ends for one reader and goes on for another.
fn ends_of_lines_are_whole(head: &[u8]) -> bool {
    let with_end = [head, b"\r\n"].concat();
    with_end
        .windows(2)
        .all(|two| (two[0] == b'\r') == (two[1] == b'\n'))
}

/// Returns the value of a header that may be there once.
fn only_value<'a>(head: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let mut values = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let is_it = name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes());
        is_it.then(|| value[1..].trim_ascii())
    });
    let value = values.next();
    assert_eq!(values.next(), None, "{wanted} is there twice");
    value
}

fn reads_back(head: &Head) {
    let method = head.line.split(' ').next().expect("a method");
    let version = head.line.rsplit(' ').next().expect("a version");
    let query = head.query.as_ref().map(|query| format!("?{query}"));
    let mut text = format!(
        "{method} {}{} {version}\r\n",
        head.path,
        query.unwrap_or_default()
    );
    for (name, value) in &head.headers {
        text += &format!("{name}: {value}\r\n");
    }
    let again = request(format!("{text}\r\n").as_bytes(), usize::MAX);
    let Taken::Request(mut again, _, _) = again else {
        panic!("{text:?} isn't a request any more");
    };
    // An absolute URL is written as a path.
    again.line.clone_from(&head.line);
    assert_eq!(&again, head);
}
