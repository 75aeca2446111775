//! What is known of a request: what it says, and what follows from it.

use std::collections::BTreeMap;

/// One call, as AWS authorizes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// ARN of whoever calls: a user, the root user, a role, or a session of a role
    /// (`arn:aws:sts::<account>:assumed-role/<role>/<session>`) or of a federated user.
    pub principal: String,
    /// Tags of the principal, and of its session.
    pub principal_tags: BTreeMap<String, String>,
    /// `service:Name`.
    pub action: String,
    /// ARN of what is acted on; `*` for actions that know no resources.
    pub resource: String,
    /// The region that is called.
    pub region: Option<String>,
    /// Values of condition keys. They go before what follows from the rest; an empty list makes a key absent.
    pub context: BTreeMap<String, Vec<String>>,
}

/// A principal's ARN, taken apart.
#[derive(Clone, Copy, Debug)]
struct Principal<'a> {
    partition: &'a str,
    account: &'a str,
    kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Root,
    User {
        name: &'a str,
    },
    Role {
        path_and_name: &'a str,
    },
    /// The role's path is not part of its session's ARN.
    Session {
        role: &'a str,
    },
    Federated,
}

impl<'a> Principal<'a> {
    fn parse(arn: &'a str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, partition, service, "", account, resource] = parts[..] else {
            return None;
        };
        let (sort, rest) = resource.split_once('/').unwrap_or((resource, ""));
        let kind = match (service, sort) {
            ("iam", "root") => Kind::Root,
            ("iam", "user") => Kind::User {
                name: rest.rsplit_once('/').map_or(rest, |(_, name)| name),
            },
            ("iam", "role") => Kind::Role { path_and_name: rest },
            ("sts", "assumed-role") => Kind::Session {
                role: rest.split_once('/').map_or(rest, |(role, _)| role),
            },
            ("sts", "federated-user") => Kind::Federated,
            _ => return None,
        };
        Some(Self {
            partition,
            account,
            kind,
        })
    }

    /// `aws:PrincipalType` (IAM User Guide, "Principal key values").
    fn principal_type(self) -> &'static str {
        match self.kind {
            Kind::Root => "Account",
            Kind::User { .. } => "User",
            Kind::Role { .. } | Kind::Session { .. } => "AssumedRole",
            Kind::Federated => "FederatedUser",
        }
    }

    /// A role that a service made for itself. Its path is reserved; of a session only the name is known, and IAM lets
    /// nobody begin one so.
    fn is_service_linked(self) -> bool {
        match self.kind {
            Kind::Role { path_and_name } => path_and_name.starts_with("aws-service-role/"),
            Kind::Session { role } => role.starts_with("AWSServiceRoleFor"),
            Kind::Root | Kind::User { .. } | Kind::Federated => false,
        }
    }
}

/// Is it the ARN of somebody who can call?
pub(super) fn is_principal(arn: &str) -> bool {
    Principal::parse(arn).is_some_and(|principal| {
        let named = match principal.kind {
            Kind::Root | Kind::Federated => true,
            Kind::User { name } | Kind::Session { role: name } => !name.is_empty(),
            Kind::Role { path_and_name } => !path_and_name.is_empty(),
        };
        let account = principal.account;
        arn.starts_with("arn:") && named && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
    })
}

/// The values of condition keys in one request.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// By key in lower case, because AWS tells no upper from lower case in them, tags' keys included. No list is empty.
    values: BTreeMap<String, Vec<String>>,
    account: Option<String>,
    service_linked: bool,
}

impl Context {
    pub(super) fn new(request: &Request) -> Self {
        let principal = Principal::parse(&request.principal);
        let mut values = BTreeMap::new();
        let mut derive = |key: &str, value: &str| {
            values.insert(key.to_lowercase(), vec![value.to_owned()]);
        };
        match principal {
            Some(principal) => {
                match principal.kind {
                    Kind::Session { role } => {
                        let Principal {
                            partition, account, ..
                        } = principal;
                        derive(
                            "aws:principalarn",
                            &format!("arn:{partition}:iam::{account}:role/{role}"),
                        );
                    }
                    _ => derive("aws:principalarn", &request.principal),
                }
                if let Kind::User { name } = principal.kind {
                    derive("aws:username", name);
                }
                derive("aws:principalaccount", principal.account);
                derive("aws:principaltype", principal.principal_type());
                derive("aws:principalisawsservice", "false");
            }
            None => derive("aws:principaltype", "Anonymous"),
        }
        for (key, value) in &request.principal_tags {
            derive(&format!("aws:principaltag/{key}"), value);
        }
        if let Some(region) = &request.region {
            derive("aws:requestedregion", region);
        }
        for (key, given) in &request.context {
            if given.is_empty() {
                values.remove(&key.to_lowercase());
            } else {
                values.insert(key.to_lowercase(), given.clone());
            }
        }
        // The context may know the role's path.
        let told = request
            .context
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case("aws:PrincipalArn"));
        let role = match told {
            Some((_, arn)) => arn.first().and_then(|arn| Principal::parse(arn)),
            None => principal,
        };
        Self {
            account: principal.map(|principal| principal.account.to_owned()),
            service_linked: role.is_some_and(Principal::is_service_linked),
            values,
        }
    }

    /// The values of a key, given in lower case; `None`: it is absent.
    pub(super) fn values(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// The account of the principal.
    pub(super) fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Does a service act with a role of its own?
    pub(super) fn is_service_linked(&self) -> bool {
        self.service_linked
    }
}
