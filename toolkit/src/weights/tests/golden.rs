//! The numbers that PyTorch has, to the bit (tests/reference/weights.py).

use serde_json::Value;

use super::{assert_refused, reference, reference_bytes};
use crate::weights::Weights;

const GOLDEN: &str = include_str!("../../../../tests/reference/weights.json");

#[test]
fn every_file_has_pytorchs_numbers_to_the_bit() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let files = golden["files"].as_object().unwrap();
    assert_eq!(files.len(), 13);
    for (file, tensors) in files {
        let weights = Weights::read(reference(file)).unwrap();
        let tensors = tensors.as_object().unwrap();
        assert_eq!(weights.len(), tensors.len(), "{file}");
        for (name, tensor) in tensors {
            let list = |key: &str| {
                tensor[key]
                    .as_array()
                    .map(|list| list.iter().map(|x| x.as_i64().unwrap()))
            };
            let shape: Vec<usize> = list("shape").unwrap().map(|side| side as usize).collect();
            match list("bits") {
                Some(bits) => {
                    let found = weights.get(name).unwrap_or_else(|| panic!("{file}: no {name}"));
                    assert_eq!(found.shape, shape, "{file}: {name}");
                    let expected: Vec<f32> = bits.map(|bits| f32::from_bits(bits as u32)).collect();
                    let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
                    assert_eq!(found.values.len(), expected.len(), "{file}: {name}");
                    assert!(
                        found.values.iter().zip(&expected).all(same),
                        "{file}: {name}: {:?}, expected {expected:?}",
                        found.values
                    );
                    assert!(weights.integers(name).is_none());
                }
                None => {
                    let expected: Vec<i64> = list("integers").unwrap().collect();
                    assert_eq!(
                        weights.integers(name),
                        Some((shape.as_slice(), expected.as_slice())),
                        "{file}: {name}"
                    );
                    assert!(weights.get(name).is_none());
                }
            }
        }
    }
}

#[test]
fn what_is_no_state_dict_is_refused_with_a_way_out() {
    let cases: [(&str, &[&str]); 12] = [
        ("refused_big_endian.pth", &["little-endian numbers, found big"]),
        (
            "refused_legacy.pth",
            &["bare pickle (PyTorch before 1.6", "torch.save(model.state_dict()"],
        ),
        (
            "refused_script.pt",
            &["found a TorchScript program", "torch.jit.load"],
        ),
        (
            "refused_module.pth",
            &[
                "found the global torch.nn.modules.linear.Linear",
                "torch.save(model.state_dict()",
            ],
        ),
        ("refused_list.pth", &["expected a state_dict, found a list"]),
        (
            "refused_mixed.pth",
            &["a tensor under every name", "found an int", "entry epoch"],
        ),
        ("refused_complex.pth", &["found a complex tensor"]),
        ("refused_uint16.pth", &["a tensor of a type that is not read"]),
        ("refused_quantized.pth", &["found a quantized tensor"]),
        ("refused_numpy.pth", &["found the global numpy"]),
        (
            "refused_code.pth",
            &["found the global posix.system", "of the pickle", "data.pkl"],
        ),
        (
            "refused_float8.safetensors",
            &["found F8_E4M3", "tensor weight", "convert the weights to F32"],
        ),
    ];
    for (file, words) in cases {
        assert_refused(&reference_bytes(file), words);
    }
}

#[test]
fn every_cut_is_refused() {
    for file in ["views.pth", "deflated.pth", "zip64.pth", "module.safetensors"] {
        let whole = reference_bytes(file);
        for length in 0..whole.len() {
            let cut = Weights::from_bytes("cut", &whole[..length]);
            assert!(cut.is_err(), "{file} cut to {length} bytes was read");
        }
    }
}

#[test]
fn a_flipped_bit_is_refused_or_reads_without_harm() {
    for file in ["views.pth", "deflated.pth", "zip64.pth", "types.safetensors"] {
        let whole = reference_bytes(file);
        let mut refused = 0;
        for at in 0..whole.len() {
            for bit in [0, 3, 7] {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                // Padding may change unseen; a checksum guards the rest of an archive.
                refused += usize::from(Weights::from_bytes("flipped", &flipped).is_err());
            }
        }
        assert!(refused > 200, "{file}: {refused} refused");
    }
}
