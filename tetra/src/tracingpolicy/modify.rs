//! `tetra tracingpolicy modify`: a file of policies with another mode.

use std::path::Path;

use policy::diagnostic::Severity;
use policy::leaf::Text;
use policy::parse::{parse, print};
use policy::place::Spanned;
use policy::spec::Setting;
use policy::yaml::Budget;

use super::{Mode, file};

/// Name of the setting.
const OPTION: &str = "policy-mode";

/// The policies in the file at `path`, in `mode`.
pub(super) fn with_mode(path: &Path, mode: Mode) -> anyhow::Result<String> {
    text_with_mode(&file::read(path)?, mode, path)
}

/// The policies in `text`, in `mode`. Errors name `path`, from where the text came.
pub(crate) fn text_with_mode(text: &str, mode: Mode, path: &Path) -> anyhow::Result<String> {
    let (documents, problems) = parse(text, Budget::default());
    let error = problems.iter().find(|problem| problem.severity == Severity::Error);
    if let Some(error) = error {
        anyhow::bail!("{}:{error}; see tetra tracingpolicy check", path.display());
    }
    let texts = documents.into_iter().map(|mut document| {
        let options = &mut document.spec.options;
        options.retain(|setting| setting.name.value != OPTION);
        options.push(Setting {
            name: Spanned::nowhere(OPTION.to_owned()),
            value: Spanned::nowhere(Text(mode.name().to_owned())),
            ..Setting::default()
        });
        print(&document)
    });
    Ok(texts.collect::<Vec<_>>().join("---\n"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_mode_takes_the_place_of_another_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        let head = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\n";
        let text = format!(
            "{head}metadata: {{name: a}}\nspec:\n  options:\n  - {{name: policy-mode, value: enforce}}\n  - {{name: \
             override-method, value: fmod-ret}}\n---\n{head}metadata: {{name: b}}\nspec: {{loader: true}}\n"
        );
        std::fs::write(&path, text).unwrap();
        expect![[r"
            apiVersion: cilium.io/v1alpha1
            kind: TracingPolicy
            metadata:
              name: a
            spec:
              options:
              - name: override-method
                value: fmod-ret
              - name: policy-mode
                value: monitor
            ---
            apiVersion: cilium.io/v1alpha1
            kind: TracingPolicy
            metadata:
              name: b
            spec:
              loader: true
              options:
              - name: policy-mode
                value: monitor
        "]]
        .assert_eq(&with_mode(&path, Mode::Monitor).unwrap());
        std::fs::write(&path, "kind: TracingPolicy").unwrap();
        let error = with_mode(&path, Mode::Monitor).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:1:1: ", path.display())), "{error}");
    }
}
