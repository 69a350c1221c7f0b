//! Programs and libraries that processes map to run (`loader: true`).
//!
//! The kernel passes its function `perf_event_mmap` whenever a file has been mapped, or has become executable by
//! `mprotect(2)`, whether or not anybody collects performance events. Some kernels let nobody trace it (5.10: all of
//! `kernel/events/core.c` is without ftrace). There `uprobe_mmap` takes its place, which has the same parameter, but of
//! `mprotect(2)` it does not know.
//!
//! An execution maps the executable and the interpreter that it names before it is told of: the first selector of the hook finds
//! those, so that they are not taken for files of the image before.
//!
//! Either is seen by breakpoint: files are mapped so often that a trampoline, which does not run again while it is
//! preempted on the same CPU, would miss some. Breakpoints are not preempted.

use ebpf_abi::hook::{Slot, fact, path_kind};
use ebpf_codegen::{Arg, Filter, Hook, NumberTest, Read, Selector, Source, Subject};
use policy::model::Policy;
use std::mem::offset_of;

use super::{
    argument::member,
    functions,
    lower::{Reason, Wanted},
    points::{PointKey, PointKind},
    running::Running,
    table::HookInfo,
};

/// The functions that will do, the best first.
const FUNCTIONS: [&str; 2] = ["perf_event_mmap", "uprobe_mmap"];

/// `VM_EXEC` (`include/linux/mm.h`).
const VM_EXEC: u64 = 4;

/// Number of the selector of what an execution maps that is under way.
pub(crate) const EXECUTING: u16 = 0;

/// What records have, by the [kinds](ebpf_abi::event::HookArg::kind) of their arguments.
pub(crate) mod value {
    /// Path of the file.
    pub(crate) const PATH: u16 = 0;
    /// First address.
    pub(crate) const START: u16 = 1;
    /// Address behind the last.
    pub(crate) const END: u16 = 2;
    /// Number of the file on its device.
    pub(crate) const INODE: u16 = 3;
    /// The device, as the kernel numbers it.
    pub(crate) const DEVICE: u16 = 4;
    /// How it is mapped.
    pub(super) const FLAGS: u16 = 5;
}

/// What `policy` wants.
pub(super) fn wanted(policy: &Policy, kernel: &Running<'_>) -> Result<Wanted, Reason> {
    // Without the list, what is there may do.
    let there = || FUNCTIONS.into_iter().find(|function| kernel.is_function(function));
    let function = functions::first(&FUNCTIONS).unwrap_or_else(|_| there());
    let function = function.ok_or_else(|| {
        Reason::Kernel(format!(
            "the kernel has none of the functions {}, or lets nobody trace them",
            FUNCTIONS.map(|function| format!("`{function}`")).join(" and ")
        ))
    })?;
    let of_area = |name| member(kernel, "vm_area_struct", name);
    let of_file = |name| member(kernel, "file", name);
    let of_inode = |name| member(kernel, "inode", name);
    let (file, inode) = (of_area("vm_file")?, of_file("f_inode")?);
    let arg = |kind, way: &[i32], read| Arg {
        source: Source::Parameter(0),
        way: way.to_vec(),
        read,
        kind,
        beside: false,
    };
    let number = |bytes| Read::Number { bytes, signed: false };
    let device = [file, inode, of_inode("i_sb")?, member(kernel, "super_block", "s_dev")?];
    let args = vec![
        arg(value::PATH, &[file, 0], Read::Path(path_kind::FILE)),
        arg(value::START, &[of_area("vm_start")?], number(8)),
        arg(value::END, &[of_area("vm_end")?], number(8)),
        arg(value::INODE, &[file, inode, of_inode("i_ino")?], number(8)),
        arg(value::DEVICE, &device, number(4)),
        arg(value::FLAGS, &[of_area("vm_flags")?], number(8)),
    ];
    let executable = NumberTest::AnyBit {
        masks: vec![VM_EXEC],
        not: false,
    };
    let has_path = NumberTest::In {
        ranges: vec![(0, 0)],
        not: true,
    };
    let executing = NumberTest::In {
        ranges: vec![(1, 1)],
        not: false,
    };
    let executable = Filter::Number(Subject::Arg(usize::from(value::FLAGS)), executable);
    let has_path = Filter::Field {
        subject: Subject::Arg(usize::from(value::PATH)),
        offset: offset_of!(Slot, len) as u16,
        bytes: 4,
        mask: u64::MAX,
        test: has_path,
    };
    let executing = Filter::Number(Subject::Fact(fact::EXECUTING), executing);
    let selector = |filters| Selector {
        filters,
        ..Selector::default()
    };
    let hook = Hook {
        args,
        selectors: vec![
            selector(vec![executable.clone(), executing, has_path.clone()]),
            selector(vec![executable, has_path]),
        ],
        ..Hook::default()
    };
    let point = PointKey::new(PointKind::Kprobe, "", function);
    Ok(Wanted {
        parts: vec![(point, hook)],
        info: HookInfo {
            loader: true,
            policy: policy.name.clone(),
            name: function.to_owned(),
            ..HookInfo::default()
        },
        position: 0,
        labels: vec![],
    })
}
