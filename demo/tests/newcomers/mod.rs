//! Apps as new users make them: laid out below `target/newcomers`, with the packed package installed by npm and the README's own code.

mod app;
mod site;

pub(crate) use app::{App, Wanted};
pub(crate) use site::Site;
