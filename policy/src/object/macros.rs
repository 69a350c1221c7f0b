//! The macros that declare objects and names.

/// Declares an object: a struct, the table of its fields, how it is read and printed.
///
/// A field is `rust_name: Type = "name" rule;` where the rule is `required`, `optional` (printed unless it is the
/// type's default) or `default(value)`.
macro_rules! object {
    (
        $(#[doc = $object_doc:literal])*
        $name:ident = $object:literal {
            $( $(#[doc = $doc:literal])* $field:ident : $type:ty = $key:literal $rule:ident $(($default:expr))? ; )*
        }
    ) => {
        $(#[doc = $object_doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $type, )*
            /// Where the object begins.
            pub place: $crate::place::Place,
            /// Whether something inside could not be read, so that a stand-in is there instead.
            pub broken: bool,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $field: $crate::object::initial!($type, $rule $(($default))?), )*
                    place: $crate::place::Place::default(),
                    broken: false,
                }
            }
        }

        impl $crate::object::Object for $name {
            const NAME: &'static str = $object;
            const FIELDS: &'static [$crate::object::Field] = &[
                $( $crate::object::Field {
                    name: $key,
                    kind: <$type as $crate::object::Value>::KIND,
                    required: $crate::object::required!($rule),
                    doc: concat!($($doc, "\n",)*),
                }, )*
            ];
        }

        impl $crate::object::Value for $name {
            const KIND: &'static str = $object;

            fn read(
                node: &$crate::yaml::Node,
                path: &$crate::place::Path,
                diagnostics: &mut $crate::diagnostic::Diagnostics,
            ) -> Self {
                use $crate::object::{Object as _, Value};
                let errors = diagnostics.errors();
                let place = node.place(path.clone());
                let found = $crate::object::fields(Self::NAME, Self::FIELDS, node, path, diagnostics);
                let mut found = found.into_iter();
                $(
                    let $field: $type = match found.next().flatten() {
                        Some(node) => Value::read(node, &path.field($key), diagnostics),
                        None => {
                            let mut value = $crate::object::initial!($type, $rule $(($default))?);
                            Value::set_place(&mut value, &place);
                            value
                        }
                    };
                )*
                Self { $($field,)* place, broken: diagnostics.errors() > errors }
            }

            fn write(&self) -> $crate::yaml::Out {
                use $crate::object::Value;
                let mut entries = Vec::new();
                $(
                    let initial: $type = $crate::object::initial!($type, $rule $(($default))?);
                    if $crate::object::required!($rule) || self.$field != initial {
                        entries.push(($key.to_owned(), Value::write(&self.$field)));
                    }
                )*
                $crate::yaml::Out::Map(entries)
            }
        }
    };
}

macro_rules! initial {
    ($type:ty, default($value:expr)) => {
        <$type>::from($value)
    };
    ($type:ty, $rule:ident) => {
        <$type as Default>::default()
    };
}

macro_rules! required {
    (required) => {
        true
    };
    ($rule:ident) => {
        false
    };
}

/// Declares a closed set of names: an enum whose variants are `Variant = "name" | "other spelling"`.
///
/// The first variant stands in where none could be read.
macro_rules! keywords {
    (
        $(#[doc = $enum_doc:literal])*
        $name:ident = $kind:literal {
            $( $(#[doc = $doc:literal])* $variant:ident = $text:literal $(| $alias:literal)* ; )*
        }
    ) => {
        $(#[doc = $enum_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[doc = $doc])* $variant, )*
        }

        impl $name {
            /// All of them, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in a policy.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $text, )*
                }
            }

            /// The member of this name, in any of its spellings.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $( $text $(| $alias)* => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ALL[0]
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl $crate::object::Leaf for $name {
            const KIND: &'static str = $kind;

            fn parse(text: &str, _plain: bool) -> Result<Self, $crate::object::Wrong> {
                Self::from_name(text).ok_or_else(|| {
                    $crate::object::Wrong::Value(
                        format!("`{}` is not {}", $crate::yaml::shorten(text), $kind),
                        $crate::suggest::allowed(text, Self::ALL.iter().map(|it| it.name())),
                    )
                })
            }

            fn print(&self) -> $crate::yaml::Out {
                $crate::yaml::Out::Text(self.name().to_owned())
            }
        }
    };
}

pub(crate) use {initial, keywords, object, required};
