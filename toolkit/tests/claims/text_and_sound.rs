//! Synonyms raise the accuracy of a network that reads a hundred reviews a class, also where they are put in beside the words;
//! swapped words cost it some where their order counts, and words left out are worth nothing. Shifted and sped sounds raise that
//! of one that sees spectrograms of a few, and masks over most of them cost it some. Who has learned from noisy sounds, from
//! softer and louder ones, or from some without a few bands, hears others of that kind better.

use std::sync::OnceLock;

use jook::prelude::*;

use super::{accuracy, gain};

fn recipe(steps: usize, all: &[Augmentation], seed: u64) -> Recipe {
    let plain = Recipe::new().steps(steps).batch(20).seed(seed);
    all.iter().cloned().fold(plain, Recipe::augment)
}

fn reading(all: &[Augmentation], seed: u64) -> Result<f64> {
    let few = datasets::reviews(1200, 0)?.few_shot(100, seed)?;
    let net = TextNet::of(&few.train);
    accuracy(
        &net.train(&few.train, recipe(600, all, seed).adam(0.003))?,
        &few.test,
    )
}

fn hearing(all: &[Augmentation], seed: u64) -> Result<f64> {
    hearing_changed(all, &[], seed)
}

/// The accuracy on test sounds that are changed as well.
fn hearing_changed(all: &[Augmentation], test: &[Augmentation], seed: u64) -> Result<f64> {
    static ONCE: OnceLock<Result<Dataset>> = OnceLock::new();
    let pictures = || datasets::spoken_digits(500, 0)?.spectrogram(&Spectrogram::new(160, 80).mel(24));
    let few = ONCE.get_or_init(pictures).clone()?.few_shot(5, seed)?;
    let net = Cnn::new((24, 29, 1), 10)
        .channels([8, 16])
        .kernel(3)
        .hidden(32)
        .batch_norm();
    accuracy(
        &net.train(&few.train, recipe(200, all, seed).adam(0.003))?,
        &few.test.augmented(test, 0, seed)?,
    )
}

#[test]
fn synonyms_raise_the_accuracy_of_a_reader() {
    let plain: Vec<f64> = (0..4).map(|seed| reading(&[], seed).expect("a run")).collect();
    let against = |n, one: Augmentation| {
        let with = |seed| reading(std::slice::from_ref(&one), seed);
        gain(n, with, |seed| Ok(plain[seed as usize]))
    };
    let (mean, low) = against(4, Augmentation::Synonyms(0.3));
    assert!(low > 0.0 && mean > 0.15, "{mean}, from {low}");
    // Off, there is nothing to gain.
    assert_eq!(against(2, Augmentation::Synonyms(0.0)).0, 0.0);
    // Where order counts, other orders cost.
    let (mean, _) = against(4, Augmentation::SwapWords(0.3));
    assert!(mean < -0.08, "{mean}");
}

#[test]
fn changed_sounds_raise_the_accuracy_of_a_listener() {
    let plain: Vec<f64> = (0..5).map(|seed| hearing(&[], seed).expect("a run")).collect();
    let against =
        |n, all: &[Augmentation]| gain(n, |seed| hearing(all, seed), |seed| Ok(plain[seed as usize]));
    let (mean, low) = against(5, &[Augmentation::TimeShift(0.2), Augmentation::Speed(0.15)]);
    assert!(low > 0.0 && mean > 0.03, "{mean}, from {low}");
    // Off, there is nothing to gain.
    assert_eq!(against(2, &[Augmentation::TimeShift(0.0)]).0, 0.0);
    let (mean, _) = against(
        3,
        &[Augmentation::TimeMask(0.9), Augmentation::FrequencyMask(0.9)],
    );
    assert!(mean < -0.05, "{mean}");
}

#[test]
fn sounds_are_heard_as_they_were_learned() {
    for one in [
        Augmentation::WhiteNoise {
            least: 0.0,
            most: 10.0,
        },
        Augmentation::Gain(30.0),
        Augmentation::FrequencyMask(0.6),
    ] {
        let said = one.to_string();
        let one = std::slice::from_ref(&one);
        let with = |seed| hearing_changed(one, one, seed);
        let (mean, low) = gain(6, with, |seed| hearing_changed(&[], one, seed));
        assert!(low > 0.0 && mean > 0.03, "{said}: {mean}, from {low}");
    }
}

#[test]
fn synonyms_put_in_raise_the_accuracy_of_a_reader_and_words_left_out_do_not() {
    let against = |one: Augmentation| {
        let with = |seed| reading(std::slice::from_ref(&one), seed);
        gain(6, with, |seed| reading(&[], seed))
    };
    let (mean, low) = against(Augmentation::InsertSynonyms(0.2));
    assert!(low > 0.0 && mean > 0.04, "{mean}, from {low}");
    // A "not" that is left out turns the meaning around.
    let (mean, _) = against(Augmentation::DeleteWords(0.4));
    assert!(mean < 0.02, "{mean}");
}
