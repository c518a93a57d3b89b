//! What the numbers of examples stand for beside their shape: words of a vocabulary, samples of a sound, or the
//! spectrogram of one.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::sounds::Sounds;
use super::targets::rows_of;
use super::texts::Vocabulary;

/// What the numbers of a dataset's examples stand for.
#[derive(Clone, Default)]
pub(super) enum Content {
    /// Nothing but themselves.
    #[default]
    Numbers,
    /// The words of texts, each by its place in a vocabulary.
    Words(Arc<Vocabulary>),
    /// Samples at so many a second.
    Sound(f64),
    /// Pictures of the sounds that are kept here, row by row.
    Spectrogram(Sounds),
}

impl Content {
    /// That of the examples at `rows`.
    pub fn at(&self, rows: &[usize]) -> Self {
        match self {
            Content::Spectrogram(sounds) => Content::Spectrogram(Sounds {
                waves: rows_of(&sounds.waves, rows, sounds.samples),
                ..sounds.clone()
            }),
            other => other.clone(),
        }
    }

    /// That of examples that were worked on: pictures of sounds are no longer those of the sounds.
    pub fn changed(&self) -> Self {
        match self {
            Content::Spectrogram(_) => Content::Numbers,
            other => other.clone(),
        }
    }

    /// That of the examples of both; none where they stand for different things.
    pub fn joined(&self, other: &Self) -> Self {
        match (self, other) {
            // Their words were numbered alike before.
            (Content::Words(one), Content::Words(_)) => Content::Words(one.clone()),
            (Content::Sound(one), Content::Sound(other)) if one == other => Content::Sound(*one),
            (Content::Spectrogram(one), Content::Spectrogram(other)) if one.same_kind(other) => {
                Content::Spectrogram(Sounds {
                    waves: [&one.waves[..], &other.waves[..]].concat().into(),
                    ..one.clone()
                })
            }
            _ => Content::Numbers,
        }
    }

    /// Adds what a training with changes of words or of sounds may see beside the numbers.
    pub fn hash(&self, hash: &mut Sha256) {
        match self {
            Content::Numbers => {}
            Content::Words(vocabulary) => {
                hash.update(b"words");
                for synonyms in vocabulary.synonyms_of_all() {
                    hash.update((synonyms.len() as u64).to_le_bytes());
                    synonyms.iter().for_each(|word| hash.update(word.to_le_bytes()));
                }
            }
            Content::Sound(rate) => {
                hash.update(b"sound");
                hash.update(rate.to_le_bytes());
            }
            Content::Spectrogram(sounds) => {
                hash.update(b"spectrogram");
                hash.update(sounds.rate.to_le_bytes());
                hash.update(sounds.spec().to_string());
                sounds.waves.iter().for_each(|x| hash.update(x.to_le_bytes()));
            }
        }
    }
}
