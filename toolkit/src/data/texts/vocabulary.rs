//! [`Vocabulary`]: words and their numbers.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::synonyms;

/// The number of what fills a row up behind a text, and that of a word that nobody knows.
pub(in crate::data) const PADDING: u32 = 0;
pub(in crate::data) const UNKNOWN: u32 = 1;

/// Words and their numbers: 0 is the padding behind a text, 1 a word that is not known, then come the words in the order
/// in which texts first have them, and those that may stand for them by a table of synonyms. As many as its
/// [`len`](Self::len) are what a [`TextNet`](crate::net::TextNet) looks up.
#[derive(Clone, PartialEq)]
pub struct Vocabulary {
    words: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Those of each word, ascending, without itself.
    synonyms: Vec<Vec<u32>>,
}

impl Vocabulary {
    /// That of texts, with the synonyms that ship.
    pub(super) fn of<'a>(words: impl IntoIterator<Item = &'a String>) -> Self {
        let mut made = Self::from_words(vec![String::new(), "?".to_owned()]);
        words.into_iter().for_each(|word| made.add(word));
        made.with_groups(&synonyms::groups())
    }

    /// These words in this order, the padding and the unknown one first.
    pub(super) fn from_words(words: Vec<String>) -> Self {
        let numbers = words.iter().cloned().zip(0..).collect();
        let synonyms = vec![Vec::new(); words.len()];
        Self {
            words,
            numbers,
            synonyms,
        }
    }

    fn add(&mut self, word: &str) {
        if !self.numbers.contains_key(word) {
            self.numbers.insert(word.to_owned(), self.words.len() as u32);
            self.words.push(word.to_owned());
            self.synonyms.push(Vec::new());
        }
    }

    /// The same with the synonyms of these groups, of those that have one of its words.
    pub(super) fn with_groups(&self, groups: &[Vec<String>]) -> Self {
        let mut made = self.clone();
        let of_texts = |word: &String| self.numbers.contains_key(word);
        let groups: Vec<&Vec<String>> = groups.iter().filter(|group| group.iter().any(of_texts)).collect();
        groups
            .iter()
            .for_each(|group| group.iter().for_each(|word| made.add(word)));
        let mut all = vec![BTreeSet::new(); made.words.len()];
        for group in groups {
            let numbers: Vec<u32> = group.iter().map(|word| made.number(word)).collect();
            for &number in &numbers {
                all[number as usize].extend(numbers.iter().filter(|&&other| other != number));
            }
        }
        made.synonyms = all.into_iter().map(|set| set.into_iter().collect()).collect();
        made
    }

    /// These words, then those of `other`, with the synonyms of both.
    pub(super) fn joined(&self, other: &Self) -> Self {
        let mut made = self.clone();
        other.words.iter().for_each(|word| made.add(word));
        for (word, synonyms) in other.words.iter().zip(&other.synonyms) {
            let number = made.number(word) as usize;
            let there = synonyms
                .iter()
                .map(|&own| made.number(&other.words[own as usize]));
            let both: BTreeSet<u32> = made.synonyms[number].iter().copied().chain(there).collect();
            made.synonyms[number] = both.into_iter().collect();
        }
        made
    }

    /// Words, the padding and the unknown one included.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is none: never.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words in the order of their numbers.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The number of a word; 1 for one that is not there.
    pub fn number(&self, word: &str) -> u32 {
        self.numbers.get(word).copied().unwrap_or(UNKNOWN)
    }

    /// The words that may stand for this one; empty where none is known.
    pub fn synonyms(&self, word: &str) -> Vec<&str> {
        let numbers = self.synonyms_of(self.number(word) as usize);
        numbers
            .iter()
            .map(|&number| &self.words[number as usize][..])
            .collect()
    }

    pub(in crate::data) fn synonyms_of(&self, number: usize) -> &[u32] {
        self.synonyms.get(number).map_or(&[], |all| &all[..])
    }

    pub(in crate::data) fn synonyms_of_all(&self) -> &[Vec<u32>] {
        &self.synonyms
    }

    /// A row as text: the padding is left out, what is no number of a word is `?`.
    pub(in crate::data) fn text(&self, row: &[f32]) -> String {
        let words = row.iter().filter(|&&number| number != PADDING as f32);
        let word = |&number: &f32| self.words.get(number as usize).map_or("?", |word| &word[..]);
        words.map(word).collect::<Vec<&str>>().join(" ")
    }
}

/// One line: how many words, and of how many synonyms are known.
impl fmt::Display for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = self.synonyms.iter().filter(|all| !all.is_empty()).count();
        write!(f, "{} words, {with} of them with synonyms", self.len())
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vocabulary({self})")
    }
}
