//! The texts that events carry.

use super::Context;
use crate::limits::{MESSAGE_MAX, TAG_MAX, TAGS, TEXT_MIN};
use crate::place::Place;
use crate::spec::Str;

/// The message; what is too long is cut.
pub(super) fn message(message: Option<&Str>, cx: &mut Context<'_>) -> Option<String> {
    let message = message?;
    check(message, &message.place, "message", MESSAGE_MAX, cx)
}

/// The tags; what is too long is cut.
pub(super) fn tags(tags: &[Str], cx: &mut Context<'_>) -> Vec<String> {
    cx.at_most(TAGS, tags.iter().map(|tag| &tag.place), "tags");
    tags.iter()
        .filter_map(|tag| check(tag, &tag.place, "tag", TAG_MAX, cx))
        .collect()
}

fn check(text: &str, place: &Place, what: &str, max: usize, cx: &mut Context<'_>) -> Option<String> {
    if text.chars().count() < TEXT_MIN {
        cx.error(place, format!("the {what} is too short"))
            .help(format!("at least {TEXT_MIN} characters"));
        return None;
    }
    if text.len() > max {
        cx.warning(place, format!("the {what} has {} bytes and is cut", text.len()))
            .help(format!("at most {max}"));
    }
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    Some(text[..end].into())
}
