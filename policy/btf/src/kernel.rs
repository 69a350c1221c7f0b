//! A kernel, asked for what policies name.

use std::fmt;

use btf::{Btf, Kind, TypeId};
use policy::{
    arg_type::ArgType,
    kernel::{Answer, Field, Kernel, Prototype, Root},
    model::{ResolvePath, TypeName},
    suggest,
};

use crate::way::{self, End};

/// A kernel, by its type information.
#[derive(Clone, Copy)]
pub struct TypedKernel<'a> {
    /// The types.
    pub types: &'a Btf<'a>,
    /// Whether there is a function of this name that can be probed although the types do not know it.
    pub symbols: &'a dyn Fn(&str) -> bool,
    /// The fields of a tracepoint, by its group and name.
    pub tracepoints: &'a dyn Fn(&str, &str) -> Answer<Vec<Field>>,
    /// The end of a way through a structure of a program, by the file that declares it; none where nobody looks into files.
    /// The error is the end of a sentence.
    pub programs: &'a Programs<'a>,
}

/// See [`TypedKernel::programs`].
pub type Programs<'a> = dyn Fn(&str, &TypeName, &ResolvePath) -> Option<Result<End, String>> + 'a;

impl fmt::Debug for TypedKernel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedKernel").finish_non_exhaustive()
    }
}

/// Prefix of the functions behind LSM hooks.
pub const LSM: &str = "bpf_lsm_";

/// Prefix of the types of raw tracepoints; their first parameter is the program's own.
pub(crate) const TRACEPOINT: &str = "btf_trace_";

impl TypedKernel<'_> {
    /// Number of parameters of function `name`.
    pub fn parameters(&self, name: &str) -> Option<u32> {
        let function = self.types.function(name)?;
        Some(self.types.params(function.proto).count() as u32)
    }

    /// Whether there is a function `name` that a breakpoint can be set in.
    pub fn is_function(&self, name: &str) -> bool {
        self.types.function(name).is_some() || (self.symbols)(name)
    }

    /// Type of parameter `index` of function `name`.
    fn parameter(&self, name: &str, index: u32) -> Option<TypeId> {
        let function = self.types.function(name)?;
        self.types
            .params(function.proto)
            .nth(index as usize)
            .map(|param| param.ty)
    }

    /// Whether a program at a trampoline of function `name` can read parameter `index`: the verifier lets it read plain
    /// numbers, and pointers to nothing in particular, to text, and to structures that it knows (`btf_ctx_access`,
    /// kernel/bpf/btf.c, 5.10; later kernels know more).
    pub fn is_readable(&self, name: &str, index: u32) -> bool {
        let Some(ty) = self.parameter(name, index) else {
            return false;
        };
        if self.types.integer(ty).is_some() {
            return true;
        }
        let Some(pointer) = self.types.strip(ty).filter(|ty| ty.kind == Kind::Ptr) else {
            return false;
        };
        let target = self.types.target(&pointer).and_then(|target| self.types.strip(target));
        target.is_none_or(|target| match target.kind {
            Kind::Struct | Kind::Union => true,
            Kind::Int => self.types.name(&target) == "char",
            _ => false,
        })
    }

    /// Size in bytes and sign of parameter `index` of function `name`, when it is an integer.
    pub fn integer_parameter(&self, name: &str, index: u32) -> Option<(u64, bool)> {
        self.types.integer(self.parameter(name, index)?)
    }

    /// Size in bytes and sign of what function `name` returns, when that is an integer.
    pub fn integer_result(&self, name: &str) -> Option<(u64, bool)> {
        let proto = self.types.get(self.types.function(name)?.proto)?;
        self.types.integer(self.types.target(&proto)?)
    }

    /// Whether two functions have parameters of the same types.
    pub fn same_parameters(&self, one: &str, other: &str) -> bool {
        let types = |name| {
            let function = self.types.function(name)?;
            let params = self.types.params(function.proto);
            Some(params.map(|param| param.ty).collect::<Vec<_>>())
        };
        types(one).is_some_and(|one| types(other) == Some(one))
    }

    /// A bit for each parameter of function `name`, and for its result behind them, that is a pointer: or, to be safe,
    /// no plain number.
    pub fn pointers(&self, name: &str) -> u16 {
        let Some(function) = self.types.function(name) else {
            return u16::MAX;
        };
        let result = self
            .types
            .get(function.proto)
            .and_then(|proto| self.types.target(&proto));
        let words = self.types.params(function.proto).map(|param| param.ty).chain(result);
        let is_pointer = |ty: TypeId| u16::from(self.types.integer(ty).is_none());
        words
            .take(16)
            .enumerate()
            .fold(0, |mask, (index, ty)| mask | is_pointer(ty) << index)
    }

    /// Prototype of raw tracepoint `event`.
    fn tracepoint_proto(&self, event: &str) -> Option<TypeId> {
        let ty = self.types.find_kind(Kind::Typedef, &format!("{TRACEPOINT}{event}"))?;
        let pointer = self.types.strip(ty)?;
        self.types.target(&pointer)
    }

    /// Type of what a way begins at, and whether the value is the address of it rather than a pointer.
    pub fn root(&self, root: &Root<'_>) -> Option<(TypeId, bool)> {
        match *root {
            Root::Function(name, index) => Some((self.parameter(name, index)?, false)),
            Root::LsmHook(name, index) => Some((self.parameter(&format!("{LSM}{name}"), index)?, false)),
            Root::RawTracepoint(event, index) => {
                let proto = self.tracepoint_proto(event)?;
                let param = self.types.params(proto).nth(index as usize + 1)?;
                Some((param.ty, false))
            }
            Root::Structure(name) if name.module.is_none() => Some((self.types.structure(&name.name)?, true)),
            Root::CurrentTask => Some((self.types.structure("task_struct")?, true)),
            Root::Return(name) => {
                let function = self.types.function(name)?;
                let proto = self.types.get(function.proto)?;
                Some((self.types.target(&proto)?, false))
            }
            Root::Structure(_) | Root::FileStructure(..) => None,
        }
    }

    fn missing<T>(&self, what: &str, name: &str, prefix: &str) -> Answer<T> {
        let names: Vec<&str> = self
            .types
            .functions()
            .filter_map(|function| function.strip_prefix(prefix))
            .collect();
        let near = suggest::nearest(name, names.iter().copied());
        Answer::Missing {
            reason: format!("the kernel has no {what} `{name}`"),
            help: near.map(|near| format!("did you mean `{near}`?")),
        }
    }
}

impl Kernel for TypedKernel<'_> {
    fn function(&self, name: &str) -> Answer<Prototype> {
        if let Some(parameters) = self.parameters(name) {
            return Answer::Known(Prototype {
                parameters: Some(parameters),
            });
        }
        if (self.symbols)(name) {
            return Answer::Known(Prototype { parameters: None });
        }
        self.missing("function", name, "")
    }

    fn lsm_hook(&self, name: &str) -> Answer<Prototype> {
        match self.parameters(&format!("{LSM}{name}")) {
            Some(parameters) => Answer::Known(Prototype {
                parameters: Some(parameters),
            }),
            None => self.missing("LSM hook", name, LSM),
        }
    }

    fn tracepoint(&self, group: &str, event: &str) -> Answer<Vec<Field>> {
        (self.tracepoints)(group, event)
    }

    fn raw_tracepoint(&self, _: &str, event: &str) -> Answer<Prototype> {
        match self.tracepoint_proto(event) {
            Some(proto) => Answer::Known(Prototype {
                parameters: Some((self.types.params(proto).count() as u32).saturating_sub(1)),
            }),
            None => Answer::Missing {
                reason: format!("the kernel has no tracepoint `{event}`"),
                help: None,
            },
        }
    }

    fn resolve(&self, root: &Root<'_>, path: &ResolvePath) -> Answer<Option<ArgType>> {
        let end = match *root {
            Root::FileStructure(file, name) => (self.programs)(file, name, path),
            _ => self
                .root(root)
                .map(|(ty, address)| way::walk(self.types, ty, address, path)),
        };
        let Some(end) = end else {
            return Answer::Unknown;
        };
        match end {
            Ok(end) => Answer::Known(end.arg_type),
            Err(reason) => Answer::Missing { reason, help: None },
        }
    }
}
