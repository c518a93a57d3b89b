//! What reads several layers: concat and add.

use std::fmt;

use super::{Behind, Places, Read, Rules, with_channels};
use crate::data::Shape;
use crate::net::graph::channels_of;
use crate::{Error, Result};

pub(super) struct Concat;

pub(super) struct Add;

impl Rules for Concat {
    fn joins(&self) -> bool {
        true
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        let first = read.first;
        let mut channels = channels_of(first);
        for &other in read.others {
            if with_channels(other, 1) != with_channels(first, 1) {
                return Err(Error::spec(format!("concat cannot join {first} and {other}"))
                    .fix("only the channels may differ"));
            }
            channels = channels.saturating_add(channels_of(other));
        }
        Ok(with_channels(first, channels))
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("concat")
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        let orders = (behind.orders)()?;
        if orders.iter().all(Option::is_none) {
            return Ok(None);
        }
        if let Shape::Image { .. } = behind.read[0] {
            let numbers: usize = behind.read.iter().map(|shape| shape.width()).sum();
            return match orders.iter().all(Option::is_some) {
                true => Ok(Some((0..numbers).collect())),
                false => Err(behind.untold("where what was looked up meets other images")),
            };
        }
        let mut joined = Vec::new();
        for (order, shape) in orders.into_iter().zip(behind.read) {
            let from = joined.len();
            let order = order.unwrap_or_else(|| (0..shape.width()).collect());
            joined.extend(order.into_iter().map(|place| from + place));
        }
        Ok(Some(joined))
    }
}

impl Rules for Add {
    fn joins(&self) -> bool {
        true
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        let first = read.first;
        match read.others.iter().find(|&&other| other != first) {
            None => Ok(first),
            Some(other) => Err(Error::spec(format!("add cannot sum {first} and {other}"))
                .fix("bring them to one shape, with a 1x1 convolution for instance")),
        }
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("add")
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        let mut orders = (behind.orders)()?;
        match orders.iter().all(|order| *order == orders[0]) {
            true => Ok(orders.swap_remove(0)),
            false => Err(behind.untold("a sum of numbers in different orders")),
        }
    }
}
