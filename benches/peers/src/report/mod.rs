//! From figures to a document.

pub(crate) mod document;
pub(crate) mod line;
mod plot;
mod table;
