//! Weights as a whole: formats told apart, writing, renaming, comparing with a network.

use super::{assert_refused, reference, reference_bytes};
use crate::show::Show;
use crate::weights::{KNOWN, Weights};

fn made() -> Weights {
    let tensors = [
        (
            "a.weight",
            vec![2, 3],
            vec![1.0, -0.0, f32::MIN_POSITIVE, f32::MAX, 1e-40, 6.0],
        ),
        ("a.bias", vec![2], vec![0.1, 0.2]),
        ("scale", vec![], vec![3.0]),
    ];
    Weights::new(tensors).unwrap()
}

#[test]
fn formats_are_told_by_their_content() {
    let cases: [(&[u8], &str); 7] = [
        (b"", "an empty file"),
        (b"\x80\x02}.", "a bare pickle"),
        (b"\x1f\x8b\x08\0\0\0", "a gzip file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"<!doctype html><title>404</title>", "a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a Git LFS pointer",
        ),
        (b"something else", "neither"),
    ];
    for (content, words) in cases {
        assert_refused(content, &["a safetensors file or a PyTorch zip archive", words]);
    }
    let folder = Weights::read(std::env::temp_dir()).unwrap_err().to_string();
    assert!(folder.contains("found a folder"), "{folder}");
    let none = Weights::read("no/such.pth").unwrap_err().to_string();
    assert!(
        none.contains("no/such.pth") && none.contains("only when called"),
        "{none}"
    );
}

#[test]
fn what_is_written_is_read_to_the_bit_and_has_its_hash() {
    let path = std::env::temp_dir().join(format!("jook-weights-{}.safetensors", std::process::id()));
    let made = made();
    made.write(&path).unwrap();
    let read = Weights::read(&path).unwrap();
    assert_eq!(read.sha256(), made.sha256());
    assert_eq!(read.sha256().len(), 64);
    for (name, tensor) in made.iter() {
        let other = read.get(name).unwrap();
        assert_eq!(tensor.shape, other.shape);
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(tensor.values), bits(other.values), "{name}");
    }
    // Counters are kept on the way from PyTorch, and the bytes do not change from one writing to the next.
    let state = Weights::read(reference("module.pth")).unwrap();
    state.write(&path).unwrap();
    let first = std::fs::read(&path).unwrap();
    let again = Weights::read(&path).unwrap();
    assert_eq!(
        again.integers("bn.num_batches_tracked"),
        state.integers("bn.num_batches_tracked")
    );
    again.write(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first);
    std::fs::remove_file(path).unwrap();
    let other = Weights::new([("a", vec![1], vec![1.0])]).unwrap();
    assert_ne!(
        other.sha256(),
        Weights::new([("a", vec![1], vec![2.0])]).unwrap().sha256()
    );
}

#[test]
fn tensors_made_wrong_are_refused() {
    let short = Weights::new([("a", vec![2, 2], vec![1.0; 3])])
        .unwrap_err()
        .to_string();
    assert!(
        short.contains("shape [2, 2] has, found 3") && short.contains("tensor a"),
        "{short}"
    );
    let twice = Weights::new([("a", vec![1], vec![1.0]), ("a", vec![1], vec![1.0])]).unwrap_err();
    assert!(twice.to_string().contains("found a twice"), "{twice}");
}

#[test]
fn renaming_keeps_numbers_and_hash_and_refuses_two_of_a_name() {
    let made = made();
    let renamed = made.clone().rename(|name| name.replace("a.", "layer.")).unwrap();
    assert_eq!(
        renamed.names().collect::<Vec<_>>(),
        ["layer.weight", "layer.bias", "scale"]
    );
    assert_eq!(renamed.get("layer.bias"), made.get("a.bias"));
    assert_eq!(renamed.sha256(), made.sha256());
    assert!(renamed.get("a.bias").is_none());
    let error = made.clone().rename(|_| "x").unwrap_err().to_string();
    assert!(error.contains("found x for both a.weight and a.bias"), "{error}");
    let rest = made.filter(|name| name != "a.weight");
    assert_eq!(rest.get("scale").unwrap().values, [3.0]);
    assert!(rest.get("a.weight").is_none());
}

#[test]
fn differences_list_names_and_shapes() {
    let made = made();
    let [weight, bias, none, wide]: [&[usize]; 4] = [&[2, 3], &[2], &[], &[2, 4]];
    let expected = [("a.weight", weight), ("a.bias", bias), ("scale", none)];
    made.require(expected).unwrap();
    assert_eq!(made.differences(expected).to_string(), "all 3 tensors fit");
    let other = [("a.weight", wide), ("a.bias", bias), ("gone", weight)];
    let error = made.require(other).unwrap_err().to_string();
    for words in [
        "1 fit, 1 missing, 1 of another shape, 1 unexpected",
        "missing:\n    gone (2 x 3)",
        "another shape:\n    a.weight: expected 2 x 4, found 2 x 3",
        "unexpected:\n    scale (a single number)",
        "made in the program",
        "Weights::rename",
    ] {
        assert!(error.contains(words), "no {words:?} in: {error}");
    }
    let error = made
        .require([("a.weight", wide), ("a.bias", bias), ("scale", none)])
        .unwrap_err();
    assert!(error.to_string().contains("number of classes"), "{error}");
    let error = made.require([("a.bias", bias), ("scale", none)]).unwrap_err();
    assert!(error.to_string().contains("Weights::filter"), "{error}");
}

#[test]
fn hundreds_of_differences_stay_readable() {
    let tensors = (0..300).map(|i| (format!("theirs.{i}"), vec![1], vec![0.0]));
    let weights = Weights::new(tensors).unwrap();
    let names: Vec<String> = (0..310).map(|i| format!("ours.{i}")).collect();
    let error = weights
        .require(names.iter().map(|name| (name.as_str(), [1].as_slice())))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("0 fit, 310 missing, 0 of another shape, 300 unexpected"),
        "{text}"
    );
    assert!(
        text.contains("and 270 more") && text.contains("and 260 more"),
        "{text}"
    );
    assert!(text.contains("another library's naming"), "{text}");
    assert!(text.lines().count() < 100, "{text}");
}

#[test]
fn counters_are_no_difference() {
    let weights = Weights::from_bytes("x", &reference_bytes("module.pth")).unwrap();
    assert!(weights.integers("bn.num_batches_tracked").is_some());
    let shapes: Vec<(String, Vec<usize>)> = weights
        .iter()
        .map(|(name, tensor)| (name.to_owned(), tensor.shape.to_vec()))
        .collect();
    assert_eq!(shapes.len(), weights.len() - 1);
    weights
        .require(
            shapes
                .iter()
                .map(|(name, shape)| (name.as_str(), shape.as_slice())),
        )
        .unwrap();
}

#[test]
fn weights_show_their_tensors() {
    let text = made().bundle().plain().to_owned();
    for words in [
        "a.weight",
        "2 x 3",
        "a single number",
        "weights: 3 tensors, 9 numbers (made in the program)",
    ] {
        assert!(text.contains(words), "no {words:?} in: {text}");
    }
    assert_eq!(
        format!("{:?}", made()),
        "Weights(weights: 3 tensors, 9 numbers (made in the program))"
    );
}

#[test]
fn known_weights_say_what_is_known() {
    for known in KNOWN {
        if let Some(digits) = known.sha256 {
            assert!(
                digits.len() >= 8 && known.address.contains(digits),
                "{}",
                known.name
            );
        }
        assert!(!known.remark.is_empty());
    }
}
