//! The gate without a network, and against another implementation of the protocol.

use super::frames::{command, encode};
use super::heart::{Heart, beat};
use super::listen::{Serve, serve};
use super::places::{Place, Places};
use super::*;
use bytes::Bytes;
use std::io::Cursor;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, sink, split};
use zeromq::{DealerSocket, ReqSocket, Socket, SocketRecv, SocketSend, SubSocket, ZmqMessage};

/// A whole greeting, and READY from a socket of this kind.
pub fn hello(kind: &str) -> Vec<u8> {
    let mut said = vec![0; 64];
    said[0] = 0xff;
    said[9] = 0x7f;
    said[10] = 3;
    said[12..16].copy_from_slice(b"NULL");
    let property = |name: &str, value: &str| {
        let length = (value.len() as u32).to_be_bytes();
        [&[name.len() as u8], name.as_bytes(), &length, value.as_bytes()].concat()
    };
    let properties = [property("Socket-Type", kind), property("Identity", "me")].concat();
    said.extend(command("READY", &properties));
    said
}

/// A message in bytes.
pub fn said(frames: &[&[u8]]) -> Vec<u8> {
    let frames: Vec<_> = frames.iter().map(|frame| Bytes::copy_from_slice(frame)).collect();
    encode(&frames).concat()
}

/// The messages that come through to a router from a connection that says this, and how it ends.
pub async fn routed(said: &[u8]) -> (Vec<Vec<Bytes>>, String) {
    let (channel, mut inbox, _) = router::channel();
    let mut served = std::pin::pin!(ending(&channel, said));
    let mut messages = Vec::new();
    let end = loop {
        tokio::select! {
            biased;
            frames = inbox.next() => messages.push(frames),
            end = &mut served => break end,
        }
    };
    loop {
        tokio::select! {
            biased;
            frames = inbox.next() => messages.push(frames),
            () = std::future::ready(()) => return (messages, end),
        }
    }
}

/// The same words to a publisher and to a heart.
pub async fn others(said: &[u8]) {
    let (channel, publisher) = publisher::channel(|topic: &[u8]| Some(vec![Bytes::copy_from_slice(topic)]));
    ending(&channel, said).await;
    publisher.publish(&["nobody is left".into()]).await;
    ending(&Heart, said).await;
}

/// How a connection ends that says this and no more: the reason where it is refused.
async fn ending<S: Serve>(channel: &S, said: &[u8]) -> String {
    let stream = (Box::new(Cursor::new(said.to_vec())) as _, Box::new(sink()) as _);
    match serve(channel, stream, Limits::default(), Room::new(1 << 30), &place()).await {
        Err(End::Refused(reason)) => reason,
        Err(End::Left) | Ok(()) => String::new(),
    }
}

/// A connection in memory, with little room in between; what it is served with ends with it.
async fn connect<S: Serve>(
    channel: &Arc<S>,
    kind: &str,
    limits: Limits,
    room: &Arc<Room>,
) -> (DuplexStream, tokio::task::JoinHandle<Result<(), End>>) {
    let (mut ours, theirs) = duplex(4096);
    let (read, write) = split(theirs);
    let (channel, room) = (channel.clone(), room.clone());
    let served = tokio::spawn(async move {
        serve(
            &*channel,
            (Box::new(read), Box::new(write)),
            limits,
            room,
            &place(),
        )
        .await
    });
    ours.write_all(&hello(kind)).await.unwrap();
    let mut greeting = [0; 66];
    ours.read_exact(&mut greeting).await.unwrap();
    let mut rest = vec![0; usize::from(greeting[65])];
    ours.read_exact(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"\x05READY\x0bSocket-Type"));
    (ours, served)
}

fn place() -> Place {
    let (place, _) = Places::new(1).take().expect("one is free");
    place
}

fn reason(end: Result<Result<(), End>, tokio::task::JoinError>) -> String {
    match end.unwrap() {
        Err(End::Refused(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

/// Limits that a test can wait for.
fn quick() -> Limits {
    Limits {
        handshake: Duration::from_millis(300),
        standstill: Duration::from_millis(300),
        message: 1 << 20,
        waiting: 10_000,
        ..Limits::default()
    }
}

#[tokio::test]
async fn who_does_not_keep_to_the_protocol_is_told_why() {
    let dealer = hello("DEALER");
    let with = |at: usize, byte: u8| {
        let mut said = dealer.clone();
        said[at] = byte;
        said
    };
    let after = |more: &[u8]| [&dealer[..], more].concat();
    let before = |more: &[u8]| [&dealer[..64], more].concat();
    let long = |flags: u8, length: u64| [&[flags | 2][..], &length.to_be_bytes()].concat();
    let cases = [
        (
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            "it does not speak ZeroMQ's protocol",
        ),
        (with(9, 0x7e), "it does not speak ZeroMQ's protocol"),
        (with(10, 2), "version 2"),
        (with(12, b'D'), "\"DULL\""),
        (
            hello("PUB"),
            "a socket of the kind \"PUB\" on a channel of the kind ROUTER",
        ),
        (before(&command("HELLO", b"")), "another command than READY"),
        (before(&command("READY", b"\x05name")), "cannot be read"),
        (before(&said(&[b"hello"])), "a message before READY"),
        (before(&long(4, 1 << 62)), "announced more than 65536 bytes"),
        (before(&long(0, 100_000)), "announced more than 65536 bytes"),
        (after(&long(4, 100_000)), "announced more than 65536 bytes"),
        (after(&long(0, 1 << 62)), "announced more than 1073741824 bytes"),
        (after(&long(1, u64::MAX)), "announced more than 1073741824 bytes"),
        (after(&[0x80, 0]), "flags 0x80"),
        (after(&[5, 0]), "flags 0x05"),
        (
            after(&[1, 0, 4, 5, 4, b'P', b'I', b'N', b'G']),
            "a command inside a message",
        ),
        (after(&[4, 1, 9]), "a command without a name"),
    ];
    for (said, reason) in cases {
        let (messages, end) = routed(&said).await;
        assert!(
            messages.is_empty() && end.contains(reason),
            "{reason:?} and not {end:?}"
        );
    }
    // Nothing is wrong with these.
    for said in [
        &dealer[..],
        &dealer[..70],
        &after(&long(0, 1 << 29)),
        &after(&command("UNKNOWN", b"words")),
    ] {
        assert_eq!(routed(said).await, (Vec::new(), String::new()));
    }
}

#[tokio::test]
async fn messages_come_through_whole_and_with_their_sender() {
    let large = vec![7; 1 << 20];
    let said = [hello("DEALER"), said(&[b"a", b"", &large]), said(&[b"b"])].concat();
    let (messages, end) = routed(&said).await;
    assert_eq!(end, "");
    let [first, second] = &messages[..] else {
        panic!("{}", messages.len())
    };
    assert_eq!(
        (&first[1][..], &first[2][..], first[3].len(), first[4].len()),
        (&b"me"[..], &b"a"[..], 0, 1 << 20)
    );
    assert!(first[0] == second[0] && second[2] == "b");
    // However it is cut on the way.
    let (channel, mut inbox, _) = router::channel();
    let channel = Arc::new(channel);
    let (mut ours, _) = connect(&channel, "DEALER", Limits::default(), &Room::new(0)).await;
    for byte in tests::said(&[b"", b"bit by bit", &[9; 300]]) {
        ours.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(
        inbox.next().await[2..],
        [Bytes::new(), "bit by bit".into(), vec![9; 300].into()]
    );
}

#[tokio::test]
async fn frames_without_bytes_have_an_end_too() {
    let limits = Limits {
        message: 10_000,
        ..Limits::default()
    };
    let (channel, _inbox, _) = router::channel();
    let (mut ours, served) = connect(&Arc::new(channel), "DEALER", limits, &Room::new(1 << 20)).await;
    let _ = ours.write_all(&[1, 0].repeat(10_000)).await;
    assert!(reason(served.await).contains("more than 10000 bytes"));
}

#[tokio::test]
async fn who_begins_a_message_goes_on_with_it() {
    let (channel, mut inbox, _) = router::channel();
    let (channel, room) = (Arc::new(channel), Room::new(1 << 20));
    let (mut silent, still) = connect(&channel, "DEALER", quick(), &room).await;
    let (mut begun, first) = connect(&channel, "DEALER", quick(), &room).await;
    let (mut drips, second) = connect(&channel, "DEALER", quick(), &room).await;
    begun.write_all(b"\x00\x10begun").await.unwrap();
    drips.write_all(b"\x00\xff").await.unwrap();
    while !second.is_finished() {
        let _ = drips.write_all(b".").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for served in [first, second] {
        assert!(reason(served.await).contains("was in the middle of a message"));
    }
    // Who says nothing may do so for as long as it likes.
    assert!(!still.is_finished());
    silent.write_all(&said(&[b"late"])).await.unwrap();
    assert_eq!(inbox.next().await[2], "late");
}

#[tokio::test]
async fn what_is_on_its_way_holds_only_so_much_together() {
    let (channel, mut inbox, _) = router::channel();
    let (channel, room) = (Arc::new(channel), Room::new(500_000));
    let (mut first, _) = connect(&channel, "DEALER", Limits::default(), &room).await;
    let (mut second, refused) = connect(&channel, "DEALER", Limits::default(), &room).await;
    let (mut small, _) = connect(&channel, "DEALER", Limits::default(), &room).await;
    let half = vec![0; 400_000];
    let message = said(&[&half]);
    first.write_all(&message[..350_000]).await.unwrap();
    let _ = second.write_all(&message).await;
    assert!(reason(refused.await).contains("hold too much memory together"));
    small.write_all(&said(&[&[1; 1000]])).await.unwrap();
    assert_eq!(inbox.next().await[2].len(), 1000);
    first.write_all(&message[350_000..]).await.unwrap();
    assert_eq!(inbox.next().await[2].len(), 400_000);
    // It is given back.
    small.write_all(&message).await.unwrap();
    assert_eq!(inbox.next().await[2].len(), 400_000);
}

#[tokio::test]
async fn who_says_nothing_at_all_is_not_waited_for() {
    let (channel, _inbox, _) = router::channel();
    let (ours, theirs) = duplex(4096);
    let (read, write) = split(theirs);
    let end = serve(
        &channel,
        (Box::new(read), Box::new(write)),
        quick(),
        Room::new(0),
        &place(),
    )
    .await;
    assert!(matches!(end, Err(End::Refused(reason)) if reason.contains("did not say who it is")));
    drop(ours);
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_waited_for_and_then_left_behind() {
    let (channel, publisher) = publisher::channel(|_: &[u8]| None);
    let (channel, room) = (Arc::new(channel), Room::new(0));
    let (mut reads, _reading) = connect(&channel, "SUB", Limits::default(), &room).await;
    let (mut sleeps, slept) = connect(&channel, "SUB", quick(), &room).await;
    for stream in [&mut reads, &mut sleeps] {
        stream.write_all(&said(&[b"\x01t"])).await.unwrap();
    }
    let heard = tokio::spawn(async move {
        let mut heard = vec![0; 200 * 1009];
        reads.read_exact(&mut heard).await.unwrap();
        heard
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    let mut waited = 0;
    let frame = Bytes::from([&b"topic"[..], &[b'.'; 995]].concat());
    for _ in 0..200 {
        let before = Instant::now();
        publisher.publish(std::slice::from_ref(&frame)).await;
        publisher.publish(&["another topic".into()]).await;
        waited += u32::from(before.elapsed() > Duration::from_millis(100));
    }
    // Once, when there was no more room for it.
    assert_eq!(waited, 1);
    assert!(begun.elapsed() > Duration::from_millis(200));
    assert!(reason(slept.await).contains("did not read what was there for it"));
    let expected = encode(std::slice::from_ref(&frame)).concat();
    assert_eq!(heard.await.unwrap(), expected.repeat(200));
    publisher.empty().await;
}

#[tokio::test]
async fn replies_go_to_who_asked_or_to_its_other_connections() {
    let (channel, mut inbox, outbox) = router::channel();
    let (channel, room) = (Arc::new(channel), Room::new(0));
    // All call themselves "me".
    let (mut asks, _) = connect(&channel, "DEALER", Limits::default(), &room).await;
    let (mut thief, _) = connect(&channel, "DEALER", Limits::default(), &room).await;
    asks.write_all(&said(&[b"question"])).await.unwrap();
    let mut reply = inbox.next().await;
    outbox.send(&reply).unwrap();
    let expected = said(&[b"question"]);
    let mut heard = vec![0; expected.len()];
    asks.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, expected);
    // The number of a connection to another channel.
    reply[0] = Bytes::copy_from_slice(&u64::MAX.to_be_bytes());
    outbox.send(&reply).unwrap();
    for stream in [&mut asks, &mut thief] {
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, expected);
    }
    reply[1] = "nobody".into();
    assert!(outbox.send(&reply).is_err() && outbox.send(&[]).is_err());
}

#[tokio::test]
async fn another_implementation_understands_it() {
    let folder = std::env::temp_dir().join(format!("jook-gate-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let ipc = |name: &str| Endpoint::Ipc(folder.join(name));
    let url = |name: &str| format!("ipc://{}", folder.join(name).display());
    let room = Room::new(1 << 20);
    // What a killed kernel leaves does not matter.
    drop(std::os::unix::net::UnixListener::bind(folder.join("shell-1")).unwrap());
    let mut router = Router::bind(&ipc("shell-1"), Limits::default(), &room)
        .await
        .unwrap();
    assert!(
        Router::bind(&ipc("shell-1"), Limits::default(), &room)
            .await
            .is_err()
    );
    let mut dealer = DealerSocket::new();
    dealer.connect(&url("shell-1")).await.unwrap();
    let frames: Vec<Bytes> = vec!["a".into(), Bytes::new(), vec![5; 300_000].into()];
    dealer
        .send(ZmqMessage::try_from(frames.clone()).unwrap())
        .await
        .unwrap();
    let request = router.inbox.next().await;
    router.outbox.send(&request).unwrap();
    assert_eq!(dealer.recv().await.unwrap().into_vec(), frames);

    let greet = |topic: &[u8]| Some(vec![Bytes::copy_from_slice(topic), "welcome".into()]);
    let (publisher, _listening) = Publisher::bind(&ipc("iopub-2"), Limits::default(), &room, greet)
        .await
        .unwrap();
    let mut sub = SubSocket::new();
    sub.connect(&url("iopub-2")).await.unwrap();
    sub.subscribe("topic").await.unwrap();
    assert_eq!(
        sub.recv().await.unwrap().into_vec(),
        ["topic", "welcome"].map(Bytes::from)
    );
    publisher.publish(&["other".into(), "not for it".into()]).await;
    publisher.publish(&["topical".into(), "news".into()]).await;
    assert_eq!(
        sub.recv().await.unwrap().into_vec(),
        ["topical", "news"].map(Bytes::from)
    );

    let heart = beat(&Endpoint::Tcp("127.0.0.1".to_string(), 0), &room)
        .await
        .unwrap();
    let mut req = ReqSocket::new();
    req.connect(&format!("tcp://127.0.0.1:{}", heart.port))
        .await
        .unwrap();
    for beat in ["one", "two"] {
        req.send(beat.into()).await.unwrap();
        assert_eq!(req.recv().await.unwrap().into_vec(), [Bytes::from(beat)]);
    }
    // No socket is left behind.
    drop((router, publisher, _listening));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    std::fs::remove_dir(&folder).unwrap();
}
