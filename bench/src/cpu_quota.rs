//! A limit on the CPU time of processes, as Lambda sets it: a control group with a quota (Linux, `cgroup` version 1
//! or 2). It requires the permission to create one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A control group for one process. The group is removed when this is dropped.
pub struct CpuQuota {
    group: PathBuf,
    version: CgroupVersion,
}

#[derive(Clone, Copy)]
enum CgroupVersion {
    One,
    Two,
}

impl CpuQuota {
    /// A group without a limit, with this process in it.
    pub fn new(process: u32) -> io::Result<Self> {
        let (parent, version) = if Path::new(VERSION_2).join("cgroup.controllers").exists() {
            (VERSION_2, CgroupVersion::Two)
        } else {
            (VERSION_1, CgroupVersion::One)
        };
        let group = Path::new(parent).join(format!("countersign-bench-{process}"));
        fs::create_dir(&group).map_err(|error| {
            let message = format!("cannot create the control group {}: {error}", group.display());
            io::Error::new(error.kind(), message)
        })?;
        let quota = Self { group, version };
        fs::write(quota.group.join("cgroup.procs"), process.to_string())?;
        Ok(quota)
    }

    /// From now on, the group gets this share of one CPU.
    pub fn limit(&self, share: f64) -> io::Result<()> {
        let quota = (share * f64::from(PERIOD_MICROS)).round();
        match self.version {
            CgroupVersion::One => {
                fs::write(self.group.join("cpu.cfs_period_us"), PERIOD_MICROS.to_string())?;
                fs::write(self.group.join("cpu.cfs_quota_us"), quota.to_string())
            }
            CgroupVersion::Two => {
                fs::write(self.group.join("cpu.max"), format!("{quota} {PERIOD_MICROS}"))
            }
        }
    }
}

impl Drop for CpuQuota {
    /// The process must have ended.
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.group);
    }
}

const VERSION_1: &str = "/sys/fs/cgroup/cpu";
const VERSION_2: &str = "/sys/fs/cgroup";
/// Lambda's scheduler is observed to use this period.
const PERIOD_MICROS: u32 = 20_000;
