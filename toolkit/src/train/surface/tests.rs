//! Gradients by differences, minima, and paths that can be reckoned by hand.

use super::Surface;
use crate::train::Recipe;

#[test]
fn gradients_are_the_slopes_of_the_values() {
    for surface in Surface::ALL {
        for [x, y] in [[0.3, -0.7], [1.7, 0.9], [-1.1, 0.4]] {
            let h = 1e-6;
            let dx = (surface.value([x + h, y]) - surface.value([x - h, y])) / (2.0 * h);
            let dy = (surface.value([x, y + h]) - surface.value([x, y - h])) / (2.0 * h);
            for (found, expected) in surface.gradient([x, y]).into_iter().zip([dx, dy]) {
                assert!(
                    (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
                    "{surface} at {x}, {y}: {found} for {expected}"
                );
            }
        }
    }
}

#[test]
fn minima_are_lower_than_all_around_them() {
    for surface in Surface::ALL {
        for [x, y] in surface.minima() {
            let lowest = surface.value([x, y]);
            let around = (0..16).map(|i| f64::from(i) * std::f64::consts::TAU / 16.0);
            for angle in around {
                let near = surface.value([x + 1e-3 * angle.cos(), y + 1e-3 * angle.sin()]);
                assert!(near > lowest, "{surface} at {x}, {y}");
            }
        }
    }
}

#[test]
fn a_path_is_what_the_rule_says() {
    let bowl = Surface::Bowl(50.0);
    let path = bowl
        .descend_from([1.0, 1.0], Recipe::new().sgd(0.01), 3)
        .expect("a path");
    assert_eq!(path.points.len(), 4);
    for (step, [x, y]) in path.points.iter().enumerate() {
        assert!((x - 0.99f64.powi(step as i32)).abs() < 1e-6);
        assert!((y - 0.5f64.powi(step as i32)).abs() < 1e-6);
    }
    assert!((path.distance - path.points[3][0].hypot(path.points[3][1])).abs() < 1e-12);
    // Beyond 2 / 50 it climbs out, and the path ends where the numbers do.
    let wild = bowl
        .descend_from([1.0, 1.0], Recipe::new().sgd(0.05), 500)
        .expect("a path");
    assert!(wild.points.len() < 500 && wild.value() > 1e30);
    let halved = Recipe::new().sgd(0.01).stepped_by_steps(0.5, 1);
    let path = bowl.descend_from([1.0, 0.0], halved, 2).expect("a path");
    assert!((path.points[2][0] - 0.99 * 0.995).abs() < 1e-6);
    // What a schedule-free rule gives is its average, not where it looks.
    let averaged = bowl
        .descend_from([1.0, 0.0], Recipe::new().schedule_free(0.5), 2)
        .expect("a path");
    assert!((averaged.points[1][0] - 0.5).abs() < 1e-6);
    let z = 0.5 - 0.5 * 0.5;
    assert!((averaged.points[2][0] - (0.5 + z) / 2.0).abs() < 1e-6);
}

#[test]
fn paths_that_cannot_be_are_refused() {
    let bowl = Surface::Bowl(50.0);
    assert!(bowl.descend(Recipe::new().sgd(0.01), 0).is_err());
    assert!(bowl.descend(Recipe::new().sgd(-1), 5).is_err());
    let nowhere = bowl.descend_from([f64::NAN, 0.0], Recipe::new().sgd(0.1), 5);
    assert!(
        nowhere
            .expect_err("an error")
            .to_string()
            .contains("finite start")
    );
}
