//! Texts with other words: the four changes of Wei and Zou 2019 (EDA).

use rand::Rng as _;

use super::Augmentation;
use crate::data::Vocabulary;
use crate::data::texts::PADDING;
use crate::seed::{Rng, shuffle, uniform};

impl Augmentation {
    /// One of synonyms, inserted synonyms, swapped and deleted words, drawn anew each time, all at this share of the words:
    /// as EDA (Wei and Zou 2019), who advise 0.05 for much data and 0.1 or less for little.
    #[doc(alias = "EDA")]
    pub fn eda(share: f64) -> Self {
        Self::choice(
            1,
            [
                Augmentation::Synonyms(share),
                Augmentation::InsertSynonyms(share),
                Augmentation::SwapWords(share),
                Augmentation::DeleteWords(share),
            ],
        )
    }

    /// Changes the words of one row.
    pub(super) fn change_words(&self, row: &mut [f32], vocabulary: &Vocabulary, rng: &mut Rng) {
        match *self {
            Augmentation::Synonyms(share) => replace(row, share, vocabulary, rng),
            Augmentation::InsertSynonyms(share) => insert(row, share, vocabulary, rng),
            Augmentation::SwapWords(share) => swap(row, share, rng),
            Augmentation::DeleteWords(chance) => delete(row, chance, rng),
            _ => {}
        }
    }
}

/// Words before the padding.
fn length(row: &[f32]) -> usize {
    row.iter().take_while(|&&word| word != PADDING as f32).count()
}

/// How many of so many words a share is: one at least, if it is above 0.
fn count(share: f64, words: usize) -> usize {
    match share > 0.0 {
        true => ((share * words as f64) as usize).max(1).min(words),
        false => 0,
    }
}

fn below(n: usize, rng: &mut Rng) -> usize {
    rng.random_range(0..n as u32) as usize
}

/// The places of words that have synonyms, in a drawn order.
fn with_synonyms(row: &[f32], vocabulary: &Vocabulary, rng: &mut Rng) -> Vec<u32> {
    let has = |&place: &u32| !vocabulary.synonyms_of(row[place as usize] as usize).is_empty();
    let mut places: Vec<u32> = (0..length(row) as u32).filter(has).collect();
    shuffle(&mut places, rng);
    places
}

fn synonym(word: f32, vocabulary: &Vocabulary, rng: &mut Rng) -> f32 {
    let all = vocabulary.synonyms_of(word as usize);
    all[below(all.len(), rng)] as f32
}

fn replace(row: &mut [f32], share: f64, vocabulary: &Vocabulary, rng: &mut Rng) {
    let n = count(share, length(row));
    for place in with_synonyms(row, vocabulary, rng).into_iter().take(n) {
        row[place as usize] = synonym(row[place as usize], vocabulary, rng);
    }
}

/// What finds no room is not put in.
fn insert(row: &mut [f32], share: f64, vocabulary: &Vocabulary, rng: &mut Rng) {
    let words = length(row);
    for n in 0..count(share, words) {
        let filled = words + n;
        let places = with_synonyms(&row[..filled], vocabulary, rng);
        let (Some(&of), true) = (places.first(), filled < row.len()) else {
            return;
        };
        let word = synonym(row[of as usize], vocabulary, rng);
        let at = below(filled + 1, rng);
        row.copy_within(at..filled, at + 1);
        row[at] = word;
    }
}

fn swap(row: &mut [f32], share: f64, rng: &mut Rng) {
    let words = length(row);
    if words < 2 {
        return;
    }
    for _ in 0..count(share, words) {
        let one = below(words, rng);
        let other = (one + 1 + below(words - 1, rng)) % words;
        row.swap(one, other);
    }
}

/// One word stays in any case.
fn delete(row: &mut [f32], chance: f64, rng: &mut Rng) {
    let words = length(row);
    if words == 0 {
        return;
    }
    let mut stay: Vec<bool> = (0..words).map(|_| uniform(rng) >= chance).collect();
    if !stay.contains(&true) {
        stay[below(words, rng)] = true;
    }
    let mut to = 0;
    for from in (0..words).filter(|&from| stay[from]) {
        row[to] = row[from];
        to += 1;
    }
    row[to..words].fill(PADDING as f32);
}
