//! Broken bytes, from the socket on: nothing a client or a stranger sends may end the kernel or fill its memory.

use super::comms;
use super::complete::is_complete;
use super::gate::tests::{hello, others, routed, said};
use super::history::History;
use super::message::{byte_offset, child, codepoint_offset, frames, read, subshell_of};
use super::seal::{Seal, sign};
use bytes::Bytes;
use jook_fuzz::Fuzz;
use jupyter_protocol::{JupyterMessage, JupyterMessageContent as Content};
use ring::hmac;
use serde_json::{Value, json};

/// Stands between the frames of an input. JSON text never holds it.
const BETWEEN: u8 = 0xff;
const DELIMITER: &[u8] = b"<IDS|MSG>";
const KEY: &str = "secret";

/// One message of every type that clients send, as frames.
fn seeds(key: &hmac::Key) -> Vec<Vec<u8>> {
    let contents = [
        ("kernel_info_request", json!({})),
        (
            "execute_request",
            json!({
                "code": "let a = 1; a", "silent": false, "store_history": true, "allow_stdin": true,
                "stop_on_error": true, "user_expressions": {"a": "a + 1"},
            }),
        ),
        ("execute_request", json!({"code": ":help"})),
        ("complete_request", json!({"code": "é😀 = fra", "cursor_pos": 7})),
        (
            "inspect_request",
            json!({"code": "vec.len()", "cursor_pos": 5, "detail_level": 1}),
        ),
        (
            "is_complete_request",
            json!({"code": "fn f(x: &'a str) { \"a\" /* b */"}),
        ),
        (
            "is_complete_request",
            json!({"code": "r#\"text\"# + '\\'' // more"}),
        ),
        (
            "history_request",
            json!({"hist_access_type": "range", "output": true, "raw": true, "session": -1, "start": 0, "stop": 9}),
        ),
        (
            "history_request",
            json!({"hist_access_type": "tail", "output": false, "raw": true, "n": 100}),
        ),
        (
            "history_request",
            json!({"hist_access_type": "search", "pattern": "l*t ?", "unique": true, "n": 3}),
        ),
        ("comm_info_request", json!({"target_name": "jupyter.widget"})),
        (
            "comm_open",
            json!({"comm_id": "c", "target_name": "jupyter.widget", "data": {"state": {"value": 1}}}),
        ),
        (
            "comm_msg",
            json!({"comm_id": "c", "data": {"method": "update", "state": {"value": [1, 2]}, "buffer_paths": [["a"]]}}),
        ),
        ("comm_close", json!({"comm_id": "c", "data": {}})),
        ("interrupt_request", json!({})),
        ("shutdown_request", json!({"restart": true})),
        ("input_reply", json!({"value": "yes", "status": "ok"})),
        ("create_subshell_request", json!({})),
        ("delete_subshell_request", json!({"subshell_id": "s"})),
        ("debug_request", json!({"type": "request", "command": "attach"})),
    ];
    let messages = contents.into_iter().map(|(msg_type, content)| {
        let header = json!({
            "msg_id": "6a1f_1", "username": "me", "session": "6a1f", "date": "2026-01-01T00:00:00.000000Z",
            "msg_type": msg_type, "version": "5.4", "subshell_id": (msg_type == "comm_msg").then_some("s"),
        });
        let parts = [header, json!({}), json!({"deletedCells": []}), content].map(|part| part.to_string());
        let mut whole = vec![b"client".to_vec(), DELIMITER.to_vec(), sign(key, &parts).into()];
        whole.extend(parts.map(String::into_bytes));
        if msg_type == "comm_msg" {
            whole.push(vec![0, 1, 2, 3]);
        }
        whole.join(&BETWEEN)
    });
    messages.collect()
}

/// Half of the messages get the signature that belongs to them, whatever they hold.
fn resign(frames: &mut [Vec<u8>], key: &hmac::Key) {
    let sum = frames
        .iter()
        .flatten()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    if sum.is_multiple_of(2)
        && let Some(at) = frames.iter().position(|frame| frame == DELIMITER)
        && let Some(parts) = frames.get(at + 2..at + 6)
    {
        frames[at + 1] = sign(key, parts).into_bytes();
    }
}

/// Does with a message what the kernel does before it acts; whether it was well-formed and signed.
fn take(mut message: Vec<Vec<u8>>, key: &hmac::Key) -> bool {
    resign(&mut message, key);
    // A new one each time: a message counts once.
    let seal = Seal::new(KEY, "session".to_string());
    let Ok(request) = read(message.into_iter().map(Bytes::from).collect(), &seal) else {
        return false;
    };
    decode(&request);
    // Whatever it holds, it can be answered, and the answer is well-formed.
    let subshell = subshell_of(&request).map(str::to_string);
    let answer = frames(child("some_reply", json!({"status": "ok"}), &request), &seal);
    let answer = answer.expect("an answer can be written");
    let at = answer.iter().position(|frame| &frame[..] == DELIMITER);
    let parent = answer.get(at.expect("an answer has a delimiter") + 3);
    let parent: Value = serde_json::from_slice(parent.expect("an answer has a parent")).unwrap();
    assert_eq!(parent["subshell_id"].as_str(), subshell.as_deref());
    true
}

/// What the handlers read in a request before they act.
fn decode(request: &JupyterMessage) {
    let at = |code: &str, cursor: usize| {
        let byte = byte_offset(code, cursor);
        assert!(code.is_char_boundary(byte), "{cursor} in {code:?}");
        assert!(codepoint_offset(code, byte) <= cursor);
    };
    match &request.content {
        Content::CompleteRequest(content) => at(&content.code, content.cursor_pos),
        Content::InspectRequest(content) => at(&content.code, content.cursor_pos),
        Content::IsCompleteRequest(content) => drop(is_complete(content)),
        Content::HistoryRequest(content) => {
            let mut history = History::default();
            for (count, input) in ["let a = 1;", "é", "let b = 2;"].into_iter().enumerate() {
                history.begin(count + 1, input);
            }
            drop(history.answer(content));
        }
        content => assert!(comms::concern(content) || comms::message(request).is_none()),
    }
}

#[test]
fn no_message_ends_the_kernel() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    let reached = std::cell::Cell::new(0);
    Fuzz::new("wire parser")
        .seeds(seeds(&key))
        .tokens([
            &[BETWEEN][..],
            DELIMITER,
            b"{}",
            b"null",
            b"[[[[",
            b"\"subshell_id\":",
            b"\"msg_type\":\"execute_request\"",
            b"\"code\":\"",
            b"\"cursor_pos\":",
            b"\\ud800",
            b"\\u0000",
            b"\xf0\x9f\x98\x80",
        ])
        .iterations(200_000)
        .memory(64, 256 << 10)
        .run(|input| {
            let message = input.split(|byte| *byte == BETWEEN).map(<[u8]>::to_vec).collect();
            reached.set(reached.get() + u32::from(take(message, &key)));
        });
    // Not all is refused at the door.
    assert!(reached.get() > 10_000, "{} messages got through", reached.get());
}

#[test]
fn no_bytes_at_a_socket_end_the_kernel() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    let talk = |input: &Vec<u8>| {
        let frames: Vec<&[u8]> = input.split(|byte| *byte == BETWEEN).collect();
        [hello("DEALER"), said(&frames[1..]), said(&[b"more"])].concat()
    };
    let others_talk = [
        [
            hello("SUB"),
            said(&[b"\x01"]),
            said(&[b"\x01topic"]),
            said(&[b"\x00topic"]),
        ]
        .concat(),
        [hello("REQ"), said(&[b"", b"beat"]), said(&[b"", &[0; 300]])].concat(),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (messages, reached) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    Fuzz::new("wire socket")
        .seeds(seeds(&key).iter().map(talk).chain(others_talk))
        .tokens([
            &[0xff][..],
            &[0x7f, 3, 0],
            b"\x04\x05PING",
            // A length of eight bytes, and the largest that counts.
            &[2, 0x40, 0, 0, 0, 0, 0, 0, 0],
            &[3, 0, 0, 0, 0, 0x3f, 0xff, 0xff, 0],
            &[1, 0],
            b"Socket-Type\0\0\0\x06DEALER",
            DELIMITER,
        ])
        .iterations(100_000)
        // Beside the input: what is read ahead, and a first piece of a large frame.
        .memory(64, 512 << 10)
        .run(|input| {
            let (heard, _) = runtime.block_on(routed(input));
            for message in heard {
                messages.set(messages.get() + 1);
                let message = message.iter().map(|frame| frame.to_vec()).collect();
                reached.set(reached.get() + u32::from(take(message, &key)));
            }
            runtime.block_on(others(input));
        });
    let (messages, reached) = (messages.get(), reached.get());
    assert!(
        messages > 10_000 && reached > 1_000,
        "{messages} messages came in, {reached} were well-formed"
    );
}
