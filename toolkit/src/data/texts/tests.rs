use super::*;
use crate::data::{Split, datasets};
use crate::show::Show as _;

fn pets() -> Dataset {
    Dataset::from_texts(
        "pets",
        [
            "A good dog!",
            "The cat isn\u{2019}t GOOD.",
            "caf\u{e9} cat",
            "cafe\u{301} 42 dogs",
        ],
    )
    .and_then(|data| data.with_labels(vec![0, 1, 1, 0], vec!["dog".into(), "cat".into()]))
    .unwrap()
}

#[test]
fn texts_are_rows_of_words() {
    let data = pets();
    assert_eq!(data.text(1).unwrap(), "the cat isn't good");
    assert_eq!(data.width(), 4);
    assert_eq!(data.row(0), [2.0, 3.0, 4.0, 0.0]);
    // One word, however it is written.
    assert_eq!(data.row(2)[0], data.row(3)[0]);
    let words = data.vocabulary().unwrap();
    assert_eq!(words.words()[..5], ["", "?", "a", "good", "dog"]);
    assert_eq!((words.number("dog"), words.number("ox")), (4, 1));
    assert!(words.synonyms("good").contains(&"fine") && words.synonyms("dog").is_empty());
    let text = data.bundle().plain().to_owned();
    assert!(
        text.contains("the cat isn't good") && text.contains("vocabulary of"),
        "{text}"
    );
    assert!(!text.contains("lowest"), "{text}");
    let short = data.with_length(2).unwrap();
    assert_eq!(
        (short.text(1).unwrap(), short.labels()),
        ("the cat".to_owned(), data.labels())
    );
    assert_eq!(data.with_length(9).unwrap().text(1), data.text(1));
}

#[test]
fn words_of_the_test_part_alone_are_unknown() {
    let data = Dataset::from_texts("d", ["good dog", "fine ox", "bad dog", "poor cat", "good cat"])
        .and_then(|data| data.with_labels(vec![1, 1, 0, 0, 1], vec!["no".into(), "yes".into()]))
        .unwrap();
    let split = Split::new(data.subset(&[0, 2]).unwrap(), data.subset(&[1, 3, 4]).unwrap()).unwrap();
    let texts: Vec<String> = (0..3).map(|i| split.test.text(i).unwrap()).collect();
    // Synonyms of words that are known are known; nothing else is.
    assert_eq!(texts, ["fine ?", "poor ?", "good ?"]);
    assert_eq!(split.test.vocabulary(), data.vocabulary());
    let own = data.clone().with_synonyms([["dog", "cat"]]).unwrap();
    let split = Split::new(own.subset(&[0, 2]).unwrap(), own.subset(&[1, 3, 4]).unwrap()).unwrap();
    let texts: Vec<String> = (0..3).map(|i| split.test.text(i).unwrap()).collect();
    assert_eq!(texts, ["? ?", "? cat", "good cat"]);
    // Every way to part data keeps to it.
    let reviews = datasets::reviews(200, 0).unwrap();
    let mut splits = reviews.folds(5, 0).unwrap();
    splits.push(reviews.few_shot(3, 0).unwrap());
    splits.push(reviews.split(0.5, 0).unwrap());
    splits.push(reviews.split_three(0.3, 0.5, 0).unwrap());
    splits.push(Split::new(splits[5].train.clone(), reviews.clone()).unwrap());
    let mut unknown = 0;
    for split in &splits {
        let words = split.train.vocabulary().unwrap();
        let knows = |number: f32| {
            let number = number as u32;
            let seen = |number: u32| split.train.features().contains(&(number as f32));
            number <= UNKNOWN || seen(number) || words.synonyms_of(number as usize).iter().any(|&n| seen(n))
        };
        for part in [Some(&split.test), split.validation.as_ref()]
            .into_iter()
            .flatten()
        {
            assert!(part.features().iter().all(|&number| knows(number)));
            assert_eq!(part.vocabulary(), reviews.vocabulary());
            unknown += part
                .features()
                .iter()
                .filter(|&&number| number == UNKNOWN as f32)
                .count();
        }
    }
    assert!(unknown > 100, "{unknown}");
}

#[test]
fn texts_of_two_sources_are_numbered_alike() {
    let (one, two) = (
        pets(),
        Dataset::from_texts("more", ["ox dog", "the good ox eats"]).unwrap(),
    );
    let two = two
        .with_length(4)
        .unwrap()
        .with_labels(vec![0, 1], vec!["cat".into(), "dog".into()])
        .unwrap();
    let joined = one.join(&two).unwrap();
    let texts: Vec<String> = (0..6).map(|i| joined.text(i).unwrap()).collect();
    assert_eq!(texts[1], "the cat isn't good");
    assert_eq!(texts[4..], ["ox dog", "the good ox eats"]);
    assert_eq!(joined.labels().unwrap()[4..], [1, 0]);
    let split = Split::new(one, two).unwrap();
    assert_eq!(split.test.text(1).unwrap(), "the good ? ?");
    // A network numbers words as what it was trained on.
    let run = crate::net::TextNet::of(&split.train)
        .train(&split.train, crate::train::Recipe::new().epochs(1))
        .unwrap();
    let other = Dataset::from_texts("other", ["good ox dog cat"]).unwrap();
    let same = run.predict(&split.train.subset(&[0]).unwrap()).unwrap();
    assert_eq!(same.outputs().len(), 2);
    let found = run.predict(&other).unwrap();
    let want = other
        .with_words_of(split.train.vocabulary().unwrap().words())
        .unwrap();
    assert_eq!(want.text(0).unwrap(), "good ? dog cat");
    assert_eq!(found.outputs(), run.network().predict(want.features()).unwrap());
}

#[test]
fn what_is_no_text_is_refused() {
    let none: [&str; 0] = [];
    assert!(Dataset::from_texts("d", none).is_err());
    assert!(Dataset::from_texts("d", ["", " ?! "]).is_err());
    let some = Dataset::from_texts("d", ["", "word"]).unwrap();
    assert!(some.notes()[0].contains("1 of 2 texts have no word"));
    assert!(some.with_length(0).is_err());
    assert!(some.with_length(usize::MAX).is_err());
    assert!(some.clone().with_synonyms([["two words"]]).is_err());
    let iris = datasets::iris().unwrap();
    assert!(iris.with_length(3).is_err() && iris.with_synonyms([["a"]]).is_err());
    let words = datasets::reviews(20, 0).unwrap().split(0.5, 0).unwrap();
    assert!(words.standardized().is_err());
    let net = crate::net::TextNet::of(&datasets::iris().unwrap()).spec();
    assert!(net.unwrap_err().to_string().contains("takes texts"));
}

#[test]
fn the_synonyms_that_ship_are_groups_of_single_words() {
    for group in synonyms::groups() {
        assert!(group.len() > 1, "{group:?}");
        let once: std::collections::BTreeSet<&String> = group.iter().collect();
        assert_eq!(once.len(), group.len(), "{group:?}");
        assert!(
            group.iter().all(|word| words(word) == [word.clone()]),
            "{group:?}"
        );
    }
    assert!(synonyms::groups().len() > 80);
}
