//! Fetching from a server on this machine that does what servers do.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::interrupt;
use crate::testing;
use crate::weights::pin::download_pinned;
use crate::weights::{KnownWeights, download, sha256};

/// How one request is answered.
#[derive(Clone, Copy)]
enum Answer {
    /// The file or the part asked for, with this mark of its version.
    File(&'static str),
    /// As `File`, but the connection ends after so many bytes.
    Cut(usize),
    /// The whole file whatever is asked for.
    Whole,
    /// No file: this status.
    Status(&'static str),
    /// A part, and then nothing more while the connection stays open.
    Silence(usize),
}

struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers one request after another; the last answer is kept.
    fn new(content: Vec<u8>, answers: impl Into<VecDeque<Answer>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/weights.bin", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, mut answers) = (requests.clone(), answers.into());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = match answers.len() {
                    1 => answers[0],
                    _ => answers.pop_front().unwrap(),
                };
                // A client that goes away is no fault.
                let _ = serve(stream, &content, answer, &seen);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    content: &[u8],
    answer: Answer,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while reader.read_line(&mut head)? > 2 {}
    seen.lock().unwrap().push(head.to_lowercase());
    let head = head.to_lowercase();
    let field = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let (tag, most) = match answer {
        Answer::File(tag) => (tag, content.len()),
        Answer::Whole => ("\"v1\"", content.len()),
        Answer::Cut(most) | Answer::Silence(most) => ("\"v1\"", most),
        Answer::Status(status) => {
            return write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    };
    let from =
        field("range").and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let from = from.filter(|_| field("if-range") == Some(tag) && !matches!(answer, Answer::Whole));
    let (total, part) = (content.len(), &content[from.unwrap_or(0).min(content.len())..]);
    match from {
        Some(from) => write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}\r\n",
            total - 1
        )?,
        None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
    }
    let length = part.len();
    write!(
        stream,
        "ETag: {tag}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&part[..most.min(length)])?;
    stream.flush()?;
    if let Answer::Silence(_) = answer {
        thread::sleep(Duration::from_secs(600));
    }
    Ok(())
}

fn content() -> Vec<u8> {
    (0..300_000u32)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

/// A path in a folder of its own.
fn target() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("jook-download-{}-{n}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder.join("weights.bin")
}

/// The names beside the target, sorted.
fn left(path: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_fetched_checked_and_not_fetched_again() {
    let (server, path) = (Server::new(content(), [Answer::File("\"v1\"")]), target());
    let hash = sha256(&content());
    download(&server.address, Some(&hash[..8]), &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content());
    assert_eq!(left(&path), ["weights.bin"]);
    download(&server.address, Some(&hash.to_uppercase()), &path).unwrap();
    download(&server.address, None, &path).unwrap();
    assert_eq!(server.requests().len(), 1);
    std::fs::write(&path, "another").unwrap();
    let error = download(&server.address, Some(&hash), &path)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("there already") && error.contains("remove the file"),
        "{error}"
    );
}

#[test]
fn what_has_no_checksum_is_said_pinned_and_held_to_that() {
    let (server, path) = (Server::new(content(), [Answer::File("\"v1\"")]), target());
    let note = download_pinned(&server.address, &path).unwrap().unwrap();
    let hash = sha256(&content());
    assert!(
        note.contains("not checked: no checksum") && note.contains(&hash),
        "{note}"
    );
    assert_eq!(left(&path), ["weights.bin", "weights.bin.sha256"]);
    let pin = path.with_file_name("weights.bin.sha256");
    assert_eq!(
        std::fs::read_to_string(&pin).unwrap(),
        format!("{hash}  weights.bin\n")
    );
    // The same file passes without a word, and is fetched again when it is gone.
    assert_eq!(download_pinned(&server.address, &path).unwrap(), None);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(download_pinned(&server.address, &path).unwrap(), None);
    assert_eq!(server.requests().len(), 2);

    // Another one is refused: there already, or at the address.
    std::fs::write(&path, "another").unwrap();
    let error = download_pinned(&server.address, &path).unwrap_err().to_string();
    assert!(
        error.contains("there already") && error.contains("pinned in"),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
    let other = Server::new(b"another".to_vec(), [Answer::File("\"v1\"")]);
    let error = download_pinned(&other.address, &path).unwrap_err().to_string();
    assert!(
        error.contains("pinned in") && error.contains("weights.bin.sha256"),
        "{error}"
    );
    assert!(!path.exists());
    std::fs::write(&pin, "").unwrap();
    let error = download_pinned(&other.address, &path).unwrap_err().to_string();
    assert!(error.contains("pinned anew"), "{error}");
    std::fs::remove_file(&pin).unwrap();
    assert!(download_pinned(&other.address, &path).unwrap().is_some());
}

#[test]
fn a_catalogued_file_without_a_checksum_is_pinned_and_one_with_is_not() {
    let (server, path) = (Server::new(content(), [Answer::File("\"v1\"")]), target());
    let mut known = KnownWeights {
        name: "weights",
        address: server.address.clone().leak(),
        sha256: None,
        remark: "for a test",
    };
    known.download(&path).unwrap();
    assert_eq!(left(&path), ["weights.bin", "weights.bin.sha256"]);
    assert!(known.to_string().contains("no SHA-256 known"));
    std::fs::write(&path, "another").unwrap();
    assert!(known.download(&path).is_err());
    let path = target();
    known.sha256 = Some(sha256(&content()).leak());
    known.download(&path).unwrap();
    assert_eq!(left(&path), ["weights.bin"]);
}

#[test]
fn a_broken_connection_is_taken_up_again() {
    let answers = [Answer::Cut(400_000), Answer::Cut(500_000), Answer::File("\"v1\"")];
    let (server, path) = (Server::new(content(), answers), target());
    download(&server.address, Some(&sha256(&content())), &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content());
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(!requests[0].contains("range:"), "{}", requests[0]);
    // How much of the cut part arrived is the system's to say, but each goes on where the last ended.
    assert!(requests[1].contains("range: bytes=") && requests[1].contains("if-range: \"v1\""));
    assert_ne!(requests[1], requests[2]);
}

#[test]
fn what_a_call_left_is_resumed_by_the_next() {
    let path = target();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let part = path.with_file_name("weights.bin.part");
    std::fs::write(&part, &content()[..1_000_000]).unwrap();
    std::fs::write(path.with_file_name("weights.bin.part.version"), "\"v1\"").unwrap();
    let server = Server::new(content(), [Answer::File("\"v1\"")]);
    download(&server.address, None, &path).unwrap();
    assert!(
        server.requests()[0].contains("range: bytes=1000000-"),
        "{}",
        server.requests()[0]
    );
    assert_eq!(std::fs::read(&path).unwrap(), content());
    // A whole part needs nothing but the server's word.
    let whole = Server::new(
        content(),
        [Answer::Status(
            "416 Range Not Satisfiable\r\nContent-Range: bytes */1200000",
        )],
    );
    std::fs::rename(&path, &part).unwrap();
    std::fs::write(path.with_file_name("weights.bin.part.version"), "\"v1\"").unwrap();
    download(&whole.address, Some(&sha256(&content())), &path).unwrap();
    assert_eq!(left(&path), ["weights.bin"]);
}

#[test]
fn another_version_or_a_server_without_ranges_begins_anew() {
    for answer in [Answer::File("\"v2\""), Answer::Whole] {
        let (server, path) = (Server::new(content(), [answer]), target());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path.with_file_name("weights.bin.part"), [7; 5000]).unwrap();
        std::fs::write(path.with_file_name("weights.bin.part.version"), "\"v1\"").unwrap();
        download(&server.address, None, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), content());
        assert_eq!(server.requests().len(), 1);
    }
    // Without a mark of its version a part is not trusted.
    let (server, path) = (Server::new(content(), [Answer::File("\"v1\"")]), target());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path.with_file_name("weights.bin.part"), [7; 5000]).unwrap();
    download(&server.address, None, &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content());
}

#[test]
fn what_is_not_the_file_is_refused_and_removed() {
    let (server, path) = (Server::new(content(), [Answer::File("\"v1\"")]), target());
    let error = download(&server.address, Some("0123456789"), &path)
        .unwrap_err()
        .to_string();
    for words in [
        "SHA-256 0123456789, found",
        &sha256(&content()),
        "what was fetched is removed",
    ] {
        assert!(error.contains(words), "no {words:?} in: {error}");
    }
    assert_eq!(left(&path), [""; 0]);
    let (server, path) = (
        Server::new(content(), [Answer::Status("404 Not Found")]),
        target(),
    );
    let error = download(&server.address, None, &path).unwrap_err().to_string();
    assert!(
        error.contains("404 Not Found") && error.contains("may have moved"),
        "{error}"
    );
    assert!(!path.exists());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn no_connection_is_said_plainly() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let path = target();
    let error = download(&format!("http://127.0.0.1:{port}/x"), None, &path)
        .unwrap_err()
        .to_string();
    for words in [
        "no file from 127.0.0.1",
        "check that this machine is online",
        "weights.bin",
    ] {
        assert!(error.contains(words), "no {words:?} in: {error}");
    }
}

#[test]
fn what_is_asked_for_wrongly_is_refused_before_anything_is_sent() {
    let path = target();
    let cases = [
        ("ftp://x/y", None, "found ftp:"),
        ("file:///etc/passwd", None, "found file:"),
        ("no address", None, "https://"),
        ("http://127.0.0.1:1/x", Some("0cc3"), "8 to 64 hexadecimal digits"),
        (
            "http://127.0.0.1:1/x",
            Some("not known"),
            "8 to 64 hexadecimal digits",
        ),
    ];
    for (address, hash, words) in cases {
        let error = download(address, hash, &path).unwrap_err().to_string();
        assert!(error.contains(words), "no {words:?} in: {error}");
    }
    // Neither is read, which might never end, nor taken for the file.
    let error = download("http://127.0.0.1:1/x", None, "/dev/null")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("found a device") && error.contains("/dev/null"),
        "{error}"
    );
    let error = download("http://127.0.0.1:1/x", None, std::env::temp_dir())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("found a folder") || error.contains("name of a file"),
        "{error}"
    );
}

/// A stop reaches the whole process: it is asked for in a child, which is this test binary.
#[test]
fn a_stop_ends_it_at_once_and_keeps_the_part() {
    let path = target();
    let mut child = testing::child("weights::tests::download::stopped");
    child.env("JOOK_TEST_PATH", &path);
    testing::passes(child);
    assert_eq!(left(&path), ["weights.bin.part", "weights.bin.part.version"]);
}

#[test]
#[ignore = "the child of the test above"]
fn stopped() {
    let Some(path) = std::env::var_os("JOOK_TEST_PATH").map(PathBuf::from) else {
        return;
    };
    let server = Server::new(content(), [Answer::Silence(500_000)]);
    let part = path.with_file_name("weights.bin.part");
    let asked = thread::spawn(move || {
        while std::fs::metadata(&part).map_or(0, |meta| meta.len()) < 500_000 {
            thread::sleep(Duration::from_millis(5));
        }
        interrupt::request();
        Instant::now()
    });
    let error = download(&server.address, None, &path).unwrap_err().to_string();
    let took = asked.join().unwrap().elapsed();
    assert!(
        error.contains("stopped as asked, 500000 bytes are kept"),
        "{error}"
    );
    assert!(error.contains("call it again"), "{error}");
    println!("stopped after {took:?}");
    // 50 ms here when the machine is idle; the server would be silent for minutes.
    assert!(took < Duration::from_secs(5), "{took:?}");
    interrupt::clear();
    let server = Server::new(content(), [Answer::File("\"v1\"")]);
    let resumed = path.with_file_name("resumed.bin");
    for ending in ["part", "part.version"] {
        let [from, to] = [&path, &resumed].map(|path| {
            path.with_file_name(format!(
                "{}.{ending}",
                path.file_name().unwrap().to_string_lossy()
            ))
        });
        std::fs::copy(from, to).unwrap();
    }
    download(&server.address, Some(&sha256(&content())), &resumed).unwrap();
    assert!(server.requests()[0].contains("range: bytes=500000-"));
    std::fs::remove_file(resumed).unwrap();
}
