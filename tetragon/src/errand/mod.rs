//! What policies send the agent for: `GetUrl` fetches a URL, `DnsLookup` asks for a name.
//!
//! They are canaries: whoever runs the web server or the name server sees that something happened. Nothing of an answer is
//! kept, and nothing of the event goes into the question: both come from the policy alone.
//!
//! Promises: what is asked is known to be well-formed when the policy is loaded. Addresses that only this machine or its own
//! network can reach are refused after the name was resolved, unless they are allowed; nobody is led there by a redirection,
//! as none is followed.
//!
//! Leaves out: TLS; proxies; when and how often errands are run, which is `observer::errands`'s business.

mod network;
mod request;
mod run;

pub use request::{Request, Url};
pub(crate) use run::run;
