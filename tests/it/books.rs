//! Golden books: a small company whose months can be checked by hand.

mod company;
mod files;
mod october;
mod reorganisation;
