//! Hooks in programs and libraries.

use super::Context;
use super::args::{self, Parameters};
use super::hooks::{Common, Draft, Shared, finish, returns};
use crate::leaf::number;
use crate::model::{Digest, DigestAlgorithm, Hook, HookKind, Returns, Symbol, Target, UprobePlaces};
use crate::place::{Place, Spanned};
use crate::spec::{self, Str};
use crate::suggest;

/// A function of a program or library.
pub(super) fn uprobe(
    position: usize,
    written: &spec::Uprobe,
    shared: &Shared<'_>,
    cx: &mut Context<'_>,
) -> Option<Hook> {
    let has_path = path(&written.path, written.broken, cx);
    let places = places(written, cx);
    let digests: Vec<Digest> = written
        .binary_digests
        .iter()
        .filter_map(|text| digest(text, cx))
        .collect();
    let counters = &written.ref_ctr_offsets;
    if let (Some(places), Some(first)) = (&places, counters.first()) {
        let count = places.count();
        if count != counters.len() {
            cx.error(
                &first.place,
                format!("{} refCtrOffsets for {count} places", counters.len()),
            )
            .help("one for each symbol, offset or address");
        }
    }
    let parameters = Parameters {
        kind: HookKind::Uprobe,
        max: cx.limits.function_index,
        count: None,
        names: &[],
        syscalls: false,
        btf_path: written.btf_path.as_ref().map(|path| path.value.as_str()),
        fields: None,
    };
    let (args, data) = args::both(&written.args, &written.data, &parameters, cx);
    let returns = returns(
        written.returns.value,
        written.return_arg.as_ref(),
        &written.place,
        &parameters,
        cx,
    )
    .map(|arg| Returns { arg, track: None });
    let target = places.filter(|_| has_path).map(|places| Target::Uprobe {
        path: written.path.value.clone(),
        btf_path: written.btf_path.as_ref().map(|path| path.value.clone()),
        places,
        reference_counters: counters.iter().map(|offset| offset.value).collect(),
        digests,
    });
    let draft = Draft {
        kind: HookKind::Uprobe,
        target,
        args,
        data,
        spec_args: &written.args,
        returns,
    };
    let common = Common {
        position,
        selectors: &written.selectors,
        message: written.message.as_ref(),
        tags: &written.tags,
        may_be_missing: written
            .ignore
            .as_ref()
            .is_some_and(|ignore| ignore.digest_verification_failure.value),
        place: &written.place,
    };
    finish(draft, &common, shared, cx)
}

/// A probe that a program or library declares.
pub(super) fn usdt(position: usize, written: &spec::Usdt, shared: &Shared<'_>, cx: &mut Context<'_>) -> Option<Hook> {
    let mut complete = path(&written.path, written.broken, cx);
    for part in [&written.provider, &written.name] {
        if part.is_empty() {
            complete = false;
            if !written.broken {
                cx.error(&part.place, "the name is empty");
            }
        }
    }
    let parameters = Parameters {
        kind: HookKind::Usdt,
        max: cx.limits.usdt_index,
        count: None,
        names: &[],
        syscalls: false,
        btf_path: written.btf_path.as_ref().map(|path| path.value.as_str()),
        fields: None,
    };
    let (args, data) = args::both(&written.args, &[], &parameters, cx);
    let target = complete.then(|| Target::Usdt {
        path: written.path.value.clone(),
        btf_path: written.btf_path.as_ref().map(|path| path.value.clone()),
        provider: written.provider.value.clone(),
        name: written.name.value.clone(),
    });
    let draft = Draft {
        kind: HookKind::Usdt,
        target,
        args,
        data,
        spec_args: &written.args,
        returns: None,
    };
    let common = Common {
        position,
        selectors: &written.selectors,
        message: written.message.as_ref(),
        tags: &written.tags,
        may_be_missing: false,
        place: &written.place,
    };
    finish(draft, &common, shared, cx)
}

fn path(path: &Str, broken: bool, cx: &mut Context<'_>) -> bool {
    if path.is_empty() {
        if !broken {
            cx.error(&path.place, "the path is empty");
        }
        return false;
    }
    if !path.starts_with('/') {
        cx.error(
            &path.place,
            format!("`{}` is no absolute path", crate::yaml::shorten(path)),
        );
    }
    if path.contains('\0') {
        cx.error(&path.place, "no path holds a zero byte");
    }
    true
}

impl UprobePlaces {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Symbols(symbols) => symbols.len(),
            Self::Offsets(numbers) | Self::Addresses(numbers) => numbers.len(),
        }
    }
}

fn places(written: &spec::Uprobe, cx: &mut Context<'_>) -> Option<UprobePlaces> {
    let spec::Uprobe {
        symbols,
        offsets,
        addrs,
        ..
    } = written;
    let kinds = [
        ("symbols", symbols.first().map(|it| &it.place)),
        ("offsets", offsets.first().map(|it| &it.place)),
        ("addrs", addrs.first().map(|it| &it.place)),
    ];
    let given: Vec<(&str, &Place)> = kinds
        .into_iter()
        .filter_map(|(name, place)| Some((name, place?)))
        .collect();
    match given.as_slice() {
        [] => {
            if !written.broken {
                cx.error(&written.place, "a uprobe needs a place")
                    .help("one of symbols, offsets and addrs");
            }
            None
        }
        [_] => Some(if !symbols.is_empty() {
            UprobePlaces::Symbols(symbols.iter().filter_map(|text| symbol(text, cx)).collect())
        } else if !offsets.is_empty() {
            UprobePlaces::Offsets(offsets.iter().map(|offset| offset.value).collect())
        } else {
            UprobePlaces::Addresses(addrs.iter().map(|address| address.value).collect())
        }),
        [first, .., (other, place)] => {
            cx.error(place, format!("{other} and {} exclude each other", first.0));
            None
        }
    }
}

/// `name` or `name+0x10`.
fn symbol(text: &Str, cx: &mut Context<'_>) -> Option<Symbol> {
    let Spanned { value, place } = text;
    let (name, offset) = value.rsplit_once('+').unwrap_or((value, "0"));
    let Some(offset) = number(offset).and_then(|offset| u64::try_from(offset).ok()) else {
        cx.error(place, format!("`{}` is no offset", crate::yaml::shorten(offset)))
            .help("such as malloc+0x10");
        return None;
    };
    if name.is_empty() {
        cx.error(place, "the symbol is empty");
        return None;
    }
    Some(Symbol {
        name: name.into(),
        offset,
    })
}

fn digest(text: &Str, cx: &mut Context<'_>) -> Option<Digest> {
    let Spanned { value, place } = text;
    let clean: String = value
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect::<String>()
        .to_ascii_lowercase();
    let Some((name, hex)) = clean.split_once(':') else {
        cx.error(place, format!("`{}` is no digest", crate::yaml::shorten(value)))
            .help("algorithm:hex, such as sha256:…");
        return None;
    };
    let Some(algorithm) = DigestAlgorithm::from_name(name) else {
        let help = suggest::allowed(name, DigestAlgorithm::ALL.iter().map(|known| known.name()));
        cx.error(
            place,
            format!("`{}` is no algorithm of digests", crate::yaml::shorten(name)),
        )
        .help(help);
        return None;
    };
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let bytes = digits.filter(|digits| digits.len() % 2 == 0 && !digits.is_empty());
    let bytes: Option<Vec<u8>> = bytes.map(|digits| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect());
    let Some(bytes) = bytes else {
        cx.error(place, "the digest is not hexadecimal");
        return None;
    };
    if let Some(length) = algorithm.bytes()
        && bytes.len() != length
    {
        cx.error(place, format!("the digest has {} bytes", bytes.len()))
            .help(format!("{algorithm} has {length}"));
        return None;
    }
    Some(Digest { algorithm, bytes })
}
