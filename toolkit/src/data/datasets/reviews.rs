//! Short reviews of inns, written by the program: texts that praise or complain.

use rand::Rng as _;

use crate::data::Dataset;
use crate::seed::{self, Rng, uniform};
use crate::{Error, Result, memory};

/// A thing that is reviewed: what it may be called, and what is said of it in praise and in complaint. Some of the words
/// have synonyms in the table that ships, some have none.
struct Thing {
    names: &'static [&'static str],
    praise: &'static [&'static str],
    complaint: &'static [&'static str],
}

const THINGS: [Thing; 4] = [
    Thing {
        names: &["meal", "dinner", "soup", "broth", "dish", "food", "breakfast"],
        praise: &[
            "tasty",
            "delicious",
            "savory",
            "flavorful",
            "yummy",
            "appetizing",
            "fresh",
            "crisp",
            "juicy",
        ],
        complaint: &[
            "bland",
            "tasteless",
            "insipid",
            "flavorless",
            "stale",
            "spoiled",
            "rotten",
            "soggy",
            "burnt",
        ],
    },
    Thing {
        names: &["waiter", "server", "staff", "host", "crew", "cook"],
        praise: &[
            "friendly",
            "kind",
            "warm",
            "cordial",
            "welcoming",
            "helpful",
            "obliging",
            "quick",
            "prompt",
            "patient",
        ],
        complaint: &[
            "rude",
            "impolite",
            "unfriendly",
            "surly",
            "discourteous",
            "slow",
            "sluggish",
            "tardy",
            "careless",
        ],
    },
    Thing {
        names: &["room", "chamber", "bedroom", "bathroom", "washroom"],
        praise: &[
            "clean",
            "spotless",
            "tidy",
            "immaculate",
            "neat",
            "comfortable",
            "cozy",
            "snug",
            "bright",
            "sunny",
            "airy",
        ],
        complaint: &[
            "dirty",
            "filthy",
            "grimy",
            "messy",
            "unclean",
            "cramped",
            "uncomfortable",
            "dark",
            "dim",
            "damp",
        ],
    },
    Thing {
        names: &["hotel", "inn", "lodge", "house", "garden", "street"],
        praise: &[
            "beautiful",
            "lovely",
            "charming",
            "pretty",
            "gorgeous",
            "quiet",
            "calm",
            "peaceful",
            "tranquil",
            "elegant",
        ],
        complaint: &[
            "ugly",
            "hideous",
            "unsightly",
            "unattractive",
            "noisy",
            "loud",
            "deafening",
            "shabby",
        ],
    },
];

/// What is said of anything.
const PRAISE: [&str; 12] = [
    "good",
    "fine",
    "nice",
    "decent",
    "pleasant",
    "great",
    "excellent",
    "superb",
    "wonderful",
    "terrific",
    "fantastic",
    "marvelous",
];
const COMPLAINT: [&str; 11] = [
    "bad",
    "poor",
    "lousy",
    "inferior",
    "mediocre",
    "terrible",
    "awful",
    "horrible",
    "dreadful",
    "atrocious",
    "appalling",
];

const BEFORE: [&str; 8] = [
    "in spring",
    "last week",
    "on monday",
    "with my family",
    "as guests",
    "we came late and",
    "to be honest",
    "again",
];
const AFTER: [&str; 6] = [
    "in july",
    "for two of us",
    "on our trip",
    "as we found",
    "that evening",
    "my wife says",
];
const STRONG: [&str; 6] = ["very", "really", "truly", "quite", "rather", "so"];

/// Texts and labels with room for this many words.
const LENGTH: usize = 20;

/// `n` short reviews of inns, complaints and praise in turn: what words say it differs from one to the next, and there are
/// more than few reviews can show. In half of them it is in a single word; in a quarter a "not" turns it around ("the soup
/// was not stale"), and in a quarter it is in the order ("the room used to be damp and now it is airy").
///
/// Rows have room for 20 words, more than any review has. Review i depends on the seed and i alone.
///
/// ```
/// use jook::prelude::*;
/// let reviews = datasets::reviews(100, 7)?;
/// assert_eq!(reviews.class_names(), ["complaint", "praise"]);
/// assert!(reviews.vocabulary().unwrap().synonyms("tasty").contains(&"delicious"));
/// # Ok::<(), jook::Error>(())
/// ```
///
/// # Errors
/// When `n` is below 2 or more than memory can hold.
pub fn reviews(n: usize, seed: u64) -> Result<Dataset> {
    let place = "reviews";
    if n < 2 {
        return Err(Error::data(format!("expected at least 2 reviews, one a class, found {n}")).at(place));
    }
    if let Some(lack) = memory::lacking((n as u64).saturating_mul(512)) {
        return Err(Error::data(lack).at(place).fix("ask for fewer"));
    }
    let texts = (0..n).map(|i| {
        let mut rng = seed::stream(seed, &format!("reviews {i}"));
        review(i % 2 == 1, &mut rng)
    });
    Dataset::from_texts(place, texts)?
        .with_length(LENGTH)?
        .with_origin("generated by Jook", "public domain (CC0 1.0)")
        .with_labels(
            (0..n).map(|i| (i % 2) as u32).collect(),
            vec!["complaint".into(), "praise".into()],
        )
}

fn review(praises: bool, rng: &mut Rng) -> String {
    let thing = &THINGS[rng.random_range(0..THINGS.len() as u32) as usize];
    let name = any(thing.names, rng);
    let form = uniform(rng);
    let mut word = |praises: bool| {
        let (own, general): (_, &[&str]) = match praises {
            true => (thing.praise, &PRAISE),
            false => (thing.complaint, &COMPLAINT),
        };
        any(if uniform(rng) < 0.6 { own } else { general }, rng)
    };
    let (fits, other) = (word(praises), word(!praises));
    let said = if form < 0.5 {
        match uniform(rng) < 0.5 {
            true => format!("the {name} was {} {fits}", any(&STRONG, rng)),
            false => format!("the {name} was {fits}"),
        }
    } else if form < 0.75 {
        let not = any(&["was not", "was never", "is not"], rng);
        format!("the {name} {not} {other}")
    } else {
        match uniform(rng) < 0.5 {
            true => format!("the {name} used to be {other} and now it is {fits}"),
            false => format!("now the {name} is {fits} and it used to be {other}"),
        }
    };
    match (uniform(rng) < 0.5, uniform(rng) < 0.4) {
        (true, _) => format!("{} {said}", any(&BEFORE, rng)),
        (false, true) => format!("{said} {}", any(&AFTER, rng)),
        _ => said,
    }
}

fn any(of: &[&'static str], rng: &mut Rng) -> &'static str {
    of[rng.random_range(0..of.len() as u32) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reviews_say_what_their_labels_say() {
        let data = reviews(600, 3).unwrap();
        let of = |words: &[&str], praises: bool| -> Vec<String> {
            let own = THINGS
                .iter()
                .flat_map(|thing| if praises { thing.praise } else { thing.complaint });
            own.chain(words).map(|&word| word.to_owned()).collect()
        };
        let (praise, complaint) = (of(&PRAISE, true), of(&COMPLAINT, false));
        let mut forms = [0; 3];
        for i in 0..data.len() {
            let text = data.text(i).unwrap();
            let words: Vec<&str> = text.split(' ').collect();
            // Of a turn, what is now; of a "not", the opposite of what is said.
            let now = match (
                text.split_once("now it is "),
                text.split_once(" and it used to be"),
            ) {
                (Some((_, now)), _) => now.to_owned(),
                (_, Some((now, _))) => now.to_owned(),
                _ => text.clone(),
            };
            let not = words.iter().any(|&word| word == "not" || word == "never");
            let says = |all: &[String]| now.split(' ').any(|word| all.iter().any(|one| one == word));
            assert!(says(&praise) != says(&complaint), "{text}");
            assert_eq!(says(&praise) != not, data.label(i) == Some(1), "{text}");
            forms[if not {
                1
            } else {
                usize::from(words.contains(&"used")) * 2
            }] += 1;
        }
        assert!(forms.iter().all(|&count| count > 120), "{forms:?}");
        assert!((0..data.len()).all(|i| data.row(i)[LENGTH - 4] == 0.0));
    }

    #[test]
    fn the_first_reviews_stay_when_there_are_more() {
        let (few, many) = (reviews(10, 1).unwrap(), reviews(50, 1).unwrap());
        assert!((0..10).all(|i| few.text(i) == many.text(i)));
        assert_ne!(few.text(0), reviews(10, 2).unwrap().text(0));
        assert!(reviews(1, 0).is_err() && reviews(usize::MAX, 0).is_err());
    }
}
