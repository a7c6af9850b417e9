//! Golden books: a small company whose months can be checked by hand.

mod company;
mod files;
mod http;
mod october;
mod reorganisation;
mod true_ups;
