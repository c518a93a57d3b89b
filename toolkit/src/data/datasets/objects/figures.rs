//! The objects: each a few parts around the middle of the picture, no two quite alike.

use std::f64::consts::{PI, TAU};

use rand::Rng as _;

use super::forms::{Part, Point, Role, arc, ellipse, polygon, rectangle, stroke};
use crate::seed::Rng;
use Role::{Ink, Light, Main, Second};

/// A class of objects.
pub(super) struct Class {
    pub name: &'static str,
    pub draw: fn(&mut Rng) -> Vec<Part>,
}

pub(super) const CLASSES: [Class; 10] = [
    Class {
        name: "cup",
        draw: cup,
    },
    Class {
        name: "house",
        draw: house,
    },
    Class {
        name: "tree",
        draw: tree,
    },
    Class {
        name: "fish",
        draw: fish,
    },
    Class {
        name: "star",
        draw: star,
    },
    Class {
        name: "key",
        draw: key,
    },
    Class {
        name: "car",
        draw: car,
    },
    Class {
        name: "face",
        draw: face,
    },
    Class {
        name: "boat",
        draw: boat,
    },
    Class {
        name: "flower",
        draw: flower,
    },
];

fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    rng.random_range(low..high)
}

fn cup(rng: &mut Rng) -> Vec<Part> {
    let top = between(rng, -0.7, -0.35);
    let (wide, foot) = (between(rng, 0.5, 0.62), between(rng, 0.3, 0.5));
    let handle = [between(rng, 0.3, 0.4), between(rng, 0.3, 0.4)];
    let mut parts = vec![
        stroke(
            Main,
            arc([0.42, (top + 0.7) / 2.0], handle, -0.27, 0.27, 16),
            0.09,
        ),
        polygon(
            Main,
            [
                [-wide - 0.1, top],
                [wide - 0.1, top],
                [foot - 0.1, 0.85],
                [-foot - 0.1, 0.85],
            ],
        ),
        ellipse(Second, [-0.1, top], [wide, 0.15]),
        ellipse(Ink, [-0.1, top + 0.015], [wide - 0.1, 0.09]),
    ];
    if rng.random() {
        let middle = between(rng, 0.05, 0.35);
        let [upper, lower] = [middle - 0.1, middle + 0.1].map(|y| {
            // The band follows the wall from the rim to the foot.
            let half = wide + (foot - wide) * (y - top) / (0.85 - top);
            (y, half)
        });
        let corner = |(y, half): (f64, f64), side: f64| [side * half - 0.1, y];
        parts.push(polygon(
            Second,
            [
                corner(upper, -1.0),
                corner(upper, 1.0),
                corner(lower, 1.0),
                corner(lower, -1.0),
            ],
        ));
    }
    parts
}

fn house(rng: &mut Rng) -> Vec<Part> {
    let half = between(rng, 0.5, 0.75);
    let (eaves, ridge) = (between(rng, -0.2, 0.1), between(rng, -0.95, -0.7));
    let chimney = between(rng, 0.2, 0.35);
    let door = between(rng, -0.35, -0.1);
    let window = [between(rng, 0.12, 0.3), eaves + between(rng, 0.18, 0.28)];
    let [x, y] = window;
    vec![
        rectangle(Second, [chimney, ridge + 0.02], [chimney + 0.18, eaves]),
        rectangle(Main, [-half, eaves], [half, 0.9]),
        polygon(
            Second,
            [[-half - 0.18, eaves], [0.0, ridge], [half + 0.18, eaves]],
        ),
        rectangle(Second, [door - 0.12, 0.38], [door + 0.14, 0.9]),
        rectangle(Light, window, [x + 0.26, y + 0.26]),
        stroke(Ink, [[x + 0.13, y], [x + 0.13, y + 0.26]], 0.018),
        stroke(Ink, [[x, y + 0.13], [x + 0.26, y + 0.13]], 0.018),
    ]
}

fn tree(rng: &mut Rng) -> Vec<Part> {
    let trunk = between(rng, 0.08, 0.14);
    let mut parts = vec![rectangle(Second, [-trunk, 0.1], [trunk, 0.95])];
    if rng.random() {
        let wide = between(rng, 0.5, 0.75);
        for (level, share) in [(0.55, 1.0), (0.12, 0.8), (-0.28, 0.58)] {
            let half = wide * share;
            parts.push(polygon(
                Main,
                [[-half, level], [0.0, level - 0.68], [half, level]],
            ));
        }
    } else {
        let (bumps, phase) = (rng.random_range(6..10), between(rng, 0.0, 1.0));
        let [rx, ry] = [between(rng, 0.5, 0.68), between(rng, 0.5, 0.6)];
        let crown = |i: usize| {
            let share = i as f64 / 72.0;
            let bump = 0.9 + 0.12 * (PI * (f64::from(bumps) * share + phase)).sin().abs();
            let angle = TAU * share;
            [rx * bump * angle.cos(), -0.32 + ry * bump * angle.sin()]
        };
        parts.push(polygon(Main, (0..72).map(crown).collect::<Vec<Point>>()));
    }
    parts
}

fn fish(rng: &mut Rng) -> Vec<Part> {
    let (high, tail) = (between(rng, 0.32, 0.52), between(rng, 0.3, 0.45));
    let back = |t: f64| high * (PI * t.powf(0.8)).sin().max(0.0).powf(0.8);
    // From the mouth along the back to the tail, and along the belly to the mouth.
    let along = |i: usize| i as f64 / 20.0;
    let x = |t: f64| 0.85 - 1.4 * t;
    let upper = (0..=20).map(|i| [x(along(i)), -back(along(i))]);
    let lower = (1..20).rev().map(|i| [x(along(i)), back(along(i))]);
    let eye = [0.52, -0.28 * high];
    vec![
        polygon(Second, [[-0.42, 0.0], [-0.95, -tail], [-0.8, 0.0], [-0.95, tail]]),
        polygon(
            Second,
            [[0.35, -high * 0.8], [0.0, -high - 0.28], [-0.25, -high * 0.6]],
        ),
        polygon(Main, upper.chain(lower).collect::<Vec<Point>>()),
        polygon(Second, [[0.15, 0.05], [-0.15, 0.22], [-0.05, 0.02]]),
        ellipse(Light, eye, [0.1, 0.1]),
        ellipse(Ink, eye, [0.05, 0.05]),
        stroke(Ink, arc([0.5, 0.0], [0.2, high * 0.62], 0.36, 0.64, 8), 0.02),
    ]
}

fn star(rng: &mut Rng) -> Vec<Part> {
    let points = rng.random_range(5..7);
    let inner = between(rng, 0.38, 0.5);
    let ring = |radius: f64, inside: f64| {
        let corner = |i: i32| {
            let angle = TAU * (f64::from(i) / f64::from(2 * points) - 0.25);
            let far = if i % 2 == 0 { radius } else { radius * inside };
            [far * angle.cos(), far * angle.sin()]
        };
        (0..2 * points).map(corner).collect::<Vec<Point>>()
    };
    let mut parts = vec![polygon(Main, ring(0.95, inner))];
    if rng.random() {
        parts.push(polygon(Second, ring(0.5, inner)));
    }
    parts
}

fn key(rng: &mut Rng) -> Vec<Part> {
    let radius = between(rng, 0.25, 0.33);
    let thick = between(rng, 0.07, 0.1);
    let bow = arc([-0.58, 0.0], [radius, radius], 0.0, 1.0, 28);
    let mut parts = vec![
        rectangle(Main, [-0.58 + radius, -thick], [0.95, thick]),
        stroke(Main, bow, 0.1),
    ];
    let teeth = rng.random_range(2..4);
    for tooth in 0..teeth {
        let x = 0.8 - 0.2 * f64::from(tooth);
        parts.push(rectangle(Main, [x, 0.0], [x + 0.11, between(rng, 0.28, 0.45)]));
    }
    parts
}

fn car(rng: &mut Rng) -> Vec<Part> {
    let roof = between(rng, -0.55, -0.4);
    let (front, rear) = (between(rng, 0.2, 0.35), between(rng, -0.6, -0.45));
    let wheel = between(rng, 0.19, 0.24);
    let belt = -0.02;
    vec![
        polygon(
            Main,
            [
                [rear - 0.22, belt],
                [rear, roof],
                [front, roof],
                [front + 0.3, belt],
            ],
        ),
        polygon(
            Main,
            [
                [-0.95, 0.0],
                [0.6, -0.03],
                [0.92, 0.1],
                [0.97, 0.42],
                [-0.97, 0.42],
            ],
        ),
        polygon(
            Light,
            [
                [rear - 0.08, belt - 0.04],
                [rear + 0.05, roof + 0.09],
                [-0.18, roof + 0.09],
                [-0.18, belt - 0.04],
            ],
        ),
        polygon(
            Light,
            [
                [-0.08, belt - 0.04],
                [-0.08, roof + 0.09],
                [front - 0.04, roof + 0.09],
                [front + 0.15, belt - 0.04],
            ],
        ),
        ellipse(Second, [0.86, 0.17], [0.07, 0.07]),
        ellipse(Ink, [-0.52, 0.44], [wheel, wheel]),
        ellipse(Light, [-0.52, 0.44], [wheel * 0.45, wheel * 0.45]),
        ellipse(Ink, [0.53, 0.44], [wheel, wheel]),
        ellipse(Light, [0.53, 0.44], [wheel * 0.45, wheel * 0.45]),
    ]
}

fn face(rng: &mut Rng) -> Vec<Part> {
    let [rx, ry] = [between(rng, 0.6, 0.75), between(rng, 0.72, 0.85)];
    let apart = between(rng, 0.22, 0.32);
    let (gaze, smile) = (between(rng, -0.04, 0.04), between(rng, 0.1, 0.3));
    let hairline = between(rng, 0.54, 0.6);
    let hair = arc([0.0, 0.05], [rx + 0.07, ry + 0.1], hairline, 1.5 - hairline, 24);
    let mut parts = vec![
        ellipse(Main, [-rx, 0.1], [0.13, 0.18]),
        ellipse(Main, [rx, 0.1], [0.13, 0.18]),
        ellipse(Main, [0.0, 0.05], [rx, ry]),
        polygon(Second, hair),
    ];
    for x in [-apart, apart] {
        parts.push(ellipse(Light, [x, -0.05], [0.13, 0.1]));
        parts.push(ellipse(Ink, [x + gaze, -0.05], [0.06, 0.07]));
    }
    parts.push(stroke(Ink, [[0.02, 0.02], [0.08, 0.22], [-0.02, 0.23]], 0.022));
    parts.push(stroke(Ink, arc([0.0, 0.4], [0.3, smile], 0.04, 0.46, 12), 0.035));
    parts
}

fn boat(rng: &mut Rng) -> Vec<Part> {
    let (bow, deck) = (between(rng, 0.75, 0.95), between(rng, 0.35, 0.45));
    let (mast, top) = (between(rng, -0.15, 0.1), between(rng, -0.95, -0.8));
    let [left, right] = [between(rng, 0.5, 0.7), between(rng, 0.4, 0.65)];
    vec![
        stroke(Ink, [[mast, top], [mast, deck]], 0.03),
        polygon(
            Second,
            [
                [mast - 0.06, top + 0.1],
                [mast - 0.06, deck - 0.12],
                [mast - left, deck - 0.12],
            ],
        ),
        polygon(
            Main,
            [
                [mast + 0.06, top + 0.02],
                [mast + 0.06, deck - 0.12],
                [mast + right, deck - 0.12],
            ],
        ),
        polygon(
            Main,
            [[-bow, deck], [bow, deck], [bow - 0.32, 0.85], [-bow + 0.25, 0.85]],
        ),
        polygon(
            Second,
            [
                [-bow, deck],
                [bow, deck],
                [bow - 0.08, deck + 0.1],
                [-bow + 0.06, deck + 0.1],
            ],
        ),
    ]
}

fn flower(rng: &mut Rng) -> Vec<Part> {
    let petals = rng.random_range(5..9);
    let center = [0.0, -0.32];
    let bend = between(rng, -0.15, 0.15);
    let phase = between(rng, 0.0, 1.0);
    let leaf = between(rng, 0.25, 0.4);
    let mut parts = vec![
        stroke(Second, [center, [bend, 0.3], [bend * 0.6, 0.95]], 0.05),
        polygon(
            Second,
            [
                [bend, 0.62],
                [bend + 0.22, 0.32],
                [bend + leaf + 0.2, 0.28],
                [bend + 0.3, 0.55],
            ],
        ),
    ];
    for petal in 0..petals {
        let angle = TAU * (f64::from(petal) + phase) / f64::from(petals);
        let (sin, cos) = angle.sin_cos();
        let round = arc([0.38, 0.0], [0.25, 1.1 / f64::from(petals)], 0.0, 1.0, 20);
        let turned = round
            .iter()
            .map(|[x, y]| [center[0] + cos * x - sin * y, center[1] + sin * x + cos * y]);
        parts.push(polygon(Main, turned.collect::<Vec<Point>>()));
    }
    parts.push(ellipse(Second, center, [0.2, 0.2]));
    parts
}
