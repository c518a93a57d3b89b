//! Broken files of weights: no panic, and no memory that the file does not deserve.

#[path = "archive/mod.rs"]
mod archive;

use jook::weights::Weights;
use jook_fuzz::{Counting, Fuzz};

#[global_allocator]
static MEMORY: Counting = Counting;

mod fuzz {
    use super::*;

    fn reference(names: &[&str]) -> Vec<Vec<u8>> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/reference/weights/");
        names
            .iter()
            .map(|name| std::fs::read(format!("{folder}{name}")).expect("a reference file"))
            .collect()
    }

    #[test]
    fn safetensors() {
        Fuzz::new("safetensors")
            .seeds(reference(&[
                "module.safetensors",
                "types.safetensors",
                "refused_float8.safetensors",
            ]))
            .tokens([
                "{",
                "}",
                "\"shape\":[",
                "\"data_offsets\":[0,",
                "\"dtype\":\"F32\"",
                "18446744073709551615",
                "-1",
            ])
            // Names, a tree of the header, and 8 bytes for each of an 8-bit integer.
            .memory(64, 1 << 20)
            .run(|bytes| drop(Weights::from_bytes("fuzz", bytes)));
    }

    #[test]
    fn pytorch_archive() {
        Fuzz::new("pytorch archive")
            .seeds(reference(&[
                "module.pth",
                "views.pth",
                "deflated.pth",
                "zip64.pth",
                "refused_script.pt",
            ]))
            .tokens([
                "PK\x01\x02",
                "PK\x03\x04",
                "PK\x05\x06",
                "PK\x06\x06",
                "PK\x06\x07",
                "data.pkl",
                "../",
            ])
            // A deflated byte may stand for 1,032, each an integer of 8 bytes here.
            .memory(16 * 1032, 1 << 20)
            .run(|bytes| drop(Weights::from_bytes("fuzz", bytes)));
    }

    /// The pickle alone, in an archive whose checksums are right: behind them nothing else would be tried.
    #[test]
    fn pytorch_pickle() {
        let numbers: Vec<u8> = (0..64).collect();
        let sound = |pickle: &[u8]| {
            archive::archive(&[
                ("a/data.pkl", pickle),
                ("a/data/0", &numbers),
                ("a/data/1", &numbers),
            ])
        };
        let seeds = [
            &b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n\
            X\x01\0\0\x000X\x03\0\0\0cpuK\x10tQK\x00K\x04K\x04\x86K\x04K\x01\x86\x89ccollections\nOrderedDict\n)RtRs."[..],
            b"\x80\x04\x95\x10\0\0\0\0\0\0\0ccollections\nOrderedDict\n)R\x94}\x8c\x01a\x94]\x94(K\x01\x88Nesb.",
            b"\x80\x02}q\x00X\x0a\0\0\0state_dicth\x00s.",
        ];
        Fuzz::new("pytorch pickle")
            .seeds(seeds)
            .tokens([
                &b"ctorch\nLongStorage\n"[..],
                b"ctorch\nBoolStorage\n",
                b"ctorch._utils\n_rebuild_parameter\n",
                b"tQ",
                b"tR",
                b"\x85",
                b"\x86",
                b"\x87",
                b"h\x00",
                b"q\x01",
                b"(",
                b")",
                b"u",
                b"e",
                b"b",
                b"\x8a\x08\0\0\0\0\0\0\0\x40",
            ])
            .memory(256, 1 << 20)
            .run(|pickle| drop(Weights::from_bytes("fuzz", &sound(pickle))));
    }
}
