//! Texts and bytes.

use super::{Wrong, bytes_operator};
use crate::arg_type::{ArgType, Class, UNIX_PATH_MAX};
use crate::limits::Limits;
use crate::model::BytesOperator;
use crate::operator::Operator;

pub(super) fn bytes(
    text: &str,
    operator: Operator,
    class: Class,
    arg_type: ArgType,
    limits: &Limits,
) -> Result<Vec<u8>, Wrong> {
    // Tetragon takes the zero at the end of a text for what ends it, and so do policies.
    let text = if class == Class::Bytes {
        text
    } else {
        text.trim_end_matches('\0')
    };
    let kind = bytes_operator(operator);
    let (limit, longest) = match class {
        Class::Text { max } => (max, max),
        Class::SockaddrUn => (UNIX_PATH_MAX, UNIX_PATH_MAX),
        _ => (usize::MAX, usize::MAX),
    };
    let limit = limit.min(match kind {
        BytesOperator::Equal => limits.equal,
        BytesOperator::Prefix => limits.prefix,
        BytesOperator::Postfix => limits.postfix,
        BytesOperator::Contains | BytesOperator::ContainsIgnoringCase => limits.substring,
    });
    if text.len() > limit {
        let help = if limit == longest {
            format!("no value of type {arg_type} has more than {longest}")
        } else {
            format!("at most {limit} for {operator}")
        };
        return Err((format!("a text of {} bytes", text.len()), help));
    }
    if class != Class::Bytes && text.contains('\0') {
        return Err((
            "a zero byte ends a text: it never has one inside".into(),
            "leave it out".into(),
        ));
    }
    if text.is_empty() && kind != BytesOperator::Equal {
        let what = if operator.row().negated { "never" } else { "always" };
        return Err((
            format!("with an empty text {operator} {what} passes"),
            "leave the filter out".into(),
        ));
    }
    if text.is_empty() && operator == Operator::Equal && arg_type.is_path() {
        return Err((
            "no filter passes an empty path".into(),
            "pipes and sockets have none: use FileType".into(),
        ));
    }
    Ok(text.as_bytes().to_vec())
}
