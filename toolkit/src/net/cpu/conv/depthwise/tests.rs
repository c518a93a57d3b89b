//! Against the sums written out, in f64.

use super::*;
use crate::net::cpu::conv::{Conv, PixelsMut};

/// Whole numbers from -4 to 4 over 4: their sums of products are exact.
fn scattered(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|i| ((i.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 9) as f32 / 4.0 - 1.0)
        .collect()
}

struct All {
    y: Vec<f32>,
    dx: Vec<f32>,
    dw: Vec<f32>,
    db: Vec<f32>,
}

fn conv(window: Window, source: [usize; 2], channels: usize) -> Option<Conv> {
    Some(Conv {
        window,
        groups: channels,
        source,
        grid: window.outputs(source, false)?,
        inputs: channels,
        outputs: channels,
    })
}

struct Case {
    conv: Conv,
    images: usize,
    x: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new(conv: Conv, images: usize) -> Self {
        let channels = conv.inputs;
        let numbers = |[rows, columns]: [usize; 2]| images * rows * columns * channels;
        Self {
            x: scattered(numbers(conv.source), 1),
            w: scattered(conv.window.area() * channels, 2),
            b: scattered(channels, 3),
            dy: scattered(numbers(conv.grid), 4),
            conv,
            images,
        }
    }

    fn run(&self) -> All {
        let channels = self.conv.inputs;
        let mut all = All {
            y: vec![7.0; self.dy.len()],
            dx: vec![7.0; self.x.len()],
            dw: vec![7.0; self.w.len()],
            db: vec![7.0; channels],
        };
        let packed = self.conv.pack(&self.w, Some(&self.b));
        let y = PixelsMut {
            numbers: &mut all.y,
            pitch: channels,
        };
        let mut room = Vec::new();
        self.conv
            .forward(self.images, &self.x, &packed, true, y, &mut room);
        self.conv.weight_gradient(
            self.images,
            &self.x,
            &self.dy,
            &mut all.dw,
            Some(&mut all.db),
            &room,
        );
        self.conv
            .input_gradient(self.images, &self.dy, &self.w, Some(&self.x), &mut all.dx);
        all
    }

    fn written_out(&self) -> All {
        let Conv {
            window,
            source,
            grid,
            inputs: channels,
            ..
        } = self.conv;
        let mut all = All {
            y: vec![0.0; self.dy.len()],
            dx: vec![0.0; self.x.len()],
            dw: vec![0.0; self.w.len()],
            db: vec![0.0; channels],
        };
        let pixels = (0..self.images).flat_map(|image| {
            (0..grid[0]).flat_map(move |row| (0..grid[1]).map(move |column| (image, row, column)))
        });
        for (pixel, (image, row, column)) in pixels.enumerate() {
            for c in 0..channels {
                let at = pixel * channels + c;
                all.db[c] += self.dy[at];
                let mut sum = self.b[c];
                for tap in 0..window.area() {
                    let [down, right] = [tap / window.kernel[1], tap % window.kernel[1]];
                    let y =
                        (row * window.stride[0] + down * window.dilation[0]).wrapping_sub(window.padding[0]);
                    let x = (column * window.stride[1] + right * window.dilation[1])
                        .wrapping_sub(window.padding[1]);
                    if y >= source[0] || x >= source[1] {
                        continue;
                    }
                    let from = ((image * source[0] + y) * source[1] + x) * channels + c;
                    sum += self.x[from] * self.w[tap * channels + c];
                    all.dw[tap * channels + c] += self.x[from] * self.dy[at];
                    all.dx[from] += self.dy[at] * self.w[tap * channels + c];
                }
                all.y[at] = sum.max(0.0);
            }
        }
        for (dx, x) in all.dx.iter_mut().zip(&self.x) {
            *dx = if *x > 0.0 { *dx } else { 0.0 };
        }
        all
    }

    /// Numbers are such that every order of sums gives the same.
    fn check(&self) {
        let (found, expected) = (self.run(), self.written_out());
        let name = format!(
            "{} of {:?} x {}",
            self.conv.window, self.conv.source, self.conv.inputs
        );
        assert!(found.y == expected.y, "outputs of {name}");
        assert!(found.dx == expected.dx, "gradient of the inputs of {name}");
        assert!(found.dw == expected.dw, "gradient of the weights of {name}");
        assert!(found.db == expected.db, "gradient of the biases of {name}");
    }
}

#[test]
fn outputs_and_gradients_are_the_sums_written_out() {
    let sizes = [[1, 1], [1, 2], [3, 1], [5, 4], [7, 9], [6, 17], [11, 16]];
    let mut cases = 0;
    for kernel in 1..=7 {
        for stride in 1..=3 {
            for padding in 0..=3 {
                for dilation in 1..=2 {
                    for size in sizes {
                        let window = Window::square(kernel)
                            .stride(stride)
                            .padding(padding)
                            .dilation(dilation);
                        let channels = [1, 3, 8, 16, 17, 33, 40][cases % 7];
                        if let Some(conv) = conv(window, size, channels) {
                            Case::new(conv, 2).check();
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(cases > 700, "{cases} cases");
}

#[test]
fn windows_need_not_be_square() {
    for kernel in [[1, 3], [5, 1], [3, 5], [2, 3], [4, 6], [3, 9]] {
        for stride in [[1, 1], [1, 2], [2, 1], [2, 3], [3, 2]] {
            for padding in [[0, 0], [1, 0], [0, 2], [2, 4]] {
                let window = Window {
                    kernel,
                    stride,
                    padding,
                    dilation: [1, 1],
                };
                for channels in [16, 40, 48, 144] {
                    let conv = conv(window, [13, 19], channels).expect("windows fit");
                    Case::new(conv, 1).check();
                }
            }
        }
    }
}

#[test]
fn every_number_of_channels_has_its_blocks() {
    let window = Window::square(3).stride(2).padding(1);
    for channels in 1..=4 * LANES + 1 {
        Case::new(conv(window, [8, 9], channels).expect("windows fit"), 2).check();
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for (kernel, stride, size, channels) in [(3, 1, 30, 40), (5, 2, 29, 64), (3, 2, 14, 256), (7, 1, 12, 33)]
    {
        let window = Window::square(kernel).stride(stride).padding(kernel / 2);
        let mut case = Case::new(conv(window, [size, size], channels).expect("windows fit"), 4);
        // Sums that are not exact.
        for numbers in [&mut case.x, &mut case.w, &mut case.dy] {
            numbers.iter_mut().for_each(|x| *x = (*x + 0.1).sin());
        }
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let all = pool.expect("threads start").install(|| case.run());
            [all.y, all.dx, all.dw, all.db].concat()
        };
        let one = with(1);
        for threads in [2, 3, 5] {
            assert!(one == with(threads), "{window} with {threads} threads");
        }
    }
}
