//! How much a policy may ask for.

/// The bounds that policies are checked against. The defaults are what today's kernel programs can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Arguments and data of one hook.
    pub args: usize,
    /// Highest parameter of a function or LSM hook, from 0.
    pub function_index: u32,
    /// Highest parameter of a raw tracepoint, from 0: the kernel passes twelve at most.
    pub raw_tracepoint_index: u32,
    /// Highest argument of a USDT probe, from 0: the format has twelve.
    pub usdt_index: u32,
    /// Selectors of one hook.
    pub selectors: usize,
    /// Filters on arguments and data in one selector.
    pub filters: usize,
    /// Actions of one selector.
    pub actions: usize,
    /// Values of one filter.
    pub values: usize,
    /// Lists of one policy, and as many macros.
    pub lists: usize,
    /// Values that all references to lists and macros bring in, together.
    pub references: usize,
    /// Bytes of a text that must be equal.
    pub equal: usize,
    /// Bytes that a text must begin with.
    pub prefix: usize,
    /// Bytes that a text must end with.
    pub postfix: usize,
    /// Bytes that a text must contain.
    pub substring: usize,
    /// Values of one filter that looks for texts inside.
    pub substrings: usize,
    /// Bytes of an executable's path.
    pub binary: usize,
    /// Steps of a `resolve` path.
    pub resolve: usize,
    /// Registers that one Override changes.
    pub registers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            args: 5,
            function_index: 4,
            raw_tracepoint_index: 11,
            usdt_index: 11,
            selectors: 5,
            filters: 5,
            actions: 3,
            values: 100_000,
            lists: 256,
            references: 1_000_000,
            equal: 4096,
            prefix: 255,
            postfix: 127,
            substring: 99,
            substrings: 100,
            binary: 255,
            resolve: 10,
            registers: 18,
        }
    }
}

/// Tags of one hook. The schema's bound.
pub const TAGS: usize = 16;
/// Characters of a tag or a message, at least.
pub const TEXT_MIN: usize = 2;
/// Bytes of a tag; what is beyond is cut.
pub const TAG_MAX: usize = 128;
/// Bytes of a message; what is beyond is cut.
pub const MESSAGE_MAX: usize = 256;
