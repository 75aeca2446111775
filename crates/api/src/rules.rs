//! CEL rules: what the API server refuses by itself. Each message names the field, the rule and the value.
//!
//! Regular expressions here run in the API server (RE2) and must agree with the parsers in `model`; a test compares
//! them. They are written without repetition counts over Unicode classes, which compile to very large programs: `size()`
//! bounds the length instead.

use crate::ApprovalAction;
use kube::core::{Message, Reason, Rule};

/// What a tag's key or value may be made of (AWS Organizations API, `Tag`), as a CEL string inside a bracket expression.
const TAG_CHARS: &str = "\\\\p{L}\\\\p{N} _.:/=+@-";

fn rule(cel: impl Into<String>, message: impl Into<String>) -> Rule {
    Rule::new(cel)
        .message(Message::Expression(message.into()))
        .reason(Reason::FieldValueInvalid)
}

/// A rule whose message cannot show the value, because the server's cost estimate takes the value for unbounded.
fn fixed(cel: impl Into<String>, message: impl Into<String>) -> Rule {
    Rule::new(cel)
        .message(Message::Message(message.into()))
        .reason(Reason::FieldValueInvalid)
}

/// A rule about one string: `must` is the rule in words.
fn text(field: &str, must: &str, cel: impl Into<String>) -> Rule {
    rule(cel, format!("'{field} must be {must}; got \"' + self + '\"'"))
}

/// Length of the object's own name; it is part of tag values and of other objects' names.
pub(crate) fn object_name(max: usize) -> Rule {
    fixed(
        format!("size(self.metadata.name) <= {max}"),
        format!("metadata.name must have at most {max} characters"),
    )
}

/// The name of the object is the account name by default, and can be longer than AWS takes.
pub(crate) fn account_name_default() -> Rule {
    fixed(
        "has(self.spec.accountName) || size(self.metadata.name) <= 50",
        "spec.accountName must be set where metadata.name, its default, has more than 50 characters, the most an account \
         name can have",
    )
}

/// A required field that never changes. Sits on the parent.
pub(crate) fn immutable(field: &str) -> Rule {
    rule(
        format!("self.{field} == oldSelf.{field}"),
        format!(
            "'spec.{field} is immutable; it was \"' + oldSelf.{field} + '\" and cannot become \"' + self.{field} + '\"'"
        ),
    )
    .field_path(format!(".{field}"))
}

/// An optional field that is never set, changed or removed after creation. Sits on the parent, because a rule on the
/// field is not run when the field is removed.
pub(crate) fn frozen(field: &str) -> Rule {
    rule(
        format!(
            "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
        ),
        format!(
            "'spec.{field} is immutable: it cannot be set, changed or removed after the object was created; it was ' + \
             (has(oldSelf.{field}) ? '\"' + oldSelf.{field} + '\"' : 'not set') + ' and would be ' + \
             (has(self.{field}) ? '\"' + self.{field} + '\"' : 'not set')"
        ),
    )
    .field_path(format!(".{field}"))
}

/// AWS's rule for account names that can also be renamed.
pub(crate) fn account_name() -> Rule {
    text(
        "spec.accountName",
        "1 to 50 printable ASCII characters without < and >",
        "self.matches('^[ -;=?-~]{1,50}$')",
    )
}

/// AWS's documented rules for the root user's email.
pub(crate) fn email() -> Rule {
    text(
        "spec.email",
        "an address that AWS takes: one @; before it ASCII letters, digits and !#$*+-./=?^_`{}~, not beginning with a \
         dot; after it a domain of letters, digits, - and . that has a dot and neither begins nor ends with - or .",
        "self.matches('^[A-Za-z0-9!#$*+/=?^_`{}~-][A-Za-z0-9!#$*+./=?^_`{}~-]*@\
         [A-Za-z0-9][A-Za-z0-9.-]*[.]([A-Za-z0-9.-]*[A-Za-z0-9])$')",
    )
}

/// A name of 1 to 63 lower-case letters, digits and `-`.
pub(crate) fn label(field: &str) -> Rule {
    text(
        field,
        "1 to 63 lower-case letters, digits and -, beginning and ending with a letter or digit",
        "self.matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')",
    )
}

/// A Kubernetes object name.
pub(crate) fn subdomain(field: &str) -> Rule {
    text(
        field,
        "a Kubernetes object name: lower-case letters, digits, - and ., each part beginning and ending with a letter or digit",
        "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')",
    )
}

/// One line with something in it.
pub(crate) fn one_line(field: &str) -> Rule {
    text(
        field,
        "one line that is not blank",
        "self.trim() != '' && !self.contains('\\n') && !self.contains('\\r')",
    )
}

/// A text that can be the value of a tag.
pub(crate) fn tag_text(field: &str) -> Rule {
    text(
        field,
        "letters, digits, spaces and _.:/=+-@ (it can become the value of an AWS tag)",
        format!("self.matches('^[{TAG_CHARS}]+$')"),
    )
}

/// An address of a person or a list.
pub(crate) fn contact() -> Rule {
    text(
        "spec.owner.contact",
        "an email address: one @, and no spaces",
        "self.matches('^[^\\\\s@]+@[^\\\\s@]+$')",
    )
}

/// A rule about each key of `spec.tags`; the message shows a key that breaks it.
fn each_key(must: &str, good: &str) -> Rule {
    rule(
        format!("self.all(k, {good})"),
        format!("'spec.tags: a key must {must}; got \"' + self.filter(k, !({good}))[0] + '\"'"),
    )
}

/// AWS's rule for tag keys.
pub(crate) fn tag_keys() -> Rule {
    each_key(
        "be 1 to 128 letters, digits, spaces and _.:/=+-@",
        &format!("size(k) <= 128 && k.matches('^[{TAG_CHARS}]+$')"),
    )
}

/// Keys nobody but AWS and Bulkhead may write.
pub(crate) fn reserved_tag_keys() -> Rule {
    each_key("not begin with aws: or bulkhead.dev/", &unreserved("k"))
}

/// AWS's rule for tag values.
pub(crate) fn tag_values() -> Rule {
    let good = format!("self[k].matches('^[{TAG_CHARS}]*$')");
    rule(
        format!("self.all(k, {good})"),
        format!(
            "'spec.tags: a value must be up to 256 letters, digits, spaces and _.:/=+-@; got \"' + \
             self[self.filter(k, !({good}))[0]] + '\" for \"' + self.filter(k, !({good}))[0] + '\"'"
        ),
    )
}

fn unreserved(key: &str) -> String {
    format!("!{key}.lowerAscii().startsWith('aws:') && !{key}.lowerAscii().startsWith('bulkhead.dev/')")
}

// --- Baseline

/// Operators of a label selector and whether they take values.
pub(crate) fn selector() -> Rule {
    fixed(
        "!has(self.matchExpressions) || self.matchExpressions.all(e, \
         (e.operator in ['In', 'NotIn']) == (has(e.values) && size(e.values) > 0))",
        "namespaceSelector.matchExpressions: In and NotIn need values, Exists and DoesNotExist have none",
    )
}

/// No other placeholders than the four.
pub(crate) fn template_placeholders() -> Rule {
    text(
        "spec.emailTemplate",
        "text with the placeholders {name}, {namespace}, {workload} and {environment} and no other braces",
        "self.matches('^([^{}]|[{](name|namespace|workload|environment)[}])*$')",
    )
}

/// Two objects never get the same email.
pub(crate) fn template_identity() -> Rule {
    text(
        "spec.emailTemplate",
        "text with both {namespace} and {name}, so that no two objects get the same email",
        "self.contains('{namespace}') && self.contains('{name}')",
    )
}

/// What AWS demands of every email, whatever the placeholders become.
pub(crate) fn template_shape() -> Rule {
    text(
        "spec.emailTemplate",
        "an address: one @; before it ASCII letters, digits and !#$*+-./=?^_`~ and placeholders, not beginning with a \
         dot; after it letters, digits, - and . and placeholders",
        "self.matches('^[A-Za-z0-9!#$*+/=?^_`{}~-][A-Za-z0-9!#$*+./=?^_`{}~-]*@[A-Za-z0-9.{}-]+$')",
    )
}

/// Keys, or beginnings followed by `*`.
pub(crate) fn allowed_tag_keys() -> Rule {
    let good = format!("k.matches('^[{TAG_CHARS}]*[*]?$') && {}", unreserved("k"));
    rule(
        format!("self.all(k, {good})"),
        format!(
            "'spec.allowedTagKeys: an entry must be a tag key (letters, digits, spaces and _.:/=+-@) or its beginning \
             followed by *, and not begin with aws: or bulkhead.dev/; got \"' + self.filter(k, !({good}))[0] + '\"'"
        ),
    )
}

/// AWS's limit of nesting.
pub(crate) fn unit_depth() -> Rule {
    text(
        "spec.environments.organizationalUnit",
        "a path of at most 5 names joined by / (the depth AWS allows below the root)",
        "self.matches('^[^/]*(/[^/]*){0,4}$')",
    )
}

/// AWS's rule for the names of units.
pub(crate) fn unit_names() -> Rule {
    text(
        "spec.environments.organizationalUnit",
        "names of 1 to 128 characters joined by /, without spaces around a name",
        "self.matches('^[^/ ]([^/]{0,126}[^/ ])?(/[^/ ]([^/]{0,126}[^/ ])?)*$')",
    )
}

/// AWS's rule for the role made in a new account.
pub(crate) fn role_name() -> Rule {
    text(
        "spec.environments.accessRoleName",
        "1 to 64 letters, digits and _+=,.@-, not beginning with AWSServiceRoleFor",
        "self.matches('^[A-Za-z0-9_+=,.@-]{1,64}$') && !self.startsWith('AWSServiceRoleFor')",
    )
}

/// Only other controllers' conditions: a gate on a condition of our own would wait for itself.
pub(crate) fn gate() -> Rule {
    text(
        "spec.environments.readinessGates.conditionType",
        "a condition type with the domain of its controller, as in network.example.com/VpcReady",
        "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*/[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$') \
         && !self.startsWith('bulkhead.dev/')",
    )
}

/// Key of a mandatory tag.
pub(crate) fn mandatory_key() -> Rule {
    text(
        "spec.mandatoryTags.key",
        "1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws: or bulkhead.dev/",
        format!("self.matches('^[{TAG_CHARS}]+$') && {}", unreserved("self")),
    )
}

/// Key in `spec.tags` that a mandatory tag reads.
pub(crate) fn source_tag() -> Rule {
    text(
        "spec.mandatoryTags.valueFrom.tag",
        "1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws: or bulkhead.dev/",
        format!("self.matches('^[{TAG_CHARS}]+$') && {}", unreserved("self")),
    )
}

/// A pattern says what the whole value is.
pub(crate) fn anchored() -> Rule {
    text(
        "spec.mandatoryTags.pattern",
        "a regular expression from ^ to $, because it is matched against the whole value",
        "self.startsWith('^') && self.endsWith('$')",
    )
}

/// Values that could never be a tag's are a mistake.
pub(crate) fn allowed_values() -> Rule {
    let good = format!("v.matches('^[{TAG_CHARS}]*$')");
    rule(
        format!("self.all(v, {good})"),
        format!(
            "'spec.mandatoryTags.allowedValues: a value must be up to 256 letters, digits, spaces and _.:/=+-@; got \"' + \
             self.filter(v, !({good}))[0] + '\"'"
        ),
    )
}

/// `field` or `tag`.
pub(crate) fn one_source() -> Rule {
    rule(
        "has(self.field) != has(self.tag)",
        "'spec.mandatoryTags.valueFrom must have exactly one of field and tag; got ' + (has(self.field) ? 'both' : 'neither')",
    )
}

/// Names in the catalogue.
pub(crate) fn guardrail_name() -> Rule {
    text(
        "spec.environments.guardrails.name",
        "the name of a guardrail: letters and digits, beginning with a lower-case letter",
        "self.matches('^[a-z][A-Za-z0-9]*$')",
    )
}

/// AWS's words for types of policies; it adds to them.
pub(crate) fn policy_type() -> Rule {
    text(
        "spec.environments.policies.type",
        "a policy type as AWS writes it, as in SERVICE_CONTROL_POLICY: A-Z, 0-9 and _, beginning with a letter",
        "self.matches('^[A-Z][A-Z0-9_]*$')",
    )
}

/// Who asks.
pub(crate) fn principal() -> Rule {
    text(
        "spec.environments.assertions.principal",
        "the ARN of a principal, with an account id or *, as in arn:aws:iam::*:role/break-glass",
        "self.matches('^arn:[a-z-]+:(iam|sts)::([0-9]{12}|[*]):[^*?]+$')",
    )
}

/// What is asked: one action, not a pattern.
pub(crate) fn action() -> Rule {
    text(
        "spec.environments.assertions.action",
        "one action without wildcards, as in iam:CreateRole",
        "self.matches('^[a-z0-9-]+:[A-Za-z0-9]+$')",
    )
}

/// What it is asked about.
pub(crate) fn resource() -> Rule {
    text(
        "spec.environments.assertions.resource",
        "an ARN, or *",
        "self == '*' || self.startsWith('arn:')",
    )
}

// --- BaselineRevision

/// What accounts rely on never becomes something else. Sits on the spec as a whole, so that no field can be removed or added.
pub(crate) fn revision_frozen() -> Rule {
    fixed(
        "self == oldSelf",
        "a BaselineRevision never changes: change the Baseline, which makes another one",
    )
}

/// The name says the content.
pub(crate) fn revision_name() -> Rule {
    fixed(
        "self.metadata.name == self.spec.baseline + '-' + self.spec.hash.substring(7, 17)",
        "metadata.name must be spec.baseline, - and the first 10 hexadecimal digits of spec.hash",
    )
}

/// `sha256:` and its digits.
pub(crate) fn hash() -> Rule {
    text(
        "spec.hash",
        "sha256: and 64 lower-case hexadecimal digits",
        "self.matches('^sha256:[0-9a-f]{64}$')",
    )
}

// --- Approval

/// What was decided never becomes another decision. Sits on the spec as a whole, so that no field can be removed or added.
pub(crate) fn approval_frozen() -> Rule {
    fixed(
        "self == oldSelf",
        "an Approval never changes: create another one, or delete this one",
    )
}

/// Each action is about one kind of object; the policy on Approvals judges the right to it by that.
pub(crate) fn approval_subject() -> Rule {
    let (mut fits, mut words) = (Vec::new(), Vec::new());
    for action in ApprovalAction::ALL {
        let kind = action.subject().as_str();
        fits.push(format!(
            "(self.action == '{action}' && self.subject.kind == '{kind}')"
        ));
        words.push(format!("{action} about {kind}"));
    }
    rule(
        fits.join(" || "),
        format!(
            "'spec.subject.kind must fit spec.action ({}); got ' + self.action + ' about ' + self.subject.kind",
            words.join(", ")
        ),
    )
}

/// A namespace where the kind has one. The word is reserved in CEL, hence the underscores.
pub(crate) fn approval_namespace() -> Rule {
    rule(
        "has(self.subject.__namespace__) == (self.subject.kind == 'AwsAccount')",
        "'spec.subject.namespace must be set for an AwsAccount and for no other kind; got ' + \
         (has(self.subject.__namespace__) ? '\"' + self.subject.__namespace__ + '\"' : 'none') + ' for ' + self.subject.kind",
    )
}

/// A digest as it stands under `status.awaiting`.
pub(crate) fn digest() -> Rule {
    text(
        "spec.digest",
        "sha256: and 64 lower-case hexadecimal digits",
        "self.matches('^sha256:[0-9a-f]{64}$')",
    )
}

// --- EnvironmentPromotion

/// Which Baseline an EnvironmentPromotion is about never changes. Sits on the spec.
pub(crate) fn baseline_ref_immutable() -> Rule {
    rule(
        "self.baselineRef.name == oldSelf.baselineRef.name",
        "'spec.baselineRef.name is immutable; it was \"' + oldSelf.baselineRef.name + '\" and cannot become \"' + \
         self.baselineRef.name + '\"'",
    )
    .field_path(".baselineRef.name")
}

/// Who says which revision is promoted.
pub(crate) fn revision_policy() -> Rule {
    rule(
        "has(self.revision) != (has(self.revisionPolicy) && self.revisionPolicy == 'Automatic')",
        "'spec.revision must be set with revisionPolicy Manual, the default, and must not be set with Automatic; got ' + \
         (has(self.revision) ? '\"' + self.revision + '\"' : 'no revision') + ' with ' + \
         (has(self.revisionPolicy) ? self.revisionPolicy : 'Manual')",
    )
}

/// An environment is in one stage.
pub(crate) fn unique_environments() -> Rule {
    fixed(
        "self.stages.all(s, self.stages.exists_one(t, t.environment == s.environment))",
        "spec.stages: no two stages may have the same environment",
    )
}

/// Name of a BaselineRevision.
pub(crate) fn revision_reference(field: &str) -> Rule {
    text(
        field,
        "the name of a BaselineRevision: the name of a Baseline, - and 10 lower-case hexadecimal digits",
        "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?-[0-9a-f]{10}$')",
    )
}

/// A number or a percentage. Written over the text of either, which costs the server less than asking for the type.
pub(crate) fn amount(field: &str, min: u32) -> Rule {
    let zero = if min == 0 { "0|0%|" } else { "" };
    fixed(
        format!("string(self).matches('^({zero}[1-9][0-9]{{0,4}}|[1-9][0-9]?%|100%)$')"),
        format!("{field} must be a number of accounts, at least {min}, or a percentage from {min}% to 100%"),
    )
}

/// The field of a strategy's type, and no other.
pub(crate) fn strategy_block() -> Rule {
    rule(
        "has(self.canary) == (self.type == 'Canary') && has(self.linear) == (self.type == 'Linear') && \
         (has(self.waves) && size(self.waves) > 0) == (self.type == 'Waves')",
        "'spec.stages.strategy: canary, linear and waves must be set for the type of their name and for no other; got type ' + \
         self.type + (has(self.canary) ? ' with canary' : '') + (has(self.linear) ? ' with linear' : '') + \
         (has(self.waves) && size(self.waves) > 0 ? ' with waves' : '')",
    )
}

/// A stage is done when all its accounts are. That targets do not shrink from wave to wave is judged by the operator: the
/// comparison costs more than the server lets a rule cost.
pub(crate) fn waves_reach_all() -> Rule {
    fixed(
        "!has(self.waves) || size(self.waves) == 0 || string(self.waves[size(self.waves) - 1].targets) == '100%'",
        "spec.stages.strategy.waves: targets of the last wave must be 100%, so that the stage reaches all accounts",
    )
}

/// The field of a gate's type, and no other.
pub(crate) fn gate_block() -> Rule {
    rule(
        "has(self.condition) == (self.type == 'Condition') && has(self.prometheus) == (self.type == 'Prometheus') && \
         has(self.http) == (self.type == 'HTTP') && has(self.job) == (self.type == 'Job')",
        "'spec.stages.gates: condition, prometheus, http and job must be set for the type of their name and for no other; got type ' + \
         self.type + (has(self.condition) ? ' with condition' : '') + (has(self.prometheus) ? ' with prometheus' : '') + \
         (has(self.http) ? ' with http' : '') + (has(self.job) ? ' with job' : '')",
    )
}

/// An address that gates ask.
pub(crate) fn url(field: &str) -> Rule {
    text(
        field,
        "an http or https URL with a host and without a user",
        "self.matches('^https?://[^/?#@]+([/?#].*)?$')",
    )
}
