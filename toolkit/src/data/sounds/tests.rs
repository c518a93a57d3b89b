use serde_json::Value;

use super::*;
use crate::data::datasets;
use crate::show::Show as _;

const GOLDEN: &str = include_str!("../../../../tests/reference/sounds.json");

fn floats(value: &Value) -> Vec<f32> {
    let all = value.as_array().expect("numbers").iter();
    all.map(|x| x.as_f64().expect("a number") as f32).collect()
}

/// Numbers that `tests/reference/sounds.py` took from PyTorch and librosa.
#[test]
fn spectrograms_are_pytorchs_in_librosas_mel_bands() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let wave = floats(&golden["wave"]);
    let cases = golden["spectrograms"].as_array().unwrap();
    for case in cases {
        let size = |name: &str| case[name].as_u64().map(|n| n as usize);
        let spec = Spectrogram {
            window: size("window").unwrap(),
            hop: size("hop").unwrap(),
            mel: size("mel"),
            floor: case["floor"].as_f64().unwrap(),
        };
        let sounds = Dataset::new("wave", wave.len(), [&wave[..], &wave[..]].concat()).unwrap();
        let sounds = sounds.with_rate(case["rate"].as_f64().unwrap()).unwrap();
        let pictures = sounds.spectrogram(&spec).unwrap();
        let shape = (size("bands").unwrap(), size("frames").unwrap(), 1);
        assert_eq!(pictures.shape(), shape.into(), "{spec}");
        for row in pictures.rows() {
            for (found, want) in row.iter().zip(floats(&case["numbers"])) {
                assert!(
                    (found - want).abs() <= 1e-5 * want.abs().max(1.0),
                    "{spec}: {found}, {want}"
                );
            }
        }
    }
    assert_eq!(cases.len(), 5);
}

#[test]
fn pictures_keep_their_sounds_through_parts_and_joins() {
    let sounds = datasets::spoken_digits(40, 0).unwrap();
    let spec = Spectrogram::new(160, 80).mel(24);
    let pictures = sounds.spectrogram(&spec).unwrap();
    let rows = [7, 3, 21];
    let part = pictures.subset(&rows).unwrap();
    let anew = sounds.subset(&rows).unwrap().spectrogram(&spec).unwrap();
    assert_eq!(part.digest(), anew.digest());
    let joined = pictures
        .subset(&[7])
        .unwrap()
        .join(&pictures.subset(&[3, 21]).unwrap())
        .unwrap();
    assert_eq!(joined.digest(), part.digest());
    assert_eq!(part.rate(), Some(4000.0));
    // Other sounds beneath the same pictures are other data to a training that changes sounds.
    let plain = Dataset::new("plain", part.shape(), part.features().to_vec()).unwrap();
    let plain = plain.standing_for(&part).unwrap();
    assert_ne!(plain.digest(), part.digest());
    // What is worked on remembers none.
    let split = pictures.split(0.25, 0).unwrap();
    assert_eq!(split.train.rate(), Some(4000.0));
    assert_eq!(split.standardized().unwrap().train.rate(), None);
    assert_eq!(pictures.transposed().unwrap().rate(), None);
    assert_eq!(sounds.clone().with_shape((40, 60, 1)).unwrap().rate(), None);
}

#[test]
fn what_is_no_sound_is_refused() {
    let sounds = datasets::spoken_digits(10, 0).unwrap();
    let refused = |data: &Dataset, spec: Spectrogram, words: &str| {
        let error = data.spectrogram(&spec).expect_err("an error").to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(
        &datasets::digits().unwrap(),
        Spectrogram::new(8, 4),
        "Dataset::with_rate",
    );
    refused(&sounds, Spectrogram::new(4000, 80), "a shorter window");
    refused(&sounds, Spectrogram::new(1, 80), "window of 2 to");
    refused(&sounds, Spectrogram::new(usize::MAX, 80), "window of 2 to");
    refused(&sounds, Spectrogram::new(160, 0), "hop of 1");
    refused(&sounds, Spectrogram::new(160, 80).mel(0), "1 mel band");
    refused(&sounds, Spectrogram::new(160, 80).mel(82), "up to 81 mel bands");
    refused(&sounds, Spectrogram::new(160, 80).mel(80), "has no frequency");
    refused(
        &sounds,
        Spectrogram::new(160, 80).floor(f64::NAN),
        "floor above 0",
    );
    assert!(sounds.clone().with_rate(0.0).is_err() && sounds.clone().with_rate(f64::INFINITY).is_err());
    assert!(datasets::digits().unwrap().with_rate(100.0).is_err());
    assert!(Dataset::from_texts("a", ["b"]).unwrap().with_rate(100.0).is_err());
}

#[test]
fn sounds_show_as_pictures_of_their_swings() {
    let html = datasets::spoken_digits(20, 0).unwrap().bundle().to_html();
    assert_eq!(html.matches("<img").count(), 20);
    assert!(html.contains("sounds of 2400 samples at 4000 Hz") && !html.contains("histogram"));
    let drawn = picture(&[0.0, 0.0, 1.0, -1.0], 1.0);
    let column = |x: usize| -> f32 { drawn.chunks_exact(SIZE.1).map(|line| line[x]).sum() };
    assert!(column(0) <= 1.0 && column(80) > 15.0 && column(120) > 15.0);
    assert_eq!(picture(&[], 1.0).len(), SIZE.0 * SIZE.1);
}
