//! What the pictures promise: repeatable, classes that can be learned, domains that differ.

use rayon::ThreadPoolBuilder;

use super::*;
use crate::net::Mlp;
use crate::show::quiet;
use crate::train::Recipe;

#[test]
fn the_seed_and_the_place_alone_decide() {
    for domain in ImageDomain::ALL {
        let make = |threads: usize, n: usize, seed: u64| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| objects(n, 16, domain, seed).unwrap())
        };
        let data = make(1, 30, 5);
        assert_eq!(data.digest(), make(4, 30, 5).digest());
        assert_ne!(data.digest(), make(4, 30, 6).digest());
        assert_eq!(data.features()[..10 * data.width()], *make(3, 10, 5).features());
        let (low, high) = data.range().unwrap();
        assert!(
            low >= 0.0 && high <= 1.0 && high - low > 0.7,
            "{domain:?}: {low} to {high}"
        );
    }
}

#[test]
fn domains_show_the_same_objects() {
    let [flat, inverted] =
        [ImageDomain::Flat, ImageDomain::Inverted].map(|domain| objects(20, 24, domain, 3).unwrap());
    let opposite = flat.features().iter().zip(inverted.features());
    assert!(opposite.clone().all(|(a, b)| (a + b - 1.0).abs() < 1e-6));
    // Where the flat picture has its background, so has the drawing: outlines lie on the edges.
    let drawing = objects(20, 24, ImageDomain::LineDrawing, 3).unwrap();
    for (flat, drawing) in flat.rows().zip(drawing.rows()) {
        let corner: Vec<bool> = flat.chunks(3).map(|pixel| pixel == &flat[..3]).collect();
        let blank = drawing.chunks(3).map(|pixel| pixel[0] > 0.95);
        let (mut agree, mut background) = (0, 0);
        for (is_background, blank) in corner.into_iter().zip(blank) {
            background += usize::from(is_background);
            agree += usize::from(is_background && blank);
        }
        assert!(
            background > 100 && agree * 100 >= background * 85,
            "{agree} of {background}"
        );
    }
}

/// Trains a small network on one domain and says how it does on others.
fn accuracies(on: ImageDomain, others: &[ImageDomain], seed: u64) -> (f64, Vec<f64>) {
    let make = |n, domain, seed| objects(n, 16, domain, seed).unwrap();
    let train = make(1000, on, seed);
    let net = Mlp::new([train.width(), 64, train.classes()]);
    let run = quiet(|| net.train(&train, Recipe::new().epochs(30).batch(32).adam(0.001).seed(seed))).unwrap();
    let test = |domain| run.evaluate(&make(400, domain, seed + 1000)).unwrap().accuracy;
    (test(on), others.iter().map(|&domain| test(domain)).collect())
}

#[test]
fn a_small_network_learns_a_domain_and_loses_on_others() {
    use ImageDomain::{Flat, Inverted, LineDrawing, Photo, Rotated, Textured};
    for seed in [1, 2, 3] {
        let (own, others) = accuracies(Flat, &[LineDrawing, Inverted, Rotated, Textured, Photo], seed);
        println!("flat, seed {seed}: {own:.3}; line, inverted, rotated, textured, photo: {others:.3?}");
        // Chance is 0.1; what is learned from pixels is far from everything.
        assert!(own > 0.4 && own < 0.98, "seed {seed}: {own}");
        for (other, name) in others.iter().zip(["line drawing", "inverted", "rotated"]) {
            assert!(
                own - other > 0.15,
                "seed {seed}: {own} falls only to {other} on {name}"
            );
        }
        let (own, others) = accuracies(LineDrawing, &[Flat, Photo], seed);
        println!("line drawing, seed {seed}: {own:.3}; flat, photo: {others:.3?}");
        assert!(own > 0.3 && own < 0.98, "seed {seed}: {own}");
        assert!(
            others.iter().all(|other| own - other > 0.1),
            "seed {seed}: {own}, {others:?}"
        );
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let cases = [
        (objects(9, 16, ImageDomain::Flat, 0), "at least 10 images"),
        (
            objects(10, 7, ImageDomain::Flat, 0),
            "8 to 2048 pixels a side, found 7",
        ),
        (objects(10, 2049, ImageDomain::Flat, 0), "found 2049"),
        (objects(usize::MAX, 16, ImageDomain::Flat, 0), "free memory"),
    ];
    for (made, words) in cases {
        let error = made.unwrap_err().to_string();
        assert!(error.contains(words), "no {words:?} in: {error}");
    }
}

#[test]
#[ignore = "writes pictures to look at, into the folder JOOK_GALLERY"]
fn gallery() {
    let Some(folder) = std::env::var_os("JOOK_GALLERY").map(std::path::PathBuf::from) else {
        return;
    };
    std::fs::create_dir_all(&folder).unwrap();
    for side in [16, 32, 64] {
        for domain in ImageDomain::ALL {
            let data = objects(80, side, domain, 1).unwrap();
            let mut page = image::RgbImage::new(10 * side as u32, 8 * side as u32);
            for (i, row) in data.rows().enumerate() {
                for (p, pixel) in row.chunks_exact(3).enumerate() {
                    let (x, y) = (i % 10 * side + p % side, i / 10 * side + p / side);
                    let rgb = [0, 1, 2].map(|c| (255.0 * pixel[c]).round() as u8);
                    page.put_pixel(x as u32, y as u32, image::Rgb(rgb));
                }
            }
            page.save(folder.join(format!("{}-{side}.png", domain.name())))
                .unwrap();
        }
    }
}
