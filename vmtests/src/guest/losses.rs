//! What the agent says of lost events in the statistics that it logs at its end.

use serde_json::Value;

/// How the line begins.
const STATISTICS: &str = "BPF events statistics: ";

/// Words for what must not happen to an event; the line names them only when there is something to count.
const REASONS: [&str; 10] = [
    "ring full",
    "no scratch memory",
    "not remembered",
    "unread",
    "malformed records",
    "processes evicted",
    "could not wait",
    "events incomplete",
    "arguments evicted",
    "arguments incomplete",
];

/// Everything lost according to the log, in words; that there are no statistics at all is a finding as well.
pub fn in_log(log: &str) -> Vec<String> {
    let messages = log.lines().filter_map(|line| {
        let entry: Value = serde_json::from_str(line).ok()?;
        let message = entry.get("msg")?.as_str()?.strip_prefix(STATISTICS)?;
        message.contains("generated").then(|| message.to_owned())
    });
    let messages: Vec<String> = messages.collect();
    if messages.is_empty() {
        return vec!["the agent logged no statistics".to_owned()];
    }
    let lossy = |message: &String| {
        !message.contains(" generated, 0 lost, ") || REASONS.iter().any(|reason| message.contains(reason))
    };
    messages
        .into_iter()
        .filter(lossy)
        .map(|message| format!("events were lost: {message}"))
        .collect()
}

/// Whether the kernel did not run programs, and that is all that the log complains of. While a program at a trampoline is
/// preempted, the kernel runs it for nobody else on the same CPU; the agent counts those.
pub fn preempted(log: &str) -> bool {
    let lost = in_log(log);
    let other = |loss: &String| !loss.contains("program not run") || REASONS.iter().any(|reason| loss.contains(reason));
    !lost.is_empty() && !lost.iter().any(other)
}

#[cfg(test)]
mod tests {
    use super::{in_log, preempted};

    fn log(message: &str) -> String {
        format!("{{\"level\":\"info\",\"msg\":\"BPF events statistics: {message}\"}}\n")
    }

    fn check(message: &str) -> Vec<String> {
        in_log(&log(message))
    }

    #[test]
    fn programs_that_were_not_run() {
        let missed = "6 received, 0.1% events loss: 7 generated, 1 lost, 7 emitted; kprobe 2, 1 program not run";
        assert!(preempted(&log(missed)));
        assert!(!preempted(&log(&format!("{missed}; exec 1, 1 ring full"))));
        assert!(!preempted(&log(
            "6 received, 0.0% events loss: 6 generated, 0 lost, 7 emitted"
        )));
        assert!(!preempted(""));
    }

    #[test]
    fn no_losses_no_words() {
        assert!(check("6 received, 0.0% events loss: 6 generated, 0 lost, 7 emitted; exec 2").is_empty());
    }

    #[test]
    fn losses_are_quoted() {
        let lossy = "6 received, 0.1% events loss: 7 generated, 1 lost, 7 emitted; exec 2, 1 ring full";
        assert_eq!(check(lossy), [format!("events were lost: {lossy}")]);
        let unread = "6 received, 0.0% events loss: 7 generated, 0 lost, 7 emitted; exec 2, 1 unread";
        assert_eq!(check(unread).len(), 1);
    }

    #[test]
    fn silence_is_a_finding() {
        assert_eq!(in_log("{\"msg\":\"x\"}\n"), ["the agent logged no statistics"]);
        assert_eq!(
            check("6 received, 0.00% events loss"),
            ["the agent logged no statistics"]
        );
    }
}
