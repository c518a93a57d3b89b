//! The same numbers in another order of their dimensions.

/// From images x channels x height x width to images x height x width x channels.
pub(crate) const TO_OURS: [usize; 4] = [0, 2, 3, 1];
/// And back.
pub(crate) const TO_PYTORCH: [usize; 4] = [0, 3, 1, 2];

/// `values`, row-major of `shape`, with its dimensions in the order of `axes`: dimension i of the result is
/// dimension `axes[i]` of `values`.
pub(crate) fn permuted(values: &[f32], shape: &[usize], axes: &[usize]) -> Vec<f32> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    let walk: Vec<(usize, usize)> = axes.iter().map(|&axis| (shape[axis], strides[axis])).collect();
    let mut result = Vec::with_capacity(values.len());
    collect(values, &walk, 0, &mut result);
    result
}

/// The order that undoes `axes`.
pub(crate) fn inverse(axes: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; axes.len()];
    for (i, &axis) in axes.iter().enumerate() {
        inverse[axis] = i;
    }
    inverse
}

fn collect(values: &[f32], walk: &[(usize, usize)], from: usize, result: &mut Vec<f32>) {
    match walk {
        [] => result.push(values[from]),
        [(size, stride)] => result.extend((0..*size).map(|i| values[from + i * stride])),
        [(size, stride), rest @ ..] => {
            (0..*size).for_each(|i| collect(values, rest, from + i * stride, result));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_change_places_and_come_back() {
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let turned = permuted(&values, &[2, 3, 4], &[2, 0, 1]);
        // [k][i][j] of the result is [i][j][k].
        assert_eq!(turned[6 + 3 + 2], values[12 + 2 * 4 + 1]);
        assert_eq!(turned[..3], [0.0, 4.0, 8.0]);
        assert_eq!(permuted(&turned, &[4, 2, 3], &inverse(&[2, 0, 1])), values);
        assert_eq!(permuted(&[5.0], &[], &[]), [5.0]);
    }
}
