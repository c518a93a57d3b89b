//! What cannot work is refused with a way out, and numbers that are none show.

use super::*;
use crate::data::{Dataset, Targets};
use crate::loss::{Loss, Objective, Part, Seen, Sum};

fn data(labels: &[u32]) -> Dataset {
    let names = (0..5).map(|class| class.to_string()).collect();
    Dataset::new("rows", 2, (0..2 * labels.len()).map(|i| i as f32).collect())
        .unwrap()
        .with_labels(labels.to_vec(), names)
        .unwrap()
}

#[track_caller]
fn refused(mut loss: impl Objective, data: &Dataset, words: &[&str]) {
    let error = loss.check(&[data], &[2]).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
fn what_cannot_work_is_refused() {
    let fine = data(&[0, 0, 1, 4]);
    assert!(TripletLoss::new().check(&[&fine], &[2]).is_ok());
    let bare = Dataset::new("rows", 2, vec![0.0; 4]).unwrap();
    refused(TripletLoss::new(), &bare, &["labels", "with_labels"]);
    let values = bare
        .clone()
        .with_values(vec![1.0, 2.0], vec!["y".to_owned()])
        .unwrap();
    refused(ArcFace::new(), &values, &["class of each example", "values"]);
    let one = data(&[1, 1, 1]);
    refused(TripletLoss::new(), &one, &["two classes", "another class"]);
    refused(ArcFace::new(), &one, &["two classes"]);
    refused(
        ContrastiveLoss::new(),
        &data(&[0, 1, 2]),
        &["two examples of one class"],
    );
    assert!(CosFace::new().check(&[&data(&[0, 1, 2])], &[2]).is_ok());
    refused(
        TripletLoss::new().margin(-0.1),
        &fine,
        &["margin above 0", "-0.1", "soft_margin"],
    );
    refused(
        TripletLoss::new().soft_margin().miner(Miner::SemiHard),
        &fine,
        &["semi-hard", ".margin(0.2)"],
    );
    let drawn = TripletLoss::new().miner(Miner::distance_weighted(0));
    refused(drawn.clone().normalized(false), &fine, &["length 1"]);
    refused(drawn.squared(true), &fine, &["Euclidean"]);
    let wrong = Miner::DistanceWeighted {
        least: 1.5,
        up_to: 1.0,
        seed: 0,
    };
    refused(
        TripletLoss::new().miner(wrong),
        &fine,
        &["1.5 to 1", "distance_weighted"],
    );
    refused(ContrastiveLoss::new().margin(f64::NAN), &fine, &["margin", "NaN"]);
    refused(
        SupervisedContrastive::new().temperature(0.0),
        &fine,
        &["temperature"],
    );
    refused(MultiSimilarity::new().mining(-1.0), &fine, &["epsilon"]);
    refused(MultiSimilarity::new().base(2.0), &fine, &["base of -1 to 1"]);
    refused(ProxyAnchor::new().margin(2.0), &fine, &["margin of 0 to 1"]);
    refused(ProxyAnchor::new().rate(-1.0), &fine, &["rate of its own"]);
    refused(ArcFace::new().margin(28.6), &fine, &["radians", "28.6"]);
    refused(CosFace::new().scale(0.0), &fine, &["scale"]);
    refused(CenterLoss::new().alpha(1.5), &fine, &["at most 1", "Sum"]);
}

fn seen<'a>(outputs: &'a [&'a [f32]], parts: &'a [Part<'a>]) -> Seen<'a> {
    Seen {
        outputs,
        widths: &[2],
        streams: parts,
        step: 1,
    }
}

fn part<'a>(labels: &'a [u32], weights: Option<&'a [f32]>) -> [Part<'a>; 1] {
    [Part {
        range: 0..labels.len(),
        rows: &[0, 1, 2, 3],
        targets: Targets::Classes(labels),
        weights,
    }]
}

#[test]
fn numbers_that_are_none_show_and_weights_are_refused() {
    let data = data(&[0, 0, 1, 4]);
    let labels = [0, 0, 1, 4];
    let mut all: Vec<Box<dyn Objective>> = vec![
        Box::new(CenterLoss::new()),
        Box::new(ContrastiveLoss::new()),
        Box::new(TripletLoss::new()),
        Box::new(TripletLoss::new().miner(Miner::distance_weighted(0))),
        Box::new(SupervisedContrastive::new()),
        Box::new(MultiSimilarity::new().mining(0.1)),
        Box::new(ProxyAnchor::new()),
        Box::new(ArcFace::new()),
        Box::new(CosFace::new()),
    ];
    for (number, loss) in all.iter_mut().enumerate() {
        loss.check(&[&data], &[2]).unwrap();
        assert_eq!(loss.classifies(), None);
        let mut slopes = [0.0f32; 8];
        let x = [1.0, 0.5, 0.9, 0.7, -1.0, 0.2, 0.3, -2.0];
        let value = loss
            .value(&seen(&[&x], &part(&labels, None)), &mut [&mut slopes])
            .unwrap();
        assert!(value.is_finite() && value >= 0.0, "{number}: {value}");
        for bad in [f32::NAN, f32::INFINITY] {
            let mut broken = x;
            broken[3] = bad;
            let value = loss
                .value(&seen(&[&broken], &part(&labels, None)), &mut [&mut slopes])
                .unwrap();
            assert!(value.is_nan(), "{number}: {value}");
        }
        let weights = [1.0; 4];
        let error = loss.value(&seen(&[&x], &part(&labels, Some(&weights))), &mut [&mut slopes]);
        assert!(error.unwrap_err().to_string().contains("without_weights"));
    }
}

#[test]
fn a_sum_weighs_a_term_at_a_layer_of_its_own() {
    let data = data(&[0, 0, 1, 4]);
    let (labels, x) = ([0, 0, 1, 4], [1.0, 0.5, 0.9, 0.7, -1.0, 0.2, 0.3, -2.0]);
    let logits = [0.5; 20];
    let mut sum = Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits"))
        .plus(0.5, TripletLoss::new().margin(1.9).at("embedding"));
    assert_eq!(sum.taps(), ["logits", "embedding"]);
    sum.check(&[&data], &[5, 2]).unwrap();
    assert_eq!(sum.classifies(), Some(0));
    let (mut by_logits, mut by_x, mut alone) = ([0.0f32; 20], [0.0f32; 8], [0.0f32; 8]);
    let parts = part(&labels, None);
    let both = Seen {
        outputs: &[&logits, &x],
        widths: &[5, 2],
        streams: &parts,
        step: 1,
    };
    let value = sum.value(&both, &mut [&mut by_logits, &mut by_x]).unwrap();
    let mut triplets = TripletLoss::new().margin(1.9);
    let own = triplets.value(&seen(&[&x], &parts), &mut [&mut alone]).unwrap();
    assert!(
        own > 0.0 && (value - 5f64.ln() - 0.5 * own).abs() < 1e-6,
        "{value} {own}"
    );
    let half: Vec<f32> = alone.iter().map(|s| 0.5 * s).collect();
    assert_eq!(by_x.to_vec(), half);
}
