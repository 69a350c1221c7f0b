//! Runtime functions by which one hook has another one act, what enforcers are told, and by which none acts on the agent.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;

use crate::{
    maps::{AGENT, ORDERS, Orders, OrdersKey},
    read::field,
    task,
};

#[inline(always)]
fn key(policy: u64) -> OrdersKey {
    OrdersKey {
        thread: bpf_get_current_pid_tgid(),
        policy,
    }
}

/// Tells an enforcer what to do: see [`runtime::NOTIFY`](ebpf_abi::hook::runtime::NOTIFY).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_notify(policy: u64, orders: u64) -> u32 {
    let orders = Orders {
        what: orders,
        since: field!(task::current(), task_start_boottime),
    };
    let _ = ORDERS.insert(key(policy), orders, 0);
    1
}

/// Takes back what an enforcer was told: see [`runtime::TAKE`](ebpf_abi::hook::runtime::TAKE).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_take(policy: u64) -> u64 {
    let key = key(policy);
    let Some(orders) = ORDERS.get_ptr(&key) else { return 0 };
    // SAFETY: a value of the map, which nobody else uses: the key is that of this thread.
    let (what, since) = unsafe { ((*orders).what, (*orders).since) };
    let _ = ORDERS.remove(key);
    let began: u64 = field!(task::current(), task_start_boottime);
    if since == began { what } else { 0 }
}

/// Whether the current process is the agent: see [`runtime::IS_AGENT`](ebpf_abi::hook::runtime::IS_AGENT).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_is_agent() -> u32 {
    let Some(agent) = AGENT.get_ptr(0) else { return 0 };
    // SAFETY: a value of the map.
    let (pid, started) = unsafe { ((*agent).pid, (*agent).ktime) };
    let process = (bpf_get_current_pid_tgid() >> 32) as u32;
    u32::from(process == pid && task::start_in_ticks(task::current()) == started)
}
