use std::collections::HashMap;

use super::*;

/// Texts of ten different words, three of them with two synonyms each, and room for four more.
fn texts() -> Dataset {
    let text = "one two three good five six dish eight nine big";
    let data = Dataset::from_texts("texts", vec![text; 300]).expect("texts");
    let data = data.with_synonyms([
        ["good", "fine", "nice"],
        ["dish", "plate", "bowl"],
        ["big", "large", "huge"],
    ]);
    data.and_then(|data| data.with_length(14)).expect("texts")
}

fn changed(one: Augmentation) -> Vec<Vec<String>> {
    let data = texts().augmented(&[one], 0, 3).expect("changed");
    let words = |i| {
        data.text(i)
            .expect("a text")
            .split(' ')
            .map(str::to_owned)
            .collect()
    };
    (0..data.len()).map(words).collect()
}

fn before() -> Vec<String> {
    let text = texts().text(0).expect("a text");
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn as_many_words_as_asked_become_synonyms() {
    let (data, own) = (texts(), before());
    let words = data.vocabulary().expect("words");
    // A share of 10 words, one at least, and as far as there are words with synonyms.
    for (share, count) in [(0.0, 0), (0.01, 1), (0.19, 1), (0.2, 2), (0.3, 3), (1.0, 3)] {
        let mut seen = HashMap::new();
        for text in changed(Augmentation::Synonyms(share)) {
            assert_eq!(text.len(), 10);
            let differ: Vec<(&String, &String)> = own.iter().zip(&text).filter(|(a, b)| a != b).collect();
            assert_eq!(differ.len(), count, "{share}: {text:?}");
            for (old, new) in differ {
                assert!(words.synonyms(old).contains(&&new[..]), "{old} became {new}");
                *seen.entry(new.clone()).or_insert(0) += 1;
            }
        }
        // Each of the six synonyms as often as another: 300 texts, `count` each.
        let expected = 50.0 * count as f64;
        assert!(
            seen.values()
                .all(|&n| (f64::from(n) - expected).abs() < 5.0 * expected.sqrt()),
            "{seen:?}"
        );
        assert_eq!(seen.len(), if count == 0 { 0 } else { 6 });
    }
}

#[test]
fn inserted_words_are_synonyms_and_fill_the_room_at_most() {
    let own = before();
    for (share, count) in [(0.0, 0), (0.1, 1), (0.3, 3), (0.9, 4)] {
        let mut places = std::collections::HashSet::new();
        for text in changed(Augmentation::InsertSynonyms(share)) {
            assert_eq!(text.len(), 10 + count, "{text:?}");
            // The rest is there in its order.
            let mut rest = own.iter().peekable();
            for (place, word) in text.iter().enumerate() {
                match rest.peek() {
                    Some(next) if *next == word => drop(rest.next()),
                    _ => drop(places.insert(place)),
                }
            }
            assert!(rest.next().is_none(), "{text:?}");
        }
        assert!(count == 0 || places.len() > 9, "{places:?}");
    }
}

#[test]
fn swapped_words_are_all_there() {
    let own = before();
    for (share, most) in [(0.0, 0), (0.1, 2), (0.3, 6)] {
        for text in changed(Augmentation::SwapWords(share)) {
            let moved = own.iter().zip(&text).filter(|(a, b)| a != b).count();
            assert!(moved <= most && (share != 0.1 || moved == 2), "{text:?}");
            let (mut a, mut b) = (own.clone(), text);
            a.sort();
            b.sort();
            assert_eq!(a, b);
        }
    }
}

#[test]
fn each_word_is_left_out_as_often_as_another_and_one_stays() {
    let own = before();
    for chance in [0.0, 0.3, 1.0] {
        let mut stayed = vec![0; own.len()];
        for text in changed(Augmentation::DeleteWords(chance)) {
            let places: Vec<usize> = text
                .iter()
                .map(|word| own.iter().position(|own| own == word).expect("a word"))
                .collect();
            assert!(places.is_sorted() && !places.is_empty(), "{text:?}");
            assert!(chance < 1.0 || places.len() == 1);
            places.into_iter().for_each(|place| stayed[place] += 1);
        }
        let expected = if chance < 1.0 {
            300.0 * (1.0 - chance)
        } else {
            30.0
        };
        assert!(
            stayed.iter().all(|&n| (f64::from(n) - expected).abs() <= 40.0),
            "{stayed:?}"
        );
    }
}

#[test]
fn texts_are_as_random_as_their_row_and_epoch_and_compose() {
    let data = datasets::reviews(40, 0).expect("reviews");
    let all = [
        Augmentation::eda(0.2),
        Augmentation::SwapWords(0.1).sometimes(0.5),
    ];
    let made = |epoch, seed| data.augmented(&all, epoch, seed).expect("changed");
    assert_eq!(made(0, 1).features(), made(0, 1).features());
    assert_ne!(made(0, 1).features(), made(1, 1).features());
    assert_ne!(made(0, 1).features(), made(0, 2).features());
    assert_eq!(made(0, 1).labels(), data.labels());
    assert_eq!(
        data.subset(&[0]).unwrap().augmented(&all, 0, 1).unwrap().text(0),
        made(0, 1).text(0)
    );
    assert_eq!(
        all[0].to_string(),
        "1 of (synonyms 0.2, inserted synonyms 0.2, swapped words 0.2, deleted words 0.2)"
    );
    for one in &all {
        let text = serde_json::to_string(one).expect("text");
        assert_eq!(
            &serde_json::from_str::<Augmentation>(&text).expect("an augmentation"),
            one
        );
    }
    // Rows without a word, and of one, stay what they are.
    let odd = Dataset::from_texts("odd", ["", "word"]).expect("texts");
    assert_eq!(
        odd.augmented(&all, 0, 0).expect("changed").features(),
        odd.features()
    );
    let Preview::Texts(table) = data.preview(&all, 4, 0).expect("a preview") else {
        panic!("no texts");
    };
    assert!(table.to_text().contains(&data.text(0).unwrap()));
    assert_eq!(
        table
            .to_text()
            .lines()
            .filter(|line| line.contains(" was "))
            .count()
            .min(1),
        1
    );
}

#[test]
fn a_training_sees_the_changed_words() {
    let split = datasets::reviews(60, 0)
        .and_then(|data| data.split(0.5, 0))
        .expect("reviews");
    let net = crate::net::TextNet::of(&split.train).build(0).expect("a network");
    let changes = [Augmentation::Synonyms(0.3), Augmentation::DeleteWords(0.1)];
    let base = Recipe::new().sgd(0.1).batch(30).steps(1).seed(4);
    let recipe = changes.iter().cloned().fold(base.clone(), Recipe::augment);
    let trained = net.train(&split.train, recipe).expect("a run");
    let by_hand = split.train.augmented(&changes, 0, 4).expect("changed");
    let expected = net.train(&by_hand, base).expect("a run");
    let pairs = trained
        .network()
        .parameters()
        .iter()
        .zip(expected.network().parameters());
    assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-6));
    assert_ne!(trained.network().parameters(), net.parameters());
    let averaged = trained
        .predict_augmented(&split.test, &changes, 3, 0)
        .expect("predictions");
    assert_eq!(averaged.labels().expect("labels").len(), split.test.len());
}
