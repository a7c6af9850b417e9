//! What a line's usage type says: which model, which kind of token, by which route, tier and context class.
//!
//! One table-driven grammar reads the four dialects that are live on bills, and what is not a token line.  Reading is
//! total: a string outside the grammar is `LineKind::Unknown`, keeps its cost, and is never given a default meaning.
//! It never says which endpoint was called: `mantle` in a string does not prove one.

mod grammar;
mod model;

pub use model::Model;

use std::fmt;

/// What a line is, beside its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKind {
    Tokens,
    /// Provisioned or reserved throughput, paid by the hour.
    Capacity,
    /// Guardrails, knowledge bases, web search, agent runtimes and other things that are not tokens.
    Feature,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    Input,
    Output,
    CacheRead,
    CacheWrite,
}

/// How long a written cache entry lives; the price depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheTtl {
    FiveMinutes,
    ThirtyMinutes,
    OneHour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// In the region, through a geographic profile, or a model that has one price.
    Regional,
    Global,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    Standard,
    Batch,
    Flex,
    Priority,
    LatencyOptimized,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContextClass {
    Standard,
    Long,
}

macro_rules! spelled {
    ($($type:ident { $($variant:ident = $text:literal),+ $(,)? })+) => {$(
        impl $type {
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+};
}

spelled! {
    LineKind { Tokens = "tokens", Capacity = "capacity", Feature = "feature", Unknown = "unknown" }
    TokenKind { Input = "input", Output = "output", CacheRead = "cache_read", CacheWrite = "cache_write" }
    CacheTtl { FiveMinutes = "5m", ThirtyMinutes = "30m", OneHour = "1h" }
    Route { Regional = "regional", Global = "global" }
    Tier { Standard = "standard", Batch = "batch", Flex = "flex", Priority = "priority", LatencyOptimized = "latency_optimized" }
    ContextClass { Standard = "standard", Long = "long" }
}

impl LineKind {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Tokens, Self::Capacity, Self::Feature, Self::Unknown]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// What makes a token line's price: kind, cache time, route, tier and context class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDimension {
    pub kind: TokenKind,
    pub ttl: Option<CacheTtl>,
    pub route: Route,
    pub tier: Tier,
    pub context: ContextClass,
}

/// The names that a bill gives for what a line is about; each may be absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProductMetadata<'a> {
    pub provider: Option<&'a str>,
    pub model: Option<&'a str>,
    pub inference_type: Option<&'a str>,
    pub product_name: Option<&'a str>,
}

/// What a line means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Meaning {
    pub line_kind: LineKind,
    pub model: Option<Model>,
    pub tokens: Option<TokenDimension>,
    /// Region by the prefix of the usage type: only a fallback for `product_region_code`.
    pub region: Option<&'static str>,
    /// The product metadata names another kind of token than the usage type does.
    pub disagrees: bool,
}

impl Meaning {
    /// Reads a usage type, with the product metadata preferred where the bill has it.
    pub fn read(usage_type: &str, metadata: ProductMetadata<'_>) -> Self {
        let parsed = grammar::parse(usage_type);
        let by_metadata = metadata.inference_type.and_then(grammar::parse_inference_type);
        let (line_kind, tokens) = match (parsed.line_kind, parsed.tokens, by_metadata) {
            (LineKind::Unknown, _, Some(dimension)) => (LineKind::Tokens, Some(dimension)),
            (LineKind::Tokens, Some(dimension), Some(named)) => (
                LineKind::Tokens,
                Some(TokenDimension {
                    kind: named.kind,
                    ttl: ttl_of(named, dimension),
                    ..dimension
                }),
            ),
            (kind, dimension, _) => (kind, dimension),
        };
        let disagrees = matches!((parsed.tokens, by_metadata), (Some(a), Some(b)) if a.kind != b.kind);
        let named = metadata.model.or(metadata.product_name);
        let model = match line_kind {
            LineKind::Tokens | LineKind::Capacity => named
                .and_then(|title| Model::from_title(title, metadata.provider))
                .or(parsed.model),
            LineKind::Feature | LineKind::Unknown => None,
        };
        Self {
            line_kind,
            model,
            tokens,
            region: parsed.region,
            disagrees,
        }
    }
}

fn ttl_of(named: TokenDimension, by_usage_type: TokenDimension) -> Option<CacheTtl> {
    if named.kind == by_usage_type.kind {
        by_usage_type.ttl
    } else {
        named.ttl
    }
}

/// How many tokens one unit of a token line is; `None` for a unit that is not known.
pub fn tokens_per_unit(unit: &str) -> Option<u32> {
    match unit.to_ascii_lowercase().as_str() {
        "1k tokens" => Some(1_000),
        "1m tokens" | "units" => Some(1_000_000),
        "tokens" => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
