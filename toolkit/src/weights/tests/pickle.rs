//! Pickles that ask for more than tensors, and tensors that are not what they say.

use super::{archive, assert_refused};
use crate::weights::Weights;

/// An archive with the pickle and one storage, `0`, of four f32: 1, 2, 3, 4.
fn file(pickle: &[u8]) -> Vec<u8> {
    let data: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    archive(&[("a/data.pkl", pickle), ("a/data/0", &data)])
}

/// `{"w": tensor}` with parts in pickle's opcodes: the storage's type and length, then offset, shape and strides.
fn tensor(kind: &str, length: &[u8], offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let mut pickle =
        b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\n".to_vec();
    pickle.extend(kind.as_bytes());
    pickle.extend(b"\nX\x01\0\0\x000X\x03\0\0\0cpu");
    pickle.extend(length);
    pickle.extend(b"tQ");
    pickle.extend([offset, shape, strides].concat());
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
    file(&pickle)
}

#[test]
fn a_tensor_by_hand_is_read() {
    let four = tensor("FloatStorage", b"K\x04", b"K\x01", b"K\x03\x85", b"K\x01\x85");
    let weights = Weights::from_bytes("x", &four).unwrap();
    assert_eq!(weights.get("w").unwrap().values, [2.0, 3.0, 4.0]);
    let ints = tensor("IntStorage", b"K\x04", b"K\x00", b"K\x01\x85", b"K\x01\x85");
    let weights = Weights::from_bytes("x", &ints).unwrap();
    assert_eq!(weights.integers("w").unwrap().1, [0x3f80_0000]);
}

#[test]
fn a_mark_on_a_tensor_and_tensors_of_other_kinds_are_refused_with_a_way_out() {
    let plain = b"\x89ccollections\nOrderedDict\n)RtR";
    let mut marked = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQK\x00K\x01\x85K\x01\x85".to_vec();
    let unmarked = [&marked[..], plain, b"s."].concat();
    assert_eq!(
        Weights::from_bytes("x", &file(&unmarked))
            .unwrap()
            .get("w")
            .unwrap()
            .values,
        [1.0]
    );
    // As PyTorch writes the imaginary part of a conjugate: {"neg": True}.
    marked.extend(b"\x89ccollections\nOrderedDict\n)R}X\x03\0\0\0neg\x88stRs.");
    let error = Weights::from_bytes("x", &file(&marked)).unwrap_err().to_string();
    assert!(
        error.contains("marked as negative") && error.contains("resolve_neg()"),
        "{error}"
    );
    for (name, found) in [
        ("_rebuild_tensor_v3", "a type that is not read"),
        ("_rebuild_qtensor", "a quantized tensor"),
    ] {
        let pickle = format!("\u{2}}}ctorch._utils\n{name}\n.").replace('\u{2}', "");
        let error = Weights::from_bytes("x", &file(&[b"\x80\x02", pickle.as_bytes()].concat()))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(found) && error.contains("before saving"),
            "{error}"
        );
    }
}

#[test]
fn tensors_that_leave_their_storage_are_refused() {
    let outside = "inside its storage of 4 numbers";
    type Case<'a> = (&'a str, &'a [u8], &'a [u8], &'a [u8], &'a [u8], &'a str);
    let cases: [Case; 12] = [
        (
            "FloatStorage",
            b"K\x04",
            b"K\x02",
            b"K\x03\x85",
            b"K\x01\x85",
            outside,
        ),
        (
            "FloatStorage",
            b"K\x04",
            b"K\x00",
            b"K\x05\x85",
            b"K\x01\x85",
            outside,
        ),
        (
            "FloatStorage",
            b"K\x04",
            b"K\x00",
            b"K\x02K\x02\x86",
            b"K\x04K\x01\x86",
            outside,
        ),
        (
            "FloatStorage",
            b"K\x04",
            b"K\x05",
            b"K\x00\x85",
            b"K\x01\x85",
            outside,
        ),
        (
            "FloatStorage",
            b"K\x04",
            b"K\x00",
            b"\x8a\x08\0\0\0\0\0\0\0\x40\x85",
            b"J\0\0\0\x40\x85",
            outside,
        ),
        (
            "FloatStorage",
            b"K\x04",
            b"K\x00",
            b"\x8a\x08\0\0\0\0\0\0\0\x40\x8a\x08\0\0\0\0\0\0\0\x40\x86",
            b"K\x00K\x00\x86",
            outside,
        ),
        // A terabyte by repeating one number.
        (
            "FloatStorage",
            b"K\x04",
            b"K\x00",
            b"\x8a\x06\0\0\0\0\0\x01\x85",
            b"K\x00\x85",
            "at most 4 times",
        ),
        (
            "FloatStorage",
            b"K\x05",
            b"K\x00",
            b"K\x01\x85",
            b"K\x01\x85",
            "a storage of 5 numbers of F32",
        ),
        (
            "DoubleStorage",
            b"K\x04",
            b"K\x00",
            b"K\x01\x85",
            b"K\x01\x85",
            "found one of 16 bytes",
        ),
        (
            "FloatStorage",
            b"K\x04",
            b"J\xff\xff\xff\xff",
            b"K\x01\x85",
            b"K\x01\x85",
            "0 or more, found -1",
        ),
        (
            "FloatStorage",
            b"K\x04",
            b"K\x00",
            b"K\x01\x85",
            b"J\xff\xff\xff\xff\x85",
            "0 or more, found -1",
        ),
        (
            "FloatStorage",
            b"K\x04",
            b"K\x00",
            b"K\x01\x85",
            b")",
            "a stride for each dimension",
        ),
    ];
    for (kind, length, offset, shape, strides, words) in cases {
        assert_refused(&tensor(kind, length, offset, shape, strides), &[words]);
    }
    let elsewhere = tensor("FloatStorage", b"K\x04", b"K\x00", b"K\x01\x85", b"K\x01\x85");
    let key = elsewhere.windows(8).position(|w| w == b"a/data/0").unwrap();
    let mut moved = elsewhere.clone();
    moved[key + 7] = b'1';
    let second = key
        + 8
        + elsewhere[key + 8..]
            .windows(8)
            .position(|w| w == b"a/data/0")
            .unwrap();
    moved[second + 7] = b'1';
    assert_refused(&moved, &["the entry a/data/0, found none", "tensor w"]);
}

#[test]
fn code_is_refused_by_name() {
    let cases: [(&[u8], &[&str]); 16] = [
        (
            b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.",
            &["the global os.system", "byte 2 of the pickle"],
        ),
        (
            b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
            &["the global builtins.eval", "byte 18"],
        ),
        (b"\x80\x02c__builtin__\neval\n.", &["the global __builtin__.eval"]),
        (b"\x80\x02ctorch\nload\n.", &["the global torch.load"]),
        (b"\x80\x02(ios\nsystem\n.", &["the opcode INST"]),
        (b"\x80\x02(ccollections\nOrderedDict\no.", &["the opcode OBJ"]),
        (
            b"\x80\x02ccollections\nOrderedDict\n)\x81.",
            &["the opcode NEWOBJ"],
        ),
        (
            b"\x80\x04ccollections\nOrderedDict\n)}\x92.",
            &["the opcode NEWOBJ_EX"],
        ),
        (b"\x80\x02\x82\x01.", &["the opcode EXT1"]),
        (b"\x80\x02Pid\n.", &["the opcode PERSID"]),
        (b"\x80\x05\x97.", &["the opcode NEXT_BUFFER"]),
        (b"\x80\x02}}b.", &["the opcode BUILD with a dict for a dict"]),
        (
            b"\x80\x02ccollections\nOrderedDict\n)RK\x01b.",
            &["the opcode BUILD with an int for a dict"],
        ),
        (
            b"\x80\x02ccollections\nOrderedDict\n}}\x86R.",
            &["OrderedDict to be called as PyTorch does"],
        ),
        (b"\x80\x02K\x01)R.", &["a known callable, found an int"]),
        (b"\x80\x02\xff.", &["the opcode 0xff, which Python does not have"]),
    ];
    for (pickle, words) in cases {
        assert_refused(&file(pickle), words);
    }
}

#[test]
fn broken_pickles_are_refused() {
    let cases: [(&[u8], &str); 22] = [
        (b"", "1 bytes more"),
        (b"\x80\x01}.", "protocol 2 to 5, found 1"),
        (b"\x80\x06}.", "protocol 2 to 5, found 6"),
        (b"\x80\x02}", "1 bytes more, found 0 up to the end"),
        (b"\x80\x02.", "a value on the stack, found none"),
        (b"\x80\x02}}.", "one value at the end, found several"),
        (b"\x80\x02(}.", "found several"),
        (b"\x80\x02}..", "the end after STOP, found 1 bytes more"),
        (b"\x80\x02}(K\x01u.", "a value for each key"),
        (b"\x80\x02}K\x01a.", "a list to append to, found a dict"),
        (b"\x80\x02]K\x01K\x02s.", "a dict to set items of, found a list"),
        (b"\x80\x02u.", "a mark, found none"),
        (b"\x80\x02}(0.", "a value on the stack"),
        (b"\x80\x02K\x01(\x85.", "a value on the stack"),
        (b"\x80\x02h\x00.", "a remembered value, found none under 0"),
        (b"\x80\x02X\xff\xff\xff\xffab.", "4294967295 bytes more"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffab.", "bytes more"),
        (b"\x80\x02X\x01\0\0\0\xff.", "text in UTF-8"),
        (b"\x80\x02\x8a\x09aaaaaaaaa.", "at most 8 bytes, found one of 9"),
        (b"\x80\x02cos", "the end of a line"),
        (b"\x80\x02K\x01Q.", "the tuple of a storage, found an int"),
        (b"\x80\x02)Q.", "the tuple of a storage, found another one"),
    ];
    for (pickle, words) in cases {
        assert_refused(&file(pickle), &[words]);
    }
}

#[test]
fn odd_state_dicts_are_refused_by_entry() {
    let cases: [(&[u8], &[&str]); 4] = [
        (b"\x80\x02N.", &["expected a state_dict, found None"]),
        (
            b"\x80\x02}K\x01Ns.",
            &["names as the keys of a state_dict, found an int"],
        ),
        (
            b"\x80\x02}X\x01\0\0\0aNs.",
            &["a tensor under every name", "found None", "entry a"],
        ),
        // A dict that holds itself under its own key.
        (b"\x80\x02}q\x00X\x01\0\0\0ah\x00s.", &["found a dict", "entry a"]),
    ];
    for (pickle, words) in cases {
        assert_refused(&file(pickle), words);
    }
    // One that holds itself as its state_dict has no tensors either.
    let itself = b"\x80\x02}q\x00X\x0a\0\0\0state_dicth\x00s.";
    assert_refused(&file(itself), &["entry state_dict"]);
}
