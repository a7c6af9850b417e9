//! The grammar of usage types.
//!
//! All dialects are brought to one form (lower case, words joined by `-`) and read as
//! `[prefix] [model] phrase modifier*`: the phrase names the kind of token, each modifier one property.  A word that is
//! in no table makes the whole string unknown.

use super::model::Model;
use super::{CacheTtl, ContextClass, LineKind, Route, Tier, TokenDimension, TokenKind};

pub(super) struct Parsed {
    pub line_kind: LineKind,
    pub model: Option<Model>,
    pub tokens: Option<TokenDimension>,
    pub region: Option<&'static str>,
}

/// Phrases that name a kind of token.  The leftmost one in a string counts, and the longest of those that begin there:
/// so `cache-read-input-token-count` is never an input.
const PHRASES: &[(&str, TokenKind, &[&str])] = &[
    ("cache-write-1h-input-token-count", TokenKind::CacheWrite, &["1h"]),
    ("cache-write-input-token-count", TokenKind::CacheWrite, &[]),
    ("cache-read-input-token-count", TokenKind::CacheRead, &[]),
    ("cache-write-tokens", TokenKind::CacheWrite, &[]),
    ("cache-read-tokens", TokenKind::CacheRead, &[]),
    ("cachewrite1hinputtokencount", TokenKind::CacheWrite, &["1h"]),
    ("cachewriteinputtokencount", TokenKind::CacheWrite, &[]),
    ("cachereadinputtokencount", TokenKind::CacheRead, &[]),
    ("millionbatchinputtokens", TokenKind::Input, &["batch"]),
    ("millionbatchoutputtokens", TokenKind::Output, &["batch"]),
    ("input-token-count", TokenKind::Input, &[]),
    ("output-token-count", TokenKind::Output, &[]),
    ("inputtokencount", TokenKind::Input, &[]),
    ("outputtokencount", TokenKind::Output, &[]),
    ("responsetokencount", TokenKind::Output, &[]),
    ("input-tokens", TokenKind::Input, &[]),
    ("output-tokens", TokenKind::Output, &[]),
];

#[derive(Clone, Copy)]
enum Modifier {
    Ttl(CacheTtl),
    Route(Route),
    Tier(Tier),
    Long,
}

/// Modifiers after the phrase; the first that fits is taken, so longer ones stand first.
const MODIFIERS: &[(&str, Modifier)] = &[
    ("cross-region-global", Modifier::Route(Route::Global)),
    ("cross-region-eu", Modifier::Route(Route::Regional)),
    ("cross-region-us", Modifier::Route(Route::Regional)),
    ("cross-region-apac", Modifier::Route(Route::Regional)),
    ("cross-region-jp", Modifier::Route(Route::Regional)),
    ("cross-region-au", Modifier::Route(Route::Regional)),
    ("cross-region-ca", Modifier::Route(Route::Regional)),
    ("cross-region-in", Modifier::Route(Route::Regional)),
    ("latency-optimized", Modifier::Tier(Tier::LatencyOptimized)),
    ("long-ctx", Modifier::Long),
    ("lctx", Modifier::Long),
    ("global", Modifier::Route(Route::Global)),
    ("geo", Modifier::Route(Route::Regional)),
    ("1h", Modifier::Ttl(CacheTtl::OneHour)),
    ("5m", Modifier::Ttl(CacheTtl::FiveMinutes)),
    ("30m", Modifier::Ttl(CacheTtl::ThirtyMinutes)),
    ("standard", Modifier::Tier(Tier::Standard)),
    ("batch", Modifier::Tier(Tier::Batch)),
    ("flex", Modifier::Tier(Tier::Flex)),
    ("priority", Modifier::Tier(Tier::Priority)),
];

/// Marks of lines that are not tokens, in the order in which they are asked.
const OTHER_LINES: &[(&str, LineKind)] = &[
    ("provisionedthroughput", LineKind::Capacity),
    ("reserved-", LineKind::Capacity),
    ("guardrail", LineKind::Feature),
    ("knowledgebase", LineKind::Feature),
    ("websearch", LineKind::Feature),
    ("evaluations:", LineKind::Feature),
    ("runtime:", LineKind::Feature),
];

/// Region prefixes.  Tables of these in the wild are wrong in places, and eu-west-1 has two: the bill's own
/// `product_region_code` always comes first.
const REGIONS: &[(&str, &str)] = &[
    ("use1", "us-east-1"),
    ("use2", "us-east-2"),
    ("usw1", "us-west-1"),
    ("usw2", "us-west-2"),
    ("can1", "ca-central-1"),
    ("euc1", "eu-central-1"),
    ("eu", "eu-west-1"),
    ("euw1", "eu-west-1"),
    ("euw2", "eu-west-2"),
    ("euw3", "eu-west-3"),
    ("eun1", "eu-north-1"),
    ("apn1", "ap-northeast-1"),
    ("apn2", "ap-northeast-2"),
    ("apn3", "ap-northeast-3"),
    ("aps1", "ap-southeast-1"),
    ("aps2", "ap-southeast-2"),
    ("aps3", "ap-south-1"),
    ("sae1", "sa-east-1"),
];

/// Longer strings are no usage types; the bound keeps the search for phrases linear in what a bill can hold.
const LENGTH_MAX: usize = 400;

pub(super) fn parse(usage_type: &str) -> Parsed {
    let plain = usage_type.to_ascii_lowercase().replace('_', "-");
    let region = REGIONS
        .iter()
        .find(|(code, _)| prefix_of(&plain) == Some(*code))
        .map(|(_, region)| *region);
    let unknown = |line_kind| Parsed {
        line_kind,
        model: None,
        tokens: None,
        region,
    };
    if usage_type.len() > LENGTH_MAX {
        return unknown(LineKind::Unknown);
    }
    if let Some((_, kind)) = OTHER_LINES.iter().find(|(mark, _)| plain.contains(mark)) {
        return unknown(*kind);
    }
    let body = plain.strip_suffix("-units").unwrap_or(&plain);
    let Some((at, phrase, kind, implied)) = leftmost_phrase(body) else {
        return unknown(LineKind::Unknown);
    };
    let Some(tokens) = dimension(kind, implied, &body[at + phrase.len()..]) else {
        return unknown(LineKind::Unknown);
    };
    // ASCII lower-casing keeps every byte in its place, so the phrase stands at the same bytes in the original.
    let model = model_before(usage_type.get(..at).unwrap_or(""));
    Parsed {
        line_kind: LineKind::Tokens,
        model,
        tokens: Some(tokens),
        region,
    }
}

/// The prefix before the first `-`, with which every dialect begins.
fn prefix_of(plain: &str) -> Option<&str> {
    plain.split_once('-').map(|(prefix, _)| prefix)
}

fn leftmost_phrase(body: &str) -> Option<(usize, &'static str, TokenKind, &'static [&'static str])> {
    PHRASES
        .iter()
        .filter_map(|(phrase, kind, implied)| word_position(body, phrase).map(|at| (at, *phrase, *kind, *implied)))
        .min_by_key(|(at, phrase, ..)| (*at, usize::MAX - phrase.len()))
}

/// Where `phrase` stands as whole words.
fn word_position(body: &str, phrase: &str) -> Option<usize> {
    body.match_indices(phrase).map(|(at, _)| at).find(|&at| {
        let (before, after) = (&body[..at], &body[at + phrase.len()..]);
        (before.is_empty() || before.ends_with(['-', ':'])) && (after.is_empty() || after.starts_with('-'))
    })
}

/// Reads the modifiers after a phrase; each property at most once, nothing left over.
fn dimension(kind: TokenKind, implied: &[&str], modifiers: &str) -> Option<TokenDimension> {
    let (mut ttl, mut route, mut tier, mut long) = (None, None, None, None);
    let mut rest = modifiers;
    let mut implied = implied.iter();
    loop {
        let modifier = if let Some(word) = implied.next() {
            MODIFIERS.iter().find(|(text, _)| text == word)?.1
        } else if let Some(words) = rest.strip_prefix('-') {
            let (text, modifier) = MODIFIERS.iter().find(|(text, _)| {
                words
                    .strip_prefix(text)
                    .is_some_and(|after| after.is_empty() || after.starts_with('-'))
            })?;
            rest = &words[text.len()..];
            *modifier
        } else {
            break;
        };
        let repeated = match modifier {
            Modifier::Ttl(value) => ttl.replace(value).is_some(),
            Modifier::Route(value) => route.replace(value).is_some(),
            Modifier::Tier(value) => tier.replace(value).is_some(),
            Modifier::Long => long.replace(ContextClass::Long).is_some(),
        };
        if repeated {
            return None;
        }
    }
    let is_write = kind == TokenKind::CacheWrite;
    if !rest.is_empty() || (ttl.is_some() && !is_write) {
        return None;
    }
    Some(TokenDimension {
        kind,
        ttl: is_write.then(|| ttl.unwrap_or(CacheTtl::FiveMinutes)),
        route: route.unwrap_or(Route::Regional),
        tier: tier.unwrap_or(Tier::Standard),
        context: long.unwrap_or(ContextClass::Standard),
    })
}

/// The model between the region prefix and the phrase; a Marketplace dimension has none.
fn model_before(head: &str) -> Option<Model> {
    let (_, name) = head.trim_end_matches('-').split_once('-')?;
    if name.contains("MP:") {
        return None;
    }
    match name.strip_suffix("-mantle") {
        Some(id) => Model::from_dotted_id(id),
        None => Model::from_classic_name(name),
    }
}

/// Reads the metadata's `inference_type`, such as `Prompt cache read input tokens flex` or `Cache write tokens 1h global`.
/// Words that are not known are passed over: the spelling differs from source to source, and the kind is what counts.
pub(super) fn parse_inference_type(text: &str) -> Option<TokenDimension> {
    let plain = text.to_ascii_lowercase();
    let has = |word: &str| plain.split([' ', '-', '_']).any(|w| w == word);
    let kind = match () {
        () if !has("tokens") && !has("token") => return None,
        () if has("cache") && has("write") => TokenKind::CacheWrite,
        () if has("cache") && has("read") => TokenKind::CacheRead,
        () if has("cache") => return None,
        () if has("output") => TokenKind::Output,
        () if has("input") => TokenKind::Input,
        () => return None,
    };
    let ttl = if has("1h") {
        CacheTtl::OneHour
    } else if has("30m") {
        CacheTtl::ThirtyMinutes
    } else {
        CacheTtl::FiveMinutes
    };
    let tier = [
        ("batch", Tier::Batch),
        ("flex", Tier::Flex),
        ("priority", Tier::Priority),
    ];
    Some(TokenDimension {
        kind,
        ttl: (kind == TokenKind::CacheWrite).then_some(ttl),
        route: if has("global") { Route::Global } else { Route::Regional },
        tier: tier
            .iter()
            .find(|(word, _)| has(word))
            .map_or(Tier::Standard, |(_, tier)| *tier),
        context: if has("long") {
            ContextClass::Long
        } else {
            ContextClass::Standard
        },
    })
}
