//! Slack's Block Kit, as far as it is needed.  Its limits hold by construction: whatever is put in, what comes out is taken by Slack.
//!
//! Limits: https://docs.slack.dev/reference/block-kit/blocks, and for all blocks together about 13,200 characters (measured by others).

use serde_json::{Value, json};

const TEXT_MAX: usize = 3_900;
const HEADER_MAX: usize = 150;
const SECTION_MAX: usize = 3_000;
const FIELD_MAX: usize = 2_000;
const FIELDS_MAX: usize = 10;
const CONTEXT_MAX: usize = 10;
const BUTTONS_MAX: usize = 25;
const BUTTON_TEXT_MAX: usize = 75;
const BUTTON_VALUE_MAX: usize = 2_000;
const BUTTON_URL_MAX: usize = 3_000;
const BLOCKS_MAX: usize = 50;
const ALL_BLOCKS_MAX: usize = 12_000;

/// Formatted text.  Whatever comes from outside goes through `plain`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mrkdwn(String);

impl Mrkdwn {
    /// Text that means nothing to Slack, whatever is in it: no mention, link or format.
    pub fn plain(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len() + 8);
        for character in text.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                // A word joiner keeps the sign and takes its meaning away.
                '*' | '_' | '~' | '`' | '@' | '#' | ':' => {
                    escaped.push('\u{2060}');
                    escaped.push(character);
                    escaped.push('\u{2060}');
                }
                character if character.is_control() => escaped.push(' '),
                character => escaped.push(character),
            }
        }
        Self(escaped)
    }

    pub fn bold(text: &str) -> Self {
        let Self(inner) = Self::plain(text);
        Self(format!("*{inner}*"))
    }

    /// Words of ours, which hold nothing that came from outside.
    pub fn words(text: &str) -> Self {
        Self(text.to_owned())
    }

    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// Lines one under the other.
    pub fn lines(lines: impl IntoIterator<Item = Self>) -> Self {
        let lines: Vec<String> = lines.into_iter().map(|line| line.0).collect();
        Self(lines.join("\n"))
    }

    /// What a reader sees, without signs of formatting.
    fn as_text(&self) -> String {
        let mut text = self.0.replace(['*', '\u{2060}'], "");
        for (escaped, sign) in [("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")] {
            text = text.replace(escaped, sign);
        }
        text
    }

    fn to_json(&self, most: usize) -> Value {
        json!({"type": "mrkdwn", "text": cut_mrkdwn(&self.0, most), "verbatim": true})
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    pub action_id: String,
    pub text: String,
    pub value: String,
    pub url: Option<String>,
    pub is_primary: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    Header(String),
    Section(Mrkdwn),
    Fields(Vec<Mrkdwn>),
    Context(Vec<Mrkdwn>),
    Actions(Vec<Button>),
    Divider,
}

/// A message: its blocks, and a text for notifications and screen readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackMessage {
    pub text: String,
    pub blocks: Vec<Block>,
}

impl Block {
    /// None where nothing is left to show: Slack refuses empty texts.
    fn to_json(&self) -> Option<Value> {
        let filled = |parts: &[Mrkdwn], most: usize, each: usize| -> Option<Vec<Value>> {
            let parts: Vec<Value> = parts
                .iter()
                .filter(|part| !part.0.trim().is_empty())
                .take(most)
                .map(|part| part.to_json(each))
                .collect();
            (!parts.is_empty()).then_some(parts)
        };
        Some(match self {
            Self::Header(text) if text.trim().is_empty() => return None,
            Self::Header(text) => {
                json!({"type": "header", "text": {"type": "plain_text", "text": cut(text, HEADER_MAX), "emoji": false}})
            }
            Self::Section(text) if text.0.trim().is_empty() => return None,
            Self::Section(text) => json!({"type": "section", "text": text.to_json(SECTION_MAX)}),
            Self::Fields(fields) => {
                json!({"type": "section", "fields": filled(fields, FIELDS_MAX, FIELD_MAX)?})
            }
            Self::Context(parts) => json!({"type": "context", "elements": filled(parts, CONTEXT_MAX, SECTION_MAX)?}),
            Self::Actions(buttons) if buttons.is_empty() => return None,
            Self::Actions(buttons) => {
                let buttons: Vec<Value> = buttons.iter().take(BUTTONS_MAX).map(Button::to_json).collect();
                json!({"type": "actions", "elements": buttons})
            }
            Self::Divider => json!({"type": "divider"}),
        })
    }
}

impl Button {
    fn to_json(&self) -> Value {
        let mut button = json!({
            "type": "button",
            "action_id": cut(&self.action_id, 255),
            "text": {"type": "plain_text", "text": cut(&self.text, BUTTON_TEXT_MAX), "emoji": false},
        });
        if !self.value.is_empty() {
            button["value"] = cut(&self.value, BUTTON_VALUE_MAX).into();
        }
        // An address that was cut leads elsewhere.
        if let Some(url) = self.url.as_ref().filter(|url| url.chars().count() <= BUTTON_URL_MAX) {
            button["url"] = url.clone().into();
        }
        if self.is_primary {
            button["style"] = "primary".into();
        }
        button
    }
}

impl SlackMessage {
    /// The same as plain text, without buttons.
    pub fn as_text(&self) -> String {
        let mut lines = Vec::new();
        for block in &self.blocks {
            match block {
                Block::Header(text) => lines.push(text.clone()),
                Block::Section(text) => lines.push(text.as_text()),
                Block::Fields(parts) | Block::Context(parts) => lines.extend(parts.iter().map(Mrkdwn::as_text)),
                Block::Actions(_) | Block::Divider => {}
            }
        }
        lines.retain(|line| !line.trim().is_empty());
        lines.join("\r\n\r\n").replace("\r\n", "\n").replace('\n', "\r\n")
    }

    pub fn to_json(&self) -> Value {
        let mut blocks: Vec<Value> = Vec::new();
        let mut size = 0;
        for block in self.blocks.iter().filter_map(Block::to_json) {
            let more = block.to_string().chars().count();
            if blocks.len() == BLOCKS_MAX || size + more > ALL_BLOCKS_MAX {
                break;
            }
            size += more;
            blocks.push(block);
        }
        let Mrkdwn(text) = Mrkdwn::plain(&self.text);
        json!({"text": cut_mrkdwn(&text, TEXT_MAX), "blocks": blocks})
    }
}

/// The first characters of a text, with a sign that there was more.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(std::iter::once('…')).collect()
}

/// The same without half an escape at the end.
fn cut_mrkdwn(text: &str, most: usize) -> String {
    let mut short = cut(text, most);
    if short.len() < text.len() {
        let tail = short
            .char_indices()
            .rev()
            .take(7)
            .find(|(_, character)| *character == '&');
        if let Some((at, _)) = tail.filter(|(at, _)| !short[*at..].contains(';')) {
            short.truncate(at);
            short.push('…');
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> Value {
        let block = |_| Block::Section(Mrkdwn::plain(text));
        let message = SlackMessage {
            text: text.to_owned(),
            blocks: std::iter::once(Block::Header(text.to_owned()))
                .chain((0..60).map(block))
                .collect(),
        };
        message.to_json()
    }

    #[test]
    fn names_from_outside_mean_nothing_to_slack() {
        let Mrkdwn(text) = Mrkdwn::plain("<!channel> <@U1> @here *big* _x_ a&b :tada:\n#general");
        for meaning in ["<", ">", "@here", "*big*", "_x_", ":tada:", "#general", "\n"] {
            assert!(!text.contains(meaning), "{text}");
        }
        assert!(text.contains("&lt;!channel&gt;") && text.contains("a&amp;b"), "{text}");
        assert_eq!(Mrkdwn::bold("研究<部>").0, "*研究&lt;部&gt;*");
    }

    #[test]
    fn an_escape_is_not_cut_in_half() {
        assert_eq!(cut_mrkdwn("ab&amp;cd", 6), "ab…");
        assert_eq!(cut_mrkdwn("ab&amp;cd", 8), "ab&amp;…");
        assert_eq!(cut_mrkdwn("ab&amp;cd", 9), "ab&amp;cd");
    }

    #[test]
    fn empty_blocks_are_left_out() {
        let message = SlackMessage {
            text: "x".to_owned(),
            blocks: vec![
                Block::Section(Mrkdwn::plain(" ")),
                Block::Fields(vec![Mrkdwn::default()]),
                Block::Actions(Vec::new()),
                Block::Divider,
            ],
        };
        assert_eq!(message.to_json()["blocks"], json!([{"type": "divider"}]));
    }

    proptest! {
        #[test]
        fn whatever_is_put_in_stays_within_the_limits(text in "[<&>a-z営 ]{0,4000}") {
            let message = message(&text);
            let blocks = message["blocks"].as_array().cloned().unwrap_or_default();
            prop_assert!(blocks.len() <= BLOCKS_MAX);
            let all: usize = blocks.iter().map(|block| block.to_string().chars().count()).sum();
            prop_assert!(all <= ALL_BLOCKS_MAX);
            for block in &blocks {
                let most = if block["type"] == "header" { HEADER_MAX } else { SECTION_MAX };
                let text = block["text"]["text"].as_str().unwrap_or_default();
                prop_assert!((1..=most).contains(&text.chars().count()));
            }
            prop_assert!(message["text"].as_str().is_some_and(|text| text.chars().count() <= TEXT_MAX));
        }
    }
}
