//! An interface upon an interface: what comes to its address is received by both.

use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo};

use crate::{LabError, Link};

impl Link {
    /// Makes a macvlan `name` upon this interface, in the same namespace, and sets it up. It goes with
    /// this interface.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the kernel has no macvlan; `EEXIST` when the name is taken.
    #[doc(alias = "macvlan")]
    pub fn add_macvlan(&self, name: &str) -> Result<Self, LabError> {
        let upper = self.sibling(name);
        upper.create([
            LinkAttribute::Link(self.index()?),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan)]),
        ])?;
        upper.set_up()?;
        Ok(upper)
    }
}
