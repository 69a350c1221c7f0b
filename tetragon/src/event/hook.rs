//! Arguments of hooks as events show them.

use std::net::{IpAddr, Ipv6Addr};

use ebpf_abi::{
    hook::{BpfObject, Flow, Module, PerfEvent, path_flag},
    map::{Capabilities, Credentials},
};
use policy::{arg_type::ArgType, names, syscalls::Abi};
use tetragon_api::v1::{
    KernelModule, KprobeAction, KprobeArgument, KprobeBpfAttr, KprobeBpfMap, KprobeBpfProg, KprobeCapability,
    KprobeError, KprobeFile, KprobeLinuxBinprm, KprobePath, KprobePerfEvent, KprobeSkb, KprobeSock, KprobeSockaddr,
    KprobeSockaddrUn, KprobeTruncatedBytes, Namespace, SyscallId, TaintedBitsType, UserNamespace, kprobe_argument::Arg,
};
use zerocopy::FromBytes as _;

use super::credentials::{capabilities, credentials};
use crate::{record::Value, sensor::ArgInfo, text};

/// Adds the argument that `value` is to `list`; of an array, one for each element.
pub fn argument(info: &ArgInfo, value: &Value<'_>, list: &mut Vec<KprobeArgument>) {
    if info.arg_type == ArgType::ConstBuf && value.head.status == 0 {
        let elements = value.bytes.chunks_exact(8).filter_map(|word| word.try_into().ok());
        list.extend(elements.map(|word| KprobeArgument {
            label: info.label.clone(),
            arg: Some(Arg::SizeArg(u64::from_le_bytes(word))),
        }));
        return;
    }
    let arg = match value.head.status {
        0 => read(info.arg_type, value),
        status => Some(Arg::ErrorArg(KprobeError {
            message: if status < 0 {
                "Bad address for basic type".to_owned()
            } else {
                format!(
                    "Bad address encountered during resolve dereference at depth {}",
                    status - 1
                )
            },
        })),
    };
    list.push(KprobeArgument {
        label: info.label.clone(),
        arg,
    });
}

/// The action by its number in records, which is that of the API less one.
pub fn action(number: u16) -> KprobeAction {
    KprobeAction::try_from(i32::from(number) + 1).unwrap_or(KprobeAction::Unknown)
}

/// The value; nothing when the bytes are none of this type.
fn read(arg_type: ArgType, value: &Value<'_>) -> Option<Arg> {
    use ArgType as T;
    let number = || value.number();
    let set = |number: u64| format!("{number:016x}");
    Some(match arg_type {
        T::Int | T::Int8 | T::Int16 => Arg::IntArg(number()? as i32),
        T::Uint32 | T::Uint8 | T::Uint16 => Arg::UintArg(number()? as u32),
        T::Int64 => Arg::LongArg(number()? as i64),
        T::Uint64 | T::SizeT => Arg::SizeArg(number()?),
        T::Capability => {
            let number = number()?;
            Arg::CapabilityArg(KprobeCapability {
                value: Some(number as i32),
                name: names::CAPABILITIES.name(number).unwrap_or_default().to_owned(),
            })
        }
        T::BpfCmd => Arg::BpfCmdArg(number()? as i32),
        T::KernelCapT => Arg::KernelCapTArg(set(number()?)),
        T::CapInheritable => Arg::CapInheritableArg(set(number()?)),
        T::CapPermitted => Arg::CapPermittedArg(set(number()?)),
        T::CapEffective => Arg::CapEffectiveArg(set(number()?)),
        T::String | T::Filename | T::NetDevice | T::DataLoc => Arg::StringArg(text::lossy(value.bytes)),
        T::CharBuf | T::CharIovec | T::IovIter if value.head.whole != 0 => {
            Arg::TruncatedBytesArg(KprobeTruncatedBytes {
                bytes_arg: value.bytes.to_vec(),
                orig_size: value.head.whole.into(),
            })
        }
        T::CharBuf | T::CharIovec | T::IovIter => Arg::BytesArg(value.bytes.to_vec()),
        T::Syscall64 => {
            let number = number()? as u32;
            let abi = if number & Abi::IS_32_BIT == 0 {
                Abi::X64
            } else {
                Abi::I386
            };
            Arg::SyscallId(SyscallId {
                id: number & !Abi::IS_32_BIT,
                abi: abi.name().to_owned(),
            })
        }
        T::Fd | T::File | T::Kiocb => Arg::FileArg(KprobeFile {
            mount: String::new(),
            path: path(value),
            flags: path_flags(value),
            permission: permission(value.head.mode),
        }),
        T::Path | T::Dentry => Arg::PathArg(KprobePath {
            mount: String::new(),
            path: path(value),
            flags: path_flags(value),
            permission: permission(value.head.mode),
        }),
        T::LinuxBinprm => Arg::LinuxBinprmArg(KprobeLinuxBinprm {
            path: path(value),
            flags: path_flags(value),
            permission: permission(value.head.mode),
        }),
        T::Sock | T::Socket => Arg::SockArg(sock(&flow(value)?)),
        T::Skb => Arg::SkbArg(skb(&flow(value)?)),
        T::Sockaddr => {
            let flow = flow(value)?;
            Arg::SockaddrArg(KprobeSockaddr {
                family: family(&flow),
                addr: address(&flow, flow.source),
                port: flow.source_port.into(),
            })
        }
        T::Cred => {
            let (ids, rest) = Credentials::read_from_prefix(value.bytes).ok()?;
            let (caps, _) = Capabilities::read_from_prefix(rest).ok()?;
            let inode = u32::read_from_suffix(value.bytes).ok()?.1;
            let mut shown = credentials(&ids);
            shown.caps = Some(*capabilities(&caps));
            shown.user_ns = Some(user_namespace(
                [ids.user_ns_level, ids.user_ns_uid, ids.user_ns_gid],
                inode,
            ));
            Arg::ProcessCredentialsArg(shown)
        }
        T::UserNamespace => {
            let [level, uid, gid, inode] = <[u32; 4]>::read_from_prefix(value.bytes).ok()?.0;
            Arg::UserNsArg(user_namespace([level, uid, gid], inode))
        }
        T::BpfAttr => {
            let object = object(value)?;
            Arg::BpfAttrArg(KprobeBpfAttr {
                prog_type: names::BPF_PROG_TYPES.display(object.kind.into()),
                insn_cnt: object.len,
                prog_name: name(&object.name),
            })
        }
        T::BpfProg => {
            let object = object(value)?;
            Arg::BpfProgArg(KprobeBpfProg {
                prog_type: names::BPF_PROG_TYPES.display(object.kind.into()),
                insn_cnt: object.len,
                prog_name: name(&object.name),
            })
        }
        T::BpfMap => {
            let object = object(value)?;
            Arg::BpfMapArg(KprobeBpfMap {
                map_type: names::BPF_MAP_TYPES.display(object.kind.into()),
                key_size: object.len,
                value_size: object.value_size,
                max_entries: object.max_entries,
                map_name: name(&object.name),
            })
        }
        T::PerfEvent => {
            let event = PerfEvent::read_from_prefix(value.bytes).ok()?.0;
            Arg::PerfEventArg(KprobePerfEvent {
                kprobe_func: name(&event.function),
                r#type: names::PERF_TYPES.display(event.kind.into()),
                config: event.config,
                probe_offset: event.probe_offset,
            })
        }
        T::Module | T::LoadInfo => {
            let module = Module::read_from_prefix(value.bytes).ok()?.0;
            let bits = (0..31).map(|bit| 1 << bit).filter(|bit| module.taints & bit != 0);
            Arg::ModuleArg(KernelModule {
                name: name(&module.name),
                signature_ok: (module.signature != 0).then_some(module.signature == 2),
                tainted: bits
                    .filter_map(|bit| TaintedBitsType::try_from(bit as i32).ok())
                    .map(Into::into)
                    .collect(),
            })
        }
        T::SockaddrUn => Arg::SockaddrunArg(KprobeSockaddrUn {
            family: named(&names::FAMILIES, value.head.flags),
            path: text::lossy(value.bytes),
        }),
        T::Auto | T::ConstBuf | T::Nop => return None,
    })
}

/// Inode number of the host's user namespace (`PROC_USER_INIT_INO`, `include/linux/proc_ns.h`).
const HOST_USER_NS: u32 = 0xefff_fffd;

fn user_namespace([level, uid, gid]: [u32; 3], inode: u32) -> UserNamespace {
    UserNamespace {
        level: Some(level as i32),
        uid: Some(uid),
        gid: Some(gid),
        ns: Some(Namespace {
            inum: inode,
            is_host: inode == HOST_USER_NS,
        }),
    }
}

fn object(value: &Value<'_>) -> Option<BpfObject> {
    Some(BpfObject::read_from_prefix(value.bytes).ok()?.0)
}

/// What stands before the first zero byte.
fn name(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    text::lossy(&bytes[..end])
}

/// A path; an empty one, of a pipe or socket, shows as the root.
fn path(value: &Value<'_>) -> String {
    if value.bytes.is_empty() {
        "/".to_owned()
    } else {
        text::lossy(value.bytes)
    }
}

fn path_flags(value: &Value<'_>) -> String {
    if u32::from(value.head.flags) & path_flag::UNRESOLVED == 0 {
        String::new()
    } else {
        "unresolvedPathComponents".to_owned()
    }
}

/// Type and permissions as `ls -l` shows them; nothing for a mode of 0.
fn permission(mode: u32) -> String {
    if mode == 0 {
        return String::new();
    }
    let kind = match mode & 0o170_000 {
        0o140_000 => 's',
        0o120_000 => 'l',
        0o100_000 => '-',
        0o060_000 => 'b',
        0o040_000 => 'd',
        0o020_000 => 'c',
        0o010_000 => 'p',
        _ => '?',
    };
    let mut shown = String::with_capacity(10);
    shown.push(kind);
    // Set-user-id, set-group-id and sticky stand in the place of the execute bit of their group.
    for (shift, special, with, without) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')] {
        let bits = mode >> shift;
        shown.push(if bits & 4 == 0 { '-' } else { 'r' });
        shown.push(if bits & 2 == 0 { '-' } else { 'w' });
        shown.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    shown
}

fn flow(value: &Value<'_>) -> Option<Flow> {
    Some(Flow::read_from_prefix(value.bytes).ok()?.0)
}

/// Kinds of sockets (include/linux/net.h).
fn socket_type(number: u16) -> String {
    let name = match number {
        1 => "SOCK_STREAM",
        2 => "SOCK_DGRAM",
        3 => "SOCK_RAW",
        4 => "SOCK_RDM",
        5 => "SOCK_SEQPACKET",
        6 => "SOCK_DCCP",
        10 => "SOCK_PACKET",
        _ => return number.to_string(),
    };
    name.to_owned()
}

fn named(names: &names::Numbers, number: u16) -> String {
    names.display(number.into())
}

fn family(flow: &Flow) -> String {
    named(&names::FAMILIES, flow.family)
}

/// An address of a flow; nothing where there is none.
fn address(flow: &Flow, address: [u8; 16]) -> String {
    const AF_INET: u16 = 2;
    const AF_INET6: u16 = 10;
    let address = Ipv6Addr::from(address);
    match (flow.family, address.to_ipv4_mapped()) {
        (AF_INET, Some(address)) => IpAddr::V4(address).to_string(),
        (AF_INET6, _) => address.to_string(),
        _ => String::new(),
    }
}

fn sock(flow: &Flow) -> KprobeSock {
    KprobeSock {
        family: family(flow),
        r#type: socket_type(flow.kind),
        protocol: named(&names::PROTOCOLS, flow.protocol),
        mark: flow.mark,
        priority: flow.priority,
        saddr: address(flow, flow.source),
        daddr: address(flow, flow.destination),
        sport: flow.source_port.into(),
        dport: flow.destination_port.into(),
        cookie: flow.cookie,
        state: named(&names::TCP_STATES, flow.state),
    }
}

fn skb(flow: &Flow) -> KprobeSkb {
    KprobeSkb {
        hash: flow.hash,
        len: flow.len,
        priority: flow.priority,
        mark: flow.mark,
        saddr: address(flow, flow.source),
        daddr: address(flow, flow.destination),
        sport: flow.source_port.into(),
        dport: flow.destination_port.into(),
        proto: flow.protocol.into(),
        sec_path_len: flow.sec_path_len,
        sec_path_olen: flow.sec_path_olen,
        protocol: named(&names::PROTOCOLS, flow.protocol),
        family: family(flow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_those_of_ls() {
        for (mode, shown) in [
            (0, ""),
            (0o100_644, "-rw-r--r--"),
            (0o104_755, "-rwsr-xr-x"),
            (0o102_644, "-rw-r-Sr--"),
            (0o041_777, "drwxrwxrwt"),
            (0o020_620, "crw--w----"),
            (0o140_000, "s---------"),
        ] {
            assert_eq!(permission(mode), shown);
        }
    }
}
