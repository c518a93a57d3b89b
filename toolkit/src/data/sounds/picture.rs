//! A sound drawn as a line of its swings.

/// Pixels of a drawn sound.
pub(in crate::data) const SIZE: (usize, usize, usize) = (32, 128, 1);

/// White where a sound swings, black elsewhere; `most` reaches the edge.
pub(in crate::data) fn picture(wave: &[f32], most: f32) -> Vec<f32> {
    let (height, width, _) = SIZE;
    let mut pixels = vec![0.0; height * width];
    let middle = (height - 1) as f32 / 2.0;
    for x in 0..width {
        let from = x * wave.len() / width;
        let to = ((x + 1) * wave.len() / width).clamp(from + 1, wave.len().max(from + 1));
        let stretch = wave.get(from..to).unwrap_or(&[]);
        let low = stretch.iter().copied().fold(0.0, f32::min);
        let high = stretch.iter().copied().fold(0.0, f32::max);
        let line =
            |swing: f32| (middle - middle * (swing / most.max(f32::MIN_POSITIVE)).clamp(-1.0, 1.0)).round();
        for y in line(high) as usize..=line(low) as usize {
            pixels[y * width + x] = 1.0;
        }
    }
    pixels
}
