//! [`Window`]: what each output of a convolution or pooling looks at.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A window that slides over an image; each pair is (rows, columns), as in PyTorch.
///
/// ```
/// use jook::net::Window;
///
/// let window = Window::square(3).stride(2).padding(1);
/// assert_eq!(window.to_string(), "3x3 stride 2 padding 1");
/// assert_eq!(window.outputs([28, 28], false), Some([14, 14]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its size.
    pub kernel: [usize; 2],
    /// From one window to the next.
    pub stride: [usize; 2],
    /// Rows and columns around the image, on both sides.
    pub padding: [usize; 2],
    /// From one number of the window to the next.
    pub dilation: [usize; 2],
}

impl Window {
    /// A window of this size, stride 1, no padding, dilation 1.
    pub fn new(kernel: [usize; 2]) -> Self {
        Self {
            kernel,
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
        }
    }

    /// A square window.
    pub fn square(side: usize) -> Self {
        Self::new([side, side])
    }

    /// The same stride for rows and columns.
    pub fn stride(mut self, stride: usize) -> Self {
        self.stride = [stride, stride];
        self
    }

    /// The same padding for rows and columns.
    pub fn padding(mut self, padding: usize) -> Self {
        self.padding = [padding, padding];
        self
    }

    /// The same dilation for rows and columns.
    pub fn dilation(mut self, dilation: usize) -> Self {
        self.dilation = [dilation, dilation];
        self
    }

    /// The padding with which stride 1 keeps the size of the image, for odd kernels.
    pub fn same(mut self) -> Self {
        for axis in 0..2 {
            self.padding[axis] = self.dilation[axis] * self.kernel[axis].saturating_sub(1) / 2;
        }
        self
    }

    /// Numbers in the window.
    pub fn area(&self) -> usize {
        self.kernel[0].saturating_mul(self.kernel[1])
    }

    /// Rows and columns that come out of an image of this size; `ceil` also counts a window that is only
    /// partly there, unless it would begin in the padding behind the image. `None` when no window fits, a
    /// number is 0 that must not be, or the sizes are past counting.
    pub fn outputs(&self, size: [usize; 2], ceil: bool) -> Option<[usize; 2]> {
        let mut outputs = [0; 2];
        for axis in 0..2 {
            let stride = self.stride[axis];
            let span = self.kernel[axis]
                .checked_sub(1)?
                .checked_mul(self.dilation[axis])?
                .checked_add(1)?;
            let padded = size[axis].checked_add(self.padding[axis].checked_mul(2)?)?;
            if stride == 0 || self.dilation[axis] == 0 {
                return None;
            }
            let Some(room) = padded.checked_sub(span) else {
                // The one window that there is hangs over, by less than a stride.
                if !ceil || span - padded >= stride || size[axis] == 0 {
                    return None;
                }
                outputs[axis] = 1;
                continue;
            };
            outputs[axis] = room / stride + 1;
            if ceil && room % stride > 0 && (outputs[axis] * stride) < size[axis] + self.padding[axis] {
                outputs[axis] += 1;
            }
        }
        Some(outputs)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.kernel[0], self.kernel[1])?;
        for (name, [rows, columns], usual) in [
            ("stride", self.stride, 1),
            ("padding", self.padding, 0),
            ("dilation", self.dilation, 1),
        ] {
            if [rows, columns] != [usual, usual] {
                write!(f, " {name} {rows}")?;
                if columns != rows {
                    write!(f, "x{columns}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceil_mode_leaves_out_windows_that_begin_behind_the_image() {
        let window = Window::square(2).stride(2);
        assert_eq!(window.outputs([5, 4], false), Some([2, 2]));
        assert_eq!(window.outputs([5, 4], true), Some([3, 2]));
        // The third window would begin in the padding on the right.
        let padded = Window::square(2).stride(3).padding(1);
        assert_eq!(padded.outputs([3, 5], true), Some([2, 2]));
        assert_eq!(padded.outputs([3, 5], false), Some([2, 2]));
        assert_eq!(Window::square(3).outputs([2, 5], false), None);
        assert_eq!(Window::square(3).outputs([2, 5], true), None);
        assert_eq!(Window::square(3).stride(2).outputs([2, 5], true), Some([1, 2]));
        assert_eq!(Window::square(3).stride(2).outputs([1, 5], true), None);
        assert_eq!(Window::square(3).stride(0).outputs([5, 5], false), None);
        assert_eq!(Window::square(0).outputs([5, 5], false), None);
        let dilated = Window::new([1, 7]).same();
        assert_eq!(dilated.outputs([17, 17], false), Some([17, 17]));
    }
}
