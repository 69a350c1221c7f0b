//! Label selectors, in the form that Kubernetes gives them.

use super::Str;
use crate::object::{Entries, keywords, object};
use crate::place::Spanned;

object! {
    /// Which objects are meant, by their labels. All conditions must hold; without any, all objects are meant.
    LabelSelector = "a label selector" {
        /// Labels with the value that each must have.
        match_labels: Entries<Str> = "matchLabels" optional;
        /// Conditions on labels.
        match_expressions: Vec<LabelExpression> = "matchExpressions" optional;
    }
}

object! {
    /// One condition on one label.
    LabelExpression = "a label expression" {
        /// The label's key.
        key: Str = "key" required;
        /// How it is compared.
        operator: Spanned<LabelOperator> = "operator" required;
        /// What with: some for `In` and `NotIn`, none for the others.
        values: Vec<Str> = "values" optional;
    }
}

keywords! {
    /// How a label is compared.
    LabelOperator = "an operator on labels" {
        /// The label has one of the values.
        In = "In";
        /// The label has none of the values, or is not there.
        NotIn = "NotIn";
        /// The label is there.
        Exists = "Exists";
        /// The label is not there.
        DoesNotExist = "DoesNotExist";
    }
}

impl LabelSelector {
    /// Whether it has no condition, so that everything is meant.
    pub fn is_empty(&self) -> bool {
        self.match_labels.0.is_empty() && self.match_expressions.is_empty()
    }
}
