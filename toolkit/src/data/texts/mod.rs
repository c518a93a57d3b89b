//! Texts as rows of words: each word by its number in a [`Vocabulary`].

mod synonyms;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization as _;

use super::content::Content;
use super::{Dataset, Shape};
use crate::{Error, Result, memory};
pub(super) use vocabulary::PADDING;
use vocabulary::UNKNOWN;
pub use vocabulary::Vocabulary;

/// Numbers up to here are whole in `f32`.
const MOST_WORDS: usize = 1 << 24;

impl Dataset {
    /// Texts as examples of one length: the words of each, numbered by a [`Vocabulary`], then the padding, 0. Words are
    /// runs of letters and digits, with apostrophes inside them; capitals and other signs do not count.
    ///
    /// The test part of a [`split`](Self::split), of [`few_shot`](Self::few_shot) and of [`folds`](Self::folds) has only
    /// words that the training part knows: those in it and their synonyms by the table that ships, or by
    /// [`with_synonyms`](Self::with_synonyms). The others are the unknown word there, 1, as they will be when the network
    /// is used. Numbers stay what they are, so that one network fits every split.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let pets = Dataset::from_texts("pets", ["A good dog!", "The cat isn't good."])?
    ///     .with_labels(vec![0, 1], vec!["dog".into(), "cat".into()])?;
    /// assert_eq!((pets.width(), pets.text(1).unwrap()), (4, "the cat isn't good".to_owned()));
    /// assert_eq!(pets.row(0)[3], 0.0);
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When no text has a word, there are more than 16,777,216 different ones, or they do not fit the memory.
    #[doc(alias = "tokenize")]
    #[doc(alias = "CountVectorizer")]
    pub fn from_texts<T: AsRef<str>>(
        name: impl Into<String>,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Self> {
        let name = name.into();
        let place = || format!("texts {name}");
        let texts: Vec<Vec<String>> = texts.into_iter().map(|text| words(text.as_ref())).collect();
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        if longest == 0 {
            return Err(Error::data("expected texts with a word or more, found none").at(place()));
        }
        let bytes = (texts.len() as u64).saturating_mul(8 * longest as u64);
        if let Some(lack) = memory::lacking(bytes) {
            return Err(Error::data(format!("expected texts that fit the memory: {lack}"))
                .at(place())
                .fix(format!("cut the longest, of {longest} words, or take fewer")));
        }
        let vocabulary = Vocabulary::of(texts.iter().flatten());
        if vocabulary.len() > MOST_WORDS {
            return Err(Error::data(format!(
                "expected up to {MOST_WORDS} different words, found {}",
                vocabulary.len()
            ))
            .at(place()));
        }
        let mut rows = vec![PADDING as f32; texts.len() * longest];
        for (row, text) in rows.chunks_exact_mut(longest).zip(&texts) {
            for (number, word) in row.iter_mut().zip(text) {
                *number = vocabulary.number(word) as f32;
            }
        }
        let silent = texts.iter().filter(|text| text.is_empty()).count();
        let note = (silent > 0).then(|| format!("{silent} of {} texts have no word", texts.len()));
        let data = Self::new(name, Shape::Flat(longest), rows)?;
        Ok(data
            .with_content(Content::Words(Arc::new(vocabulary)))
            .with_notes(note))
    }

    /// The words of texts and their numbers; none where the examples are no texts.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        match self.content() {
            Content::Words(vocabulary) => Some(vocabulary),
            _ => None,
        }
    }

    /// Text `i`, counted from 0, its words with a space between; none where the examples are no texts.
    ///
    /// # Panics
    /// When `i` is not below [`len`](Self::len).
    #[track_caller]
    pub fn text(&self, i: usize) -> Option<String> {
        let row = self.row(i);
        Some(self.vocabulary()?.text(row))
    }

    /// Texts of up to `length` words: longer ones are cut, and shorter ones leave room for words that
    /// [`Augmentation::InsertSynonyms`](crate::data::Augmentation::InsertSynonyms) puts in.
    ///
    /// # Errors
    /// When the examples are no texts, `length` is 0, or the texts do not fit the memory.
    pub fn with_length(&self, length: usize) -> Result<Self> {
        self.require_words()?;
        let bytes = (self.len() as u64).saturating_mul(4 * length as u64);
        if let Some(lack) = memory::lacking(bytes) {
            return Err(Error::data(lack).at(format!("texts {} of {length} words", self.name())));
        }
        let mut rows = Vec::with_capacity(self.len() * length);
        for row in self.rows() {
            rows.extend((0..length).map(|i| row.get(i).copied().unwrap_or(PADDING as f32)));
        }
        let made = Self::new(self.name(), Shape::Flat(length), rows)?.standing_for(self)?;
        Ok(made
            .with_content(self.content().clone())
            .with_origin(self.source(), self.licence())
            .with_notes(self.notes().to_vec()))
    }

    /// The same texts with these groups of words that may stand for one another, instead of the table that ships: for
    /// [`Augmentation::Synonyms`](crate::data::Augmentation::Synonyms) and
    /// [`InsertSynonyms`](crate::data::Augmentation::InsertSynonyms). A word may be in several groups. Groups without a
    /// word of the texts do nothing.
    ///
    /// # Errors
    /// When the examples are no texts, or what should be a word is none or several.
    pub fn with_synonyms<W: AsRef<str>>(
        self,
        groups: impl IntoIterator<Item = impl IntoIterator<Item = W>>,
    ) -> Result<Self> {
        let mut read = Vec::new();
        for group in groups {
            let mut of_group = Vec::new();
            for word in group {
                match &words(word.as_ref())[..] {
                    [one] => of_group.push(one.clone()),
                    _ => {
                        return Err(Error::data(format!(
                            "expected a word in a group of synonyms, found {:?}",
                            word.as_ref()
                        ))
                        .at(format!("texts {}", self.name())));
                    }
                }
            }
            read.push(of_group);
        }
        let vocabulary = self.require_words()?.with_groups(&read);
        Ok(self.with_content(Content::Words(Arc::new(vocabulary))))
    }

    fn require_words(&self) -> Result<&Vocabulary> {
        self.vocabulary().ok_or_else(|| {
            Error::data(format!("expected texts, found examples of {}", self.shape()))
                .at(format!("dataset {}", self.name()))
                .fix("make them with Dataset::from_texts")
        })
    }

    /// The same texts by the numbers of a training part's words, without those that the part does not know; as they are,
    /// where one of the two is no texts.
    pub(super) fn knowing(self, train: &Dataset) -> Result<Self> {
        let Content::Words(known) = train.content() else {
            return Ok(self);
        };
        let mut seen = vec![false; known.len()];
        for &number in train.features() {
            if let Some(seen) = seen.get_mut(number as usize) {
                *seen = true;
            }
        }
        let mut kept = seen.clone();
        for (word, _) in seen.iter().enumerate().filter(|(_, seen)| **seen) {
            known
                .synonyms_of(word)
                .iter()
                .for_each(|&other| kept[other as usize] = true);
        }
        self.renumbered(known, |number| kept[number as usize])
    }

    /// The same texts by the numbers of other words; those that are not among them are unknown. As they are, where these are
    /// no texts.
    pub(super) fn with_words_of(&self, words: &[String]) -> Result<Self> {
        match self.vocabulary() {
            Some(own) if !words.is_empty() && own.words() != words => {
                let other = Arc::new(Vocabulary::from_words(words.to_vec()));
                self.clone().renumbered(&other, |_| true)
            }
            _ => Ok(self.clone()),
        }
    }

    /// These texts and others, both by the numbers of the words of both.
    pub(super) fn with_words_of_both(&self, other: &Dataset) -> Result<(Self, Self)> {
        match (self.vocabulary(), other.vocabulary()) {
            (Some(one), Some(two)) if one.words() != two.words() => {
                let both = Arc::new(one.joined(two));
                let side = |data: &Dataset| data.clone().renumbered(&both, |_| true);
                Ok((side(self)?, side(other)?))
            }
            _ => Ok((self.clone(), other.clone())),
        }
    }

    fn renumbered(self, to: &Arc<Vocabulary>, keeps: impl Fn(u32) -> bool) -> Result<Self> {
        let Some(own) = self.vocabulary() else {
            return Ok(self);
        };
        let place: Vec<u32> = (0..own.len())
            .map(|number| match (number as u32, own.words() == to.words()) {
                (PADDING, _) => PADDING,
                (number, true) => number,
                (number, false) => to.number(&own.words()[number as usize]),
            })
            .map(|number| match number == PADDING || keeps(number) {
                true => number,
                false => UNKNOWN,
            })
            .collect();
        let rows = self
            .features()
            .iter()
            .map(|&number| place[number as usize] as f32);
        let rows = rows.collect();
        Ok(self.with_features(rows)?.with_content(Content::Words(to.clone())))
    }
}

/// The words of a text, in small letters.
fn words(text: &str) -> Vec<String> {
    let text: String = text
        .nfc()
        .collect::<String>()
        .to_lowercase()
        .replace('\u{2019}', "'");
    let inside = |c: char| c.is_alphanumeric() || c == '\'';
    text.split(|c| !inside(c))
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
