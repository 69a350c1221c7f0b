//! Generates, for every message of the package, a table of its fields (`schema::Message`) and an `impl Json`.
//!
//! Identifiers are made as prost makes them: `heck` case conversion, raw identifiers for keywords.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;

use heck::{ToShoutySnakeCase as _, ToSnakeCase as _, ToUpperCamelCase as _};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, MessageOptions};

const PACKAGE: &str = "tetragon";
const KEYWORDS: &[&str] = &["type", "match", "return", "override"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub(crate) fn generate(set: &FileDescriptorSet) -> Result<String> {
    let mut out = String::new();
    let files = set.file.iter().filter(|file| file.package() == PACKAGE);
    for file in files {
        for item in &file.enum_type {
            enumeration(&mut out, item)?;
        }
        for item in &file.message_type {
            message(&mut out, item, &[])?;
        }
    }
    Ok(out)
}

fn enumeration(out: &mut String, item: &EnumDescriptorProto) -> Result<()> {
    let mut values: Vec<_> = item.value.iter().map(|v| (v.number(), v.name())).collect();
    values.sort_unstable();
    let name = item.name().to_shouty_snake_case();
    writeln!(out, "static {name}: Enum = Enum {{ values: &{values:?} }};")?;
    Ok(())
}

fn message(out: &mut String, item: &DescriptorProto, parents: &[&str]) -> Result<()> {
    let path: Vec<&str> = parents.iter().copied().chain([item.name()]).collect();
    for nested in &item.nested_type {
        if !nested.options.as_ref().is_some_and(MessageOptions::map_entry) {
            message(out, nested, &path)?;
        }
    }
    let (modules, name) = (&path[..path.len() - 1], item.name());
    let module = modules
        .iter()
        .fold(String::from("v1::"), |path, name| path + &name.to_snake_case() + "::");
    let table = table_name(&path.join("."));

    let mut fields = String::new();
    let mut writes = String::new();
    let mut oneofs = BTreeSet::new();
    for field in &item.field {
        let kind = Kind::of(item, field)?;
        let oneof = field.oneof_index.filter(|_| !field.proto3_optional());
        writeln!(
            fields,
            "    Field {{ name: {:?}, json_name: {:?}, number: {}, label: Label::{:?}, kind: {}, oneof: {oneof:?} }},",
            field.name(),
            field.json_name(),
            field.number(),
            kind.label,
            kind.table,
        )?;
        match oneof {
            None => writes += &kind.write_field(field),
            // The members of a oneof follow one another: written where the first one stands.
            Some(index) if oneofs.insert(index) => {
                let members = item
                    .field
                    .iter()
                    .filter(|f| f.oneof_index == Some(index) && !f.proto3_optional());
                let oneof = item.oneof_decl[index as usize].name();
                let choice = format!("{module}{}::{}", name.to_snake_case(), oneof.to_upper_camel_case());
                writeln!(writes, "        match &self.{} {{", identifier(oneof))?;
                writeln!(writes, "            None => {{}}")?;
                for member in members {
                    let (variant, key) = (member.name().to_upper_camel_case(), key(member));
                    let value = Kind::of(item, member)?.value("*v");
                    writeln!(
                        writes,
                        "            Some({choice}::{variant}(v)) => write::set(out, {key}, {value}),"
                    )?;
                }
                writeln!(writes, "        }}")?;
            }
            Some(_) => {}
        }
    }
    if item.field.len() > 64 {
        return Err(
            format!("message {name} has more than 64 fields, which the parser's set of seen ones cannot hold").into(),
        );
    }
    writeln!(
        out,
        "static {table}: Message = Message {{ name: {name:?}, fields: &[\n{fields}] }};"
    )?;
    writeln!(
        out,
        "impl sealed::Write for {module}{} {{\n    fn write(&self, out: &mut Vec<u8>) {{\n        write::open(out);\n{writes}        write::close(out);\n    }}\n}}",
        name.to_upper_camel_case(),
    )?;
    writeln!(
        out,
        "impl Json for {module}{} {{\n    const SCHEMA: &'static Message = &{table};\n}}",
        name.to_upper_camel_case(),
    )?;
    Ok(())
}

/// What the generated code needs to know about the type of a field.
struct Kind {
    label: FieldLabel,
    presence: bool,
    /// Expression of the type in the table.
    table: String,
    /// Name of the table of an enum.
    names: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum FieldLabel {
    One,
    Many,
    Map,
}

impl Kind {
    fn of(message: &DescriptorProto, field: &FieldDescriptorProto) -> Result<Self> {
        if let Some(entry) = map_entry(message, field) {
            let [key, value] = entry.field.as_slice() else {
                return Err("map entry without key and value".into());
            };
            if key.r#type() != Type::String {
                return Err(format!("map {} has keys that are not strings", field.name()).into());
            }
            return Ok(Self {
                label: FieldLabel::Map,
                ..Self::of(entry, value)?
            });
        }
        let label = match field.label() {
            Label::Repeated => FieldLabel::Many,
            _ => FieldLabel::One,
        };
        let mut names = None;
        let table = match field.r#type() {
            Type::Bool => "Kind::Bool".into(),
            Type::Int32 => "Kind::Int32".into(),
            Type::Uint32 => "Kind::Uint32".into(),
            Type::Int64 => "Kind::Int64".into(),
            Type::Uint64 => "Kind::Uint64".into(),
            Type::String => "Kind::String".into(),
            Type::Bytes => "Kind::Bytes".into(),
            Type::Enum => {
                let name = local(field.type_name())?.to_shouty_snake_case();
                let table = format!("Kind::Enum(&{name})");
                names = Some(name);
                table
            }
            Type::Message => match field.type_name().strip_prefix(".google.protobuf.") {
                Some("BoolValue") => "Kind::Wrapper(&Kind::Bool)".into(),
                Some("Int32Value") => "Kind::Wrapper(&Kind::Int32)".into(),
                Some("UInt32Value") => "Kind::Wrapper(&Kind::Uint32)".into(),
                Some(known @ ("Timestamp" | "Duration" | "FieldMask" | "Any")) => format!("Kind::{known}"),
                Some(other) => return Err(format!("no JSON form for google.protobuf.{other}").into()),
                None => format!("Kind::Message(&{})", table_name(local(field.type_name())?)),
            },
            other => return Err(format!("no JSON form for fields of type {other:?}").into()),
        };
        let presence = field.proto3_optional() || field.r#type() == Type::Message;
        Ok(Self {
            label,
            presence,
            table,
            names,
        })
    }

    fn write_field(&self, field: &FieldDescriptorProto) -> String {
        let (name, key) = (identifier(field.name()), key(field));
        match (self.label, &self.names) {
            (FieldLabel::Many, Some(names)) => format!("        write::names(out, {key}, &{names}, &self.{name});\n"),
            (FieldLabel::Many, None) => format!("        write::list(out, {key}, &self.{name});\n"),
            (FieldLabel::Map, _) => format!("        write::map(out, {key}, &self.{name});\n"),
            (FieldLabel::One, _) if self.presence => {
                format!(
                    "        if let Some(v) = &self.{name} {{ write::set(out, {key}, {}); }}\n",
                    self.value("*v")
                )
            }
            (FieldLabel::One, _) => format!(
                "        write::field(out, {key}, {});\n",
                self.value(&format!("self.{name}"))
            ),
        }
    }

    /// Expression of a reference to the value at the place `place`.
    fn value(&self, place: &str) -> String {
        match &self.names {
            Some(names) => format!("&write::Named(&{names}, {place})"),
            None => format!("&{place}"),
        }
    }
}

fn map_entry<'a>(message: &'a DescriptorProto, field: &FieldDescriptorProto) -> Option<&'a DescriptorProto> {
    message.nested_type.iter().find(|nested| {
        nested.options.as_ref().is_some_and(MessageOptions::map_entry)
            && field
                .type_name()
                .ends_with(&format!(".{}.{}", message.name(), nested.name()))
    })
}

fn local(type_name: &str) -> Result<&str> {
    let name = type_name.strip_prefix(&format!(".{PACKAGE}."));
    name.ok_or_else(|| format!("type {type_name} is of another package").into())
}

fn table_name(path: &str) -> String {
    path.replace('.', "_").to_shouty_snake_case()
}

fn identifier(name: &str) -> String {
    let name = name.to_snake_case();
    if KEYWORDS.contains(&name.as_str()) {
        return format!("r#{name}");
    }
    name
}

fn key(field: &FieldDescriptorProto) -> String {
    format!("{:?}", format!("\"{}\":", field.name()))
}
