//! Forms in the plane and how far a point is from their edge: fill, outline and shadow all come from that.

use std::f64::consts::TAU;

use rand::Rng as _;

use crate::seed::Rng;

/// A point of the picture, which reaches from -1 to 1 from left to right and from top to bottom.
pub(super) type Point = [f64; 2];

/// What a part is painted with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    Main,
    Second,
    /// Windows, whites of eyes.
    Light,
    /// Pupils, tyres, thin lines: dark in every domain.
    Ink,
}

/// A piece of an object; later ones cover earlier ones.
#[derive(Clone, Debug)]
pub(super) struct Part {
    form: Form,
    pub role: Role,
}

#[derive(Clone, Debug)]
enum Form {
    Polygon(Vec<Point>),
    /// A line with round ends: its points and half its thickness.
    Stroke(Vec<Point>, f64),
}

pub(super) fn polygon(role: Role, points: impl Into<Vec<Point>>) -> Part {
    Part {
        form: Form::Polygon(points.into()),
        role,
    }
}

pub(super) fn stroke(role: Role, points: impl Into<Vec<Point>>, half: f64) -> Part {
    Part {
        form: Form::Stroke(points.into(), half),
        role,
    }
}

pub(super) fn rectangle(role: Role, [left, top]: Point, [right, bottom]: Point) -> Part {
    polygon(role, [[left, top], [right, top], [right, bottom], [left, bottom]])
}

pub(super) fn ellipse(role: Role, center: Point, [rx, ry]: Point) -> Part {
    polygon(role, arc(center, [rx, ry], 0.0, 1.0, 36)[..36].to_vec())
}

/// Points on an ellipse from one turn to another, counted clockwise from the right; `pieces` + 1 of them.
pub(super) fn arc([x, y]: Point, [rx, ry]: Point, from: f64, to: f64, pieces: usize) -> Vec<Point> {
    let at = |i: usize| {
        let angle = TAU * (from + (to - from) * i as f64 / pieces as f64);
        [x + rx * angle.cos(), y + ry * angle.sin()]
    };
    (0..=pieces).map(at).collect()
}

/// Where an object is, how large, and how it is turned.
pub(super) struct Pose {
    /// Rows of a 2 x 2 matrix.
    turn: [Point; 2],
    shift: Point,
    scale: f64,
}

impl Pose {
    pub fn draw(rng: &mut Rng, rotated: bool) -> Self {
        let scale = rng.random_range(0.58..0.88);
        let stretch: f64 = rng.random_range(0.88..1.12);
        let side: f64 = if rng.random() { 1.0 } else { -1.0 };
        let tilt = rng.random_range(-0.03..0.03);
        // Drawn in any case: the object is the same in every domain.
        let far: f64 = rng.random_range(1.0 / 6.0..0.5) * if rng.random() { 1.0 } else { -1.0 };
        let (sin, cos) = (TAU * if rotated { far } else { tilt }).sin_cos();
        let [x, y] = [side * scale * stretch, scale / stretch];
        let room = (1.0 - scale) * 0.9;
        Self {
            turn: [[cos * x, -sin * y], [sin * x, cos * y]],
            shift: [rng.random_range(-room..room), rng.random_range(-room..room)],
            scale,
        }
    }

    fn apply(&self, [x, y]: Point) -> Point {
        [0, 1].map(|i| self.turn[i][0] * x + self.turn[i][1] * y + self.shift[i])
    }
}

impl Part {
    pub fn moved(self, pose: &Pose) -> Self {
        let all = |points: Vec<Point>| points.into_iter().map(|p| pose.apply(p)).collect();
        let form = match self.form {
            Form::Polygon(points) => Form::Polygon(all(points)),
            Form::Stroke(points, half) => Form::Stroke(all(points), half * pose.scale),
        };
        Self { form, ..self }
    }

    /// Distance of `point` from the edge, below 0 inside.
    pub fn distance(&self, point: Point) -> f64 {
        match &self.form {
            Form::Stroke(points, half) => {
                let lines = points.windows(2).map(|line| to_line(point, line[0], line[1]));
                lines.fold(f64::INFINITY, f64::min) - half
            }
            Form::Polygon(points) => {
                let mut nearest = f64::INFINITY;
                let mut inside = false;
                let mut before = points[points.len() - 1];
                for &corner in points {
                    nearest = nearest.min(to_line(point, before, corner));
                    // Crossings of the ray to the right: an odd number means inside.
                    if (corner[1] > point[1]) != (before[1] > point[1]) {
                        let share = (point[1] - corner[1]) / (before[1] - corner[1]);
                        inside ^= point[0] < corner[0] + share * (before[0] - corner[0]);
                    }
                    before = corner;
                }
                if inside { -nearest } else { nearest }
            }
        }
    }
}

/// Distance of `p` from the line between `a` and `b`.
fn to_line(p: Point, a: Point, b: Point) -> f64 {
    let (along, from) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let length = along[0] * along[0] + along[1] * along[1];
    let share = match length > 0.0 {
        true => ((from[0] * along[0] + from[1] * along[1]) / length).clamp(0.0, 1.0),
        false => 0.0,
    };
    let [dx, dy] = [0, 1].map(|i| from[i] - share * along[i]);
    (dx * dx + dy * dy).sqrt()
}
