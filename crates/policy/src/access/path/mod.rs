//! Paths of routes and requests: patterns, their segments, and the normalization that a backend may apply.

mod normalization;
mod pattern;
mod segment;

pub(crate) use normalization::{AMBIGUITIES, Normalization, is_ambiguous, is_normalized};
pub(crate) use pattern::PathPattern;
