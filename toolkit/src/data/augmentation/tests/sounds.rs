use super::*;
use crate::data::Spectrogram;

const GOLDEN: &str = include_str!("../../../../../tests/reference/sounds.json");

/// Numbers that `tests/reference/sounds.py` took from NumPy.
#[test]
fn sounds_are_changed_as_numpy_changes_them() {
    let golden: Value = serde_json::from_str(GOLDEN).expect("golden values");
    let short = floats(&golden["short"]);
    let cases = golden["changes"].as_array().expect("changes");
    for case in cases {
        let given = case["given"].as_f64().expect("a number");
        let mut wave = short.clone();
        match case["name"].as_str().expect("a name") {
            "speed" => sound::speed(&short, &mut wave, given),
            "gain" => sound::gain(&mut wave, given),
            "shift" => sound::shift(&mut wave, given as i64),
            other => panic!("no change {other}"),
        }
        for (found, want) in wave.iter().zip(floats(&case["wave"])) {
            assert!((found - want).abs() < 1e-5, "{case}: {found}, {want}");
        }
    }
    assert_eq!(cases.len(), 12);
}

fn every() -> Vec<Augmentation> {
    vec![
        Augmentation::TimeShift(0.2),
        Augmentation::WhiteNoise {
            least: 0.0,
            most: 20.0,
        },
        Augmentation::Gain(10.0),
        Augmentation::Speed(0.2),
    ]
}

#[test]
fn changes_of_sounds_stay_within_their_bounds() {
    let sounds = datasets::spoken_digits(200, 0).expect("sounds");
    let made = |one: Augmentation| sounds.augmented(&[one], 0, 1).expect("changed");
    let power = |row: &[f32]| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    let louder = made(Augmentation::Gain(10.0));
    let gains: Vec<f64> = louder
        .rows()
        .zip(sounds.rows())
        .map(|(a, b)| 10.0 * (power(a) / power(b)).log10())
        .collect();
    assert!(gains.iter().all(|gain| gain.abs() < 10.001), "{gains:?}");
    assert!(gains.iter().any(|&gain| gain > 8.0) && gains.iter().any(|&gain| gain < -8.0));
    let noisy = made(Augmentation::WhiteNoise {
        least: 5.0,
        most: 25.0,
    });
    let ratios: Vec<f64> = noisy
        .rows()
        .zip(sounds.rows())
        .map(|(a, b)| {
            let noise: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
            10.0 * (power(b) / power(&noise)).log10()
        })
        .collect();
    // 2,400 draws tell their own deviation to about 0.13 dB.
    assert!(
        ratios.iter().all(|ratio| (4.3..25.7).contains(ratio)),
        "{ratios:?}"
    );
    assert!(ratios.iter().any(|&ratio| ratio < 8.0) && ratios.iter().any(|&ratio| ratio > 22.0));
    let shifted = made(Augmentation::TimeShift(0.1));
    for (a, b) in shifted.rows().zip(sounds.rows()) {
        let fits = |by: i64| {
            let mut moved = b.to_vec();
            sound::shift(&mut moved, by);
            moved == a
        };
        assert!((-240..=240).any(fits));
    }
    let silent = Dataset::new("silence", 50, vec![0.0; 50]).and_then(|data| data.with_rate(100.0));
    let silent = silent.expect("silence");
    for one in every() {
        assert_eq!(
            silent.augmented(&[one], 0, 0).expect("changed").features(),
            silent.features()
        );
    }
}

#[test]
fn masks_cover_lines_and_columns_by_the_mean_and_no_more_than_asked() {
    let pictures = pictures();
    let Shape::Image {
        height,
        width,
        channels,
    } = pictures.shape()
    else {
        panic!("no images");
    };
    let many = pictures
        .subset(&(0..300).map(|i| i % 12).collect::<Vec<usize>>())
        .expect("many");
    for (one, lines) in [
        (Augmentation::TimeMask(0.5), false),
        (Augmentation::FrequencyMask(0.5), true),
    ] {
        let changed = many.augmented(&[one], 0, 2).expect("changed");
        let count = if lines { height } else { width };
        let mut lengths = vec![0; count + 1];
        for (new, old) in changed.rows().zip(many.rows()) {
            let mean = old.iter().sum::<f32>() / old.len() as f32;
            // Brute force: which lines or columns are all mean, and whether the rest is as it was.
            let of = |i: usize| -> Vec<usize> {
                let inside = |&at: &usize| match lines {
                    true => at / (width * channels) == i,
                    false => at / channels % width == i,
                };
                (0..new.len()).filter(inside).collect()
            };
            let covered: Vec<bool> = (0..count)
                .map(|i| of(i).iter().all(|&at| (new[at] - mean).abs() < 1e-5))
                .collect();
            for (i, _) in covered.iter().enumerate().filter(|(_, covered)| !**covered) {
                assert!(of(i).iter().all(|&at| new[at] == old[at]));
            }
            let (first, last) = (covered.iter().position(|&x| x), covered.iter().rposition(|&x| x));
            let length = covered.iter().filter(|&&x| x).count();
            assert!(
                first
                    .zip(last)
                    .is_none_or(|(first, last)| last - first + 1 == length),
                "{covered:?}"
            );
            lengths[length] += 1;
        }
        // 0 to half of them, each as often.
        assert!(
            lengths[..=count / 2]
                .iter()
                .all(|&n| n > 300 / (count / 2 + 1) / 2),
            "{lengths:?}"
        );
        assert!(lengths[count / 2 + 1..].iter().all(|&n| n == 0), "{lengths:?}");
    }
}

#[test]
fn spectrograms_are_made_anew_of_changed_sounds() {
    let sounds = datasets::spoken_digits(20, 0).expect("sounds");
    let spec = Spectrogram::new(160, 80).mel(24);
    let pictures = sounds.spectrogram(&spec).expect("pictures");
    for one in every() {
        let (beneath, apart) = (
            pictures
                .augmented(std::slice::from_ref(&one), 2, 5)
                .expect("changed"),
            sounds
                .augmented(std::slice::from_ref(&one), 2, 5)
                .and_then(|data| data.spectrogram(&spec)),
        );
        assert_eq!(beneath.features(), apart.expect("pictures").features(), "{one}");
        assert_ne!(beneath.features(), pictures.features(), "{one}");
        // Any row is changed as among the others.
        let alone = pictures
            .subset(&[0])
            .and_then(|data| data.augmented(std::slice::from_ref(&one), 2, 5));
        assert_eq!(alone.expect("changed").row(0), beneath.row(0), "{one}");
        let text = serde_json::to_string(&one).expect("text");
        assert_eq!(
            serde_json::from_str::<Augmentation>(&text).expect("an augmentation"),
            one
        );
    }
    // Then changes of pictures, mixing among them.
    let all = [
        Augmentation::choice(2, every()).sometimes(0.9),
        Augmentation::TimeMask(0.3),
        Augmentation::Mixup(0.2),
    ];
    let net = Mlp::new([pictures.width(), 10]).build(0).expect("a network");
    let base = Recipe::new().sgd(0.01).batch(20).steps(1).seed(4);
    let recipe = all[..2].iter().cloned().fold(base.clone(), Recipe::augment);
    let trained = net.train(&pictures, recipe).expect("a run");
    let by_hand = pictures.augmented(&all[..2], 0, 4).expect("changed");
    let expected = net.train(&by_hand, base.clone()).expect("a run");
    let pairs = trained
        .network()
        .parameters()
        .iter()
        .zip(expected.network().parameters());
    assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5));
    let plain = net.train(&pictures, base).expect("a run");
    assert_ne!(plain.network().parameters(), trained.network().parameters());
    assert!(pictures.augmented(&all, 0, 4).is_ok());
    let Preview::Images(grid) = sounds.preview(&every(), 3, 0).expect("a preview") else {
        panic!("no images");
    };
    assert_eq!(grid.len(), 6 * 4);
    assert!(pictures.preview(&all, 3, 0).is_ok());
}

#[test]
fn changes_of_another_kind_are_refused() {
    let sounds = datasets::spoken_digits(20, 0).expect("sounds");
    let pictures = sounds
        .spectrogram(&Spectrogram::new(160, 80).mel(24))
        .expect("pictures");
    let standardized = pictures
        .split(0.5, 0)
        .and_then(|split| split.standardized())
        .expect("a split")
        .train;
    let texts = datasets::reviews(20, 0).expect("reviews");
    let digits = datasets::digits().expect("digits");
    let speed = || Augmentation::Speed(0.1);
    let mask = || Augmentation::TimeMask(0.1);
    let refused = |data: &Dataset, all: &[Augmentation], words: &str| {
        let error = data.augmented(all, 0, 0).expect_err("an error").to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(&digits, &[speed()], "is for sounds");
    refused(&standardized, &[speed()], "batch norm first");
    refused(&sounds, &[mask()], "Dataset::spectrogram");
    refused(&pictures, &[mask(), speed()], "put the changes of sounds first");
    refused(
        &pictures,
        &[Augmentation::choice(1, [mask(), speed()])],
        "a choice of each kind",
    );
    refused(&texts, &[Augmentation::Noise(0.1)], "found the words of texts");
    refused(&texts, &[Augmentation::Mixup(0.1)], "found the words of texts");
    refused(&texts, &[mask()], "found the words of texts");
    refused(&sounds, &[Augmentation::Synonyms(0.1)], "Dataset::from_texts");
    refused(&pictures, &[Augmentation::eda(0.1)], "Dataset::from_texts");
    refused(&texts, &[Augmentation::Synonyms(f64::NAN)], "share of the words");
    refused(&texts, &[Augmentation::eda(1.5)], "share of the words");
    refused(&pictures, &[Augmentation::TimeMask(1.1)], "share of the time");
    refused(
        &pictures,
        &[Augmentation::FrequencyMask(-0.1)],
        "share of the bands",
    );
    refused(&sounds, &[Augmentation::Speed(1.0)], "share of the speed");
    refused(&sounds, &[Augmentation::Gain(f64::INFINITY)], "gain in decibels");
    let noise = |least, most| Augmentation::WhiteNoise { least, most };
    refused(&sounds, &[noise(20.0, 10.0)], "largest ratio");
    refused(&sounds, &[noise(f64::NAN, 10.0)], "least ratio");
    assert!(
        pictures
            .augmented(&[Augmentation::Mixup(0.2), speed(), mask()], 0, 0)
            .is_ok()
    );
    let net = Mlp::new([pictures.width(), 10]);
    assert!(
        net.train(
            &pictures,
            Recipe::new().epochs(1).augment(mask()).augment(speed())
        )
        .is_err()
    );
}

#[test]
fn labels_that_a_change_of_words_or_sounds_may_change_are_told() {
    let reviews = datasets::reviews(40, 0)
        .and_then(|data| data.few_shot(5, 0))
        .expect("reviews")
        .train;
    let own = Dataset::from_texts("my own", ["a b"]).expect("texts");
    for (one, told) in [
        (Augmentation::DeleteWords(0.1), true),
        (Augmentation::eda(0.1), true),
        (Augmentation::SwapWords(0.1).sometimes(0.5), true),
        (Augmentation::Synonyms(0.5), false),
        (Augmentation::InsertSynonyms(0.5), false),
    ] {
        assert_eq!(one.may_change_labels(&reviews).is_some(), told, "{one}");
        assert_eq!(one.may_change_labels(&own), None);
    }
    let sounds = datasets::spoken_digits(20, 0).expect("sounds");
    for (one, told) in [
        (Augmentation::Speed(0.5), true),
        (Augmentation::Speed(0.1), false),
        (Augmentation::Mirror, true),
        (Augmentation::TimeMask(0.9), true),
        (Augmentation::TimeMask(0.2), false),
    ] {
        assert_eq!(one.may_change_labels(&sounds).is_some(), told, "{one}");
    }
}
