//! From forms to pixels: colours, patterns, light and noise of each domain.

use std::f64::consts::TAU;

use rand::Rng as _;

use super::ImageDomain;
use super::forms::{Part, Point, Role};
use crate::seed::{Rng, normal};

/// Red, green and blue.
pub(super) const CHANNELS: usize = 3;
type Colour = [f64; CHANNELS];

const PAPER: f64 = 0.96;
/// Cells a side of the uneven light behind a photographed object.
const CELLS: usize = 5;

/// Paints `parts` into `image`: `side` rows of `side` pixels.
pub(super) fn paint(parts: &[Part], domain: ImageDomain, side: usize, rng: &mut Rng, image: &mut [f32]) {
    let scene = Scene::new(domain, side, rng);
    let pixel = 2.0 / side as f64;
    for (i, out) in image.chunks_exact_mut(CHANNELS).enumerate() {
        let at = |i: usize| (i as f64 + 0.5) * pixel - 1.0;
        let point = [at(i % side), at(i / side)];
        let mut colour = scene.background(point);
        if domain == ImageDomain::Photo {
            colour = scene.in_shadow(parts, point, colour);
        }
        for part in parts {
            let distance = part.distance(point);
            let fill = scene.paint_of(part.role, point);
            colour = mix(colour, fill, scene.cover(distance));
            if domain == ImageDomain::LineDrawing {
                colour = mix(
                    colour,
                    scene.palette.ink,
                    scene.cover(distance.abs() - scene.line),
                );
            }
        }
        for (out, value) in out.iter_mut().zip(colour) {
            let value = match domain {
                ImageDomain::Inverted => 1.0 - value,
                ImageDomain::Photo => value * scene.exposure(point) + scene.noise * normal(rng),
                _ => value,
            };
            *out = value.clamp(0.0, 1.0) as f32;
        }
    }
}

/// What is chosen once for an image.
struct Scene {
    domain: ImageDomain,
    palette: Palette,
    /// The width over which an edge goes from one colour to the other: a pixel, more where a lens is soft.
    soft: f64,
    /// Half the thickness of an outline.
    line: f64,
    /// One for the background and for each role.
    patterns: [Pattern; 5],
    /// Where light comes from, a unit vector.
    light: Point,
    /// Deviation of the noise of a pixel.
    noise: f64,
    clouds: [[f64; CELLS]; CELLS],
}

struct Palette {
    background: Colour,
    main: Colour,
    second: Colour,
    light: Colour,
    ink: Colour,
}

#[derive(Clone, Copy)]
struct Pattern {
    kind: Kind,
    /// Repeats from one side of the picture to the other.
    repeats: f64,
    direction: Point,
}

#[derive(Clone, Copy)]
enum Kind {
    Stripes,
    Checks,
    Dots,
}

impl Scene {
    fn new(domain: ImageDomain, side: usize, rng: &mut Rng) -> Self {
        // In the same order for every domain, so that the colours are the same in all.
        let palette = match (Palette::draw(rng), domain) {
            (drawn, ImageDomain::LineDrawing) => Palette::drawing(&drawn),
            (drawn, _) => drawn,
        };
        let patterns = std::array::from_fn(|_| Pattern::draw(rng, side));
        let angle: f64 = TAU * rng.random_range(0.55..0.95);
        let pixel = 2.0 / side as f64;
        Self {
            domain,
            palette,
            soft: if domain == ImageDomain::Photo {
                1.8 * pixel
            } else {
                pixel
            },
            line: (0.5 * pixel).max(rng.random_range(0.018..0.028)),
            patterns,
            light: [angle.cos(), angle.sin()],
            noise: rng.random_range(0.03..0.08),
            clouds: std::array::from_fn(|_| std::array::from_fn(|_| rng.random_range(-1.0..1.0))),
        }
    }

    /// The share of a pixel that lies inside of an edge at this distance.
    fn cover(&self, distance: f64) -> f64 {
        (0.5 - distance / self.soft).clamp(0.0, 1.0)
    }

    fn background(&self, point: Point) -> Colour {
        let plain = self.palette.background;
        match self.domain {
            ImageDomain::Textured => mix(plain, [1.0; CHANNELS], 0.5 * self.patterns[4].at(point)),
            ImageDomain::Photo => plain.map(|x| x * (0.8 + 0.18 * self.cloud(point))),
            _ => plain,
        }
    }

    fn paint_of(&self, role: Role, point: Point) -> Colour {
        let plain = match role {
            Role::Main => self.palette.main,
            Role::Second => self.palette.second,
            Role::Light => self.palette.light,
            Role::Ink => self.palette.ink,
        };
        match (self.domain, role) {
            (ImageDomain::Textured, Role::Main | Role::Second) => {
                let share = 0.4 * self.patterns[role as usize].at(point);
                mix(plain, [1.0; CHANNELS], share)
            }
            (ImageDomain::Photo, _) => {
                // Lighter towards the light, as on something round.
                let towards = point[0] * self.light[0] + point[1] * self.light[1];
                plain.map(|x| x * (0.95 + 0.3 * towards))
            }
            _ => plain,
        }
    }

    fn in_shadow(&self, parts: &[Part], point: Point, colour: Colour) -> Colour {
        let from = [0, 1].map(|i| point[i] + 0.09 * self.light[i]);
        let nearest = parts
            .iter()
            .map(|part| part.distance(from))
            .fold(f64::INFINITY, f64::min);
        let dark = 0.4 * (0.5 - nearest / 0.16).clamp(0.0, 1.0);
        colour.map(|x| x * (1.0 - dark))
    }

    /// Darker towards the corners.
    fn exposure(&self, [x, y]: Point) -> f64 {
        1.05 - 0.15 * (x * x + y * y)
    }

    /// Smooth noise from -1 to 1.
    fn cloud(&self, point: Point) -> f64 {
        let cells = (CELLS - 1) as f64;
        let [x, y] = point.map(|x| (x + 1.0) / 2.0 * cells);
        let [i, j] = [x, y].map(|x| (x as usize).min(CELLS - 2));
        let smooth = |x: f64| x * x * (3.0 - 2.0 * x);
        let [u, v] = [smooth(x - i as f64), smooth(y - j as f64)];
        let row = |j: usize| self.clouds[j][i] * (1.0 - u) + self.clouds[j][i + 1] * u;
        row(j) * (1.0 - v) + row(j + 1) * v
    }
}

impl Palette {
    /// A light background and darker colours on it, of any hue.
    fn draw(rng: &mut Rng) -> Self {
        let hue = rng.random_range(0.0..1.0);
        let other = hue + rng.random_range(0.25..0.75);
        let main = hsv(hue, rng.random_range(0.55..0.95), rng.random_range(0.5..0.85));
        let second = hsv(other, rng.random_range(0.55..0.95), rng.random_range(0.35..0.7));
        let background = hsv(
            rng.random_range(0.0..1.0),
            rng.random_range(0.02..0.25),
            rng.random_range(0.88..1.0),
        );
        Self {
            background,
            main: darkened(main, 0.5),
            second: darkened(second, 0.38),
            light: [rng.random_range(0.9..1.0); CHANNELS],
            ink: [rng.random_range(0.05..0.15); CHANNELS],
        }
    }

    /// Paper for everything but the lines.
    fn drawing(drawn: &Self) -> Self {
        let paper = [PAPER; CHANNELS];
        Self {
            background: paper,
            main: paper,
            second: paper,
            light: paper,
            ink: drawn.ink,
        }
    }
}

impl Pattern {
    fn draw(rng: &mut Rng, side: usize) -> Self {
        let kind = match rng.random_range(0..3) {
            0 => Kind::Stripes,
            1 => Kind::Checks,
            _ => Kind::Dots,
        };
        // At least four pixels for a repeat, or there is nothing to see but grey.
        let most = (side as f64 / 4.0).min(11.0);
        let angle: f64 = TAU * rng.random_range(0.0..1.0);
        Self {
            kind,
            repeats: most * rng.random_range(0.55..1.0),
            direction: [angle.cos(), angle.sin()],
        }
    }

    /// 0 to 1.
    fn at(&self, [x, y]: Point) -> f64 {
        let [a, b] = self.direction;
        let wave = |along: f64| (TAU * self.repeats * along / 2.0).sin();
        let (u, v) = (wave(a * x + b * y), wave(a * y - b * x));
        let sharp = |x: f64| (0.5 + 2.0 * x).clamp(0.0, 1.0);
        match self.kind {
            Kind::Stripes => sharp(u),
            Kind::Checks => sharp(u * v * 2.0),
            Kind::Dots => sharp(u + v - 0.7),
        }
    }
}

fn mix(a: Colour, b: Colour, share: f64) -> Colour {
    [0, 1, 2].map(|c| a[c] + share * (b[c] - a[c]))
}

/// The colour with at most this luminance (Rec. 709).
fn darkened(colour: Colour, most: f64) -> Colour {
    let luminance = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2];
    colour.map(|x| x * (most / luminance).min(1.0))
}

/// Hue, saturation and value; a hue counts turns.
fn hsv(hue: f64, saturation: f64, value: f64) -> Colour {
    [5.0, 3.0, 1.0].map(|shift| {
        let k = (shift + 6.0 * hue).rem_euclid(6.0);
        value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    })
}
