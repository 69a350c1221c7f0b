//! Arguments of probes, as the assembler wrote them down: `-4@%eax 8@-8(%rbp,%rcx,2) 4@$5`.

/// Arguments that a probe can have.
pub const OPERANDS: usize = 12;

/// Where an argument is when the program comes to the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand<'a> {
    /// How wide it is: 1, 2, 4 or 8 bytes, the lowest ones of where it is.
    pub bytes: u8,
    /// Whether it has a sign.
    pub signed: bool,
    /// Where.
    pub place: Place<'a>,
}

/// A place. Registers are named as assembly names them, without `%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// It is this number.
    Constant(i64),
    /// In a register or a part of one.
    Register(&'a str),
    /// In memory.
    Memory {
        /// Register with the address.
        base: Option<&'a str>,
        /// Register that is multiplied by 1, 2, 4 or 8 and added.
        index: Option<(&'a str, u8)>,
        /// Added as well.
        displacement: i32,
    },
}

/// The arguments one by one.
pub fn split(arguments: &str) -> impl Iterator<Item = &str> {
    arguments.split_ascii_whitespace().take(OPERANDS)
}

impl<'a> Operand<'a> {
    /// Reads one. The error says what it is instead.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        let (size, place) = text.split_once('@').ok_or("does not say its size")?;
        let (signed, size) = match size.strip_prefix('-') {
            Some(size) => (true, size),
            None => (false, size),
        };
        let bytes = match size {
            "1" => 1,
            "2" => 2,
            "4" => 4,
            "8" => 8,
            _ => return Err("is no integer of 1, 2, 4 or 8 bytes"),
        };
        Ok(Self {
            bytes,
            signed,
            place: Place::parse(place)?,
        })
    }
}

impl<'a> Place<'a> {
    fn parse(text: &'a str) -> Result<Self, &'static str> {
        if let Some(number) = text.strip_prefix('$') {
            let number = sum(number).ok_or("is a constant that only the linker knew")?;
            // 64 bits, whether they were written with a sign or without.
            let low = i64::try_from(number).or_else(|_| u64::try_from(number).map(|number| number as i64));
            return Ok(Self::Constant(low.map_err(|_| "is a constant of more than 64 bits")?));
        }
        if text.starts_with('%') {
            return Ok(Self::Register(register(text)?));
        }
        let (displacement, registers) = match text.split_once('(') {
            Some((displacement, registers)) => {
                let registers = registers.strip_suffix(')').ok_or("lacks a parenthesis")?;
                (displacement, Some(registers))
            }
            None => (text, None),
        };
        let number = if displacement.is_empty() && registers.is_some() {
            Some(0)
        } else {
            sum(displacement)
        };
        let number = number.ok_or("is where only the linker knew")?;
        let displacement = i32::try_from(number).map_err(|_| "is further from its register than 2 GiB")?;
        let mut parts = registers.unwrap_or_default().split(',').map(str::trim);
        let base = match parts.next() {
            None | Some("") => None,
            Some(base) => Some(register(base)?),
        };
        let index = match (parts.next(), parts.next()) {
            (None, _) | (Some(""), None) => None,
            (Some(index), scale) => {
                let scale = match scale {
                    None | Some("" | "1") => 1,
                    Some("2") => 2,
                    Some("4") => 4,
                    Some("8") => 8,
                    Some(_) => return Err("multiplies its index by neither 1, 2, 4 nor 8"),
                };
                Some((register(index)?, scale))
            }
        };
        if parts.next().is_some() {
            return Err("has more parts than a base, an index and a scale");
        }
        if registers.is_some() && base.is_none() && index.is_none() {
            return Err("has parentheses without a register");
        }
        Ok(Self::Memory {
            base,
            index,
            displacement,
        })
    }
}

fn register(text: &str) -> Result<&str, &'static str> {
    let name = text
        .strip_prefix('%')
        .ok_or("has something else where a register stands")?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("has something else where a register stands");
    }
    Ok(name)
}

/// `8`, `-8`, `0x10`, or a sum of such numbers: `-128+8`.
fn sum(text: &str) -> Option<i128> {
    let mut sum = 0_i128;
    let mut rest = text;
    loop {
        let (negative, digits) = match (rest.strip_prefix('-'), rest.strip_prefix('+')) {
            (Some(digits), _) => (true, digits),
            (None, Some(digits)) => (false, digits),
            (None, None) if rest.len() == text.len() => (false, rest),
            (None, None) => return None,
        };
        let end = digits.find(['-', '+']).unwrap_or(digits.len());
        let (number, behind) = digits.split_at(end);
        let number = unsigned(number)?;
        sum = sum.checked_add(if negative { -number } else { number })?;
        if behind.is_empty() {
            return Some(sum);
        }
        rest = behind;
    }
}

fn unsigned(digits: &str) -> Option<i128> {
    let (digits, radix) = match digits.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        // To an assembler other numbers that begin with 0 are octal ones.
        None if digits.len() > 1 && digits.starts_with('0') => return None,
        None => (digits, 10),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok().map(i128::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn memory<'a>(base: Option<&'a str>, index: Option<(&'a str, u8)>, displacement: i32) -> Place<'a> {
        Place::Memory {
            base,
            index,
            displacement,
        }
    }

    #[test]
    fn every_form_of_an_argument() {
        for (text, bytes, signed, place) in [
            ("-4@%eax", 4, true, Place::Register("eax")),
            ("1@%r10b", 1, false, Place::Register("r10b")),
            ("8@$5", 8, false, Place::Constant(5)),
            ("-8@$-5", 8, true, Place::Constant(-5)),
            ("8@$18446744073709551615", 8, false, Place::Constant(-1)),
            ("4@$0x10", 4, false, Place::Constant(16)),
            ("8@8(%rbp)", 8, false, memory(Some("rbp"), None, 8)),
            ("-2@(%rax)", 2, true, memory(Some("rax"), None, 0)),
            ("-4@-4(%rax,%rbx,4)", 4, true, memory(Some("rax"), Some(("rbx", 4)), -4)),
            ("4@(%rax,%rbx)", 4, false, memory(Some("rax"), Some(("rbx", 1)), 0)),
            ("8@-0x8(,%rcx,8)", 8, false, memory(None, Some(("rcx", 8)), -8)),
            ("8@-128+8(%rsp)", 8, false, memory(Some("rsp"), None, -120)),
            ("8@4096", 8, false, memory(None, None, 4096)),
        ] {
            let read = Operand::parse(text);
            assert_eq!(read, Ok(Operand { bytes, signed, place }), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_said() {
        for (text, wrong) in [
            ("%eax", "does not say its size"),
            ("8f@%xmm0", "is no integer of 1, 2, 4 or 8 bytes"),
            ("--4@%eax", "is no integer of 1, 2, 4 or 8 bytes"),
            ("16@%rax", "is no integer of 1, 2, 4 or 8 bytes"),
            ("8@$stderr", "is a constant that only the linker knew"),
            ("8@$-9223372036854775809", "is a constant of more than 64 bits"),
            ("8@main_arena(%rip)", "is where only the linker knew"),
            ("8@main_arena+8(%rip)", "is where only the linker knew"),
            ("8@010(%rax)", "is where only the linker knew"),
            ("8@4-(%rax)", "is where only the linker knew"),
            ("8@", "is where only the linker knew"),
            ("8@99999999999(%rax)", "is further from its register than 2 GiB"),
            ("8@(%rax", "lacks a parenthesis"),
            ("8@(%rax,%rbx,3)", "multiplies its index by neither 1, 2, 4 nor 8"),
            ("8@(%rax,%rbx,1,2)", "has more parts than a base, an index and a scale"),
            ("8@(rax)", "has something else where a register stands"),
            ("8@%fs:8", "has something else where a register stands"),
            ("8@(%rax,,4)", "has something else where a register stands"),
            ("8@%", "has something else where a register stands"),
            ("8@()", "has parentheses without a register"),
            ("8@8(,)", "has parentheses without a register"),
        ] {
            assert_eq!(Operand::parse(text), Err(wrong), "{text}");
        }
    }

    #[test]
    fn no_more_arguments_than_a_probe_has() {
        assert_eq!(split(" 8@%rax   4@$1 ").collect::<Vec<_>>(), ["8@%rax", "4@$1"]);
        assert_eq!(split(&"8@%rax ".repeat(20)).count(), OPERANDS);
    }

    proptest! {
        #[test]
        fn memory_as_the_assembler_writes_it(
            signed in any::<bool>(),
            base in prop::option::of("r[a-d]x|r1[0-5]"),
            index in prop::option::of(("r[a-d]x|r[89]", prop::sample::select(vec![1_u8, 2, 4, 8]))),
            displacement in any::<i32>(),
        ) {
            let inside = match (&base, &index) {
                (None, None) => String::new(),
                (Some(base), None) => format!("(%{base})"),
                (base, Some((index, scale))) => {
                    let base = base.as_ref().map(|base| format!("%{base}")).unwrap_or_default();
                    format!("({base},%{index},{scale})")
                }
            };
            let text = format!("{}4@{displacement}{inside}", if signed { "-" } else { "" });
            let index = index.as_ref().map(|(index, scale)| (index.as_str(), *scale));
            let place = memory(base.as_deref(), index, displacement);
            prop_assert_eq!(Operand::parse(&text), Ok(Operand { bytes: 4, signed, place }));
        }

        #[test]
        fn text_may_be_anything(text in "[-+0-9a-z%$@(), ]{0,24}|.{0,12}") {
            for operand in split(&text) {
                let _ = Operand::parse(operand);
            }
        }
    }
}
