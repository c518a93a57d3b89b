//! Archives that lie.

use super::{archive, assert_refused, reference_bytes};
use crate::weights::Weights;

/// An empty dict: the least that is a `state_dict`.
const EMPTY: &[u8] = b"\x80\x02}.";

fn place(file: &[u8], what: &[u8]) -> usize {
    file.windows(what.len())
        .position(|window| window == what)
        .expect("it is there")
}

#[test]
fn the_plainest_archive_is_read() {
    assert!(
        Weights::from_bytes("x", &archive(&[("a/data.pkl", EMPTY)]))
            .unwrap()
            .is_empty()
    );
    assert!(
        Weights::from_bytes("x", &archive(&[("data.pkl", EMPTY)]))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn paths_that_leave_the_archive_are_refused() {
    for name in [
        "../data.pkl",
        "a/../../x",
        "/etc/x",
        "a\\x",
        "C:/x",
        "a/./x",
        "..",
        "",
    ] {
        let entries: [(&str, &[u8]); 2] = [("a/data.pkl", EMPTY), (name, b"x")];
        assert_refused(
            &archive(&entries),
            &["inside the archive's folder, found the path", "do not trust"],
        );
    }
}

#[test]
fn other_archives_are_told_apart() {
    assert_refused(&archive(&[]), &["with a data.pkl, found another zip archive"]);
    assert_refused(&archive(&[("model.onnx", b"x")]), &["found another zip archive"]);
    let twice: [(&str, &[u8]); 2] = [("a/data.pkl", EMPTY), ("b/data.pkl", EMPTY)];
    assert_refused(&archive(&twice), &["one data.pkl", "several"]);
    let script: [(&str, &[u8]); 2] = [("a/data.pkl", EMPTY), ("a/code/x.py", b"")];
    assert_refused(&archive(&script), &["found a TorchScript program"]);
    let same: [(&str, &[u8]); 2] = [("a/data.pkl", EMPTY), ("a/data.pkl", EMPTY)];
    assert_refused(&archive(&same), &["different names, found a/data.pkl twice"]);
}

#[test]
fn a_directory_that_lies_is_refused() {
    type Change = fn(&mut Vec<u8>, usize, usize);
    // With the places of the directory's entry and of the end.
    let cases: [(Change, &[&str]); 13] = [
        (|file, entry, _| file[entry + 8] |= 1, &["found an encrypted one"]),
        (
            |file, entry, _| file[entry + 10] = 14,
            &["found compression method 14"],
        ),
        (
            |file, entry, _| file[entry + 16] ^= 1,
            &["with the checksum", "a/data.pkl"],
        ),
        (
            |file, entry, _| file[entry + 20] = 200,
            &["the data of an entry of 200 bytes", "found the end at"],
        ),
        (
            |file, entry, _| file[entry + 24] = 5,
            &["sizes that go together, found 5 bytes out of 4"],
        ),
        (
            |file, entry, _| file[entry + 42] = 1,
            &["a local header, found other bytes"],
        ),
        (
            |file, entry, _| file[entry + 43] = 0xff,
            &["a local header of 30 bytes at byte 65280"],
        ),
        (
            |file, entry, _| file[entry + 42..entry + 46].fill(0xff),
            &["a zip64 size, found none"],
        ),
        (
            |file, entry, _| file[entry + 46] = b'b',
            &["the same name and method before the data"],
        ),
        (
            |file, entry, _| file[entry + 28] = 99,
            &["the name of an entry of 99 bytes"],
        ),
        (
            |file, _, end| file[end + 10] = 2,
            &["as many entries as fit", "declared 2"],
        ),
        (
            |file, _, end| file[end + 16] ^= 1,
            &["a directory of", "that ends at byte"],
        ),
        (
            |file, _, end| file[end + 20] = 1,
            &["the directory of a zip archive at the end, found none"],
        ),
    ];
    let whole = archive(&[("a/data.pkl", EMPTY)]);
    for (change, words) in cases {
        let mut file = whole.clone();
        let (entry, end) = (place(&file, b"PK\x01\x02"), place(&file, b"PK\x05\x06"));
        change(&mut file, entry, end);
        assert_refused(&file, words);
    }
}

#[test]
fn entries_that_share_bytes_are_refused() {
    let entries: [(&str, &[u8]); 2] = [("a/data.pkl", EMPTY), ("a/data.pkx", EMPTY)];
    let mut file = archive(&entries);
    let directory = place(&file, b"PK\x01\x02");
    let second = directory + 1 + place(&file[directory + 1..], b"PK\x01\x02");
    // The second entry says that it is the first: its name, too.
    file[second + 42..second + 46].fill(0);
    assert_refused(&file, &["the same name and method before the data"]);
    let first_local = place(&file, b"PK\x03\x04");
    // Under the first one's name it would be there twice: change it in both places that are looked at.
    let name = first_local + 30;
    file[directory + 46..directory + 56].copy_from_slice(b"a/data.pkx");
    file[name..name + 10].copy_from_slice(b"a/data.pkx");
    assert_refused(&file, &["twice"]);
}

#[test]
fn an_inflating_lie_is_refused_before_memory_is_taken() {
    let mut file = reference_bytes("deflated.pth");
    let entry = place(&file, b"PK\x01\x02");
    file[entry + 24..entry + 28].copy_from_slice(&0xffff_0000u32.to_le_bytes());
    assert_refused(&file, &["sizes that go together, found 4294901760 bytes out of"]);
    let mut file = reference_bytes("deflated.pth");
    let size = u32::from_le_bytes(file[entry + 24..entry + 28].try_into().unwrap());
    file[entry + 24..entry + 28].copy_from_slice(&(size - 1).to_le_bytes());
    assert_refused(&file, &["unpacked bytes as the archive declares"]);
}
