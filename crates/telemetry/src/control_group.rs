//! The control groups of this process: its own (systemd makes one for each unit) and all above it, each of which may bound it.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

const ROOT: &str = "/sys/fs/cgroup";
const ROOT_V1_MEMORY: &str = "/sys/fs/cgroup/memory";
/// What version 1 says where nothing is bounded: the largest number of whole pages.
const NO_BOUND_V1: u64 = 1 << 62;

/// The folders of the control groups (version 2) that this process is in, its own first and the root last. Whether they are all to be
/// seen depends on what a container shows of them.
#[must_use]
pub fn control_groups() -> Vec<PathBuf> {
    groups(Path::new(ROOT), &own(), "0::")
}

/// Memory that the control groups (version 2 or 1) allow this process, in bytes; nothing if they allow all there is.
#[must_use]
pub fn memory_allowed() -> Option<u64> {
    allowed(Path::new(ROOT), Path::new(ROOT_V1_MEMORY), &own())
}

fn own() -> String {
    fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}

fn allowed(root: &Path, root_v1: &Path, own: &str) -> Option<u64> {
    let second = groups(root, own, "0::").into_iter().map(|group| group.join("memory.max"));
    let first = groups(root_v1, own, ":memory:").into_iter().map(|group| group.join("memory.limit_in_bytes"));
    // A group that says `max`, or nothing, bounds nobody.
    let bounds = second.chain(first).filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    bounds.filter(|bound| *bound < NO_BOUND_V1).min()
}

/// The group that a line of `/proc/self/cgroup` (cgroups(7)) names behind this mark, and all above it up to the root.
fn groups(root: &Path, own: &str, mark: &str) -> Vec<PathBuf> {
    let named = own.lines().find_map(|line| line.split_once(mark).map(|(_, path)| path));
    let path = Path::new(named.unwrap_or_default().trim_start_matches('/'));
    // A group outside of what a container shows begins with `..`: of that only the root is to be seen.
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let path = if plain { path } else { Path::new("") };
    path.ancestors().map(|group| root.join(group)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up machine: what each group says of its memory.
    #[track_caller]
    fn check(own: &str, said: &[(&str, &str)], expected: Option<u64>) {
        let folder = tempfile::tempdir().expect("a folder");
        for (file, bound) in said {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().expect("a group")).expect("it is made");
            fs::write(file, format!("{bound}\n")).expect("it is written");
        }
        let found = allowed(folder.path(), &folder.path().join("memory"), own);
        assert_eq!(found, expected, "{own} of {said:?}");
    }

    #[test]
    fn a_unit_of_systemd_may_hold_what_its_own_group_allows() {
        let own = "0::/system.slice/holdfast.service\n";
        let unit = "system.slice/holdfast.service/memory.max";
        check(own, &[(unit, "1000")], Some(1000));
        check(own, &[(unit, "max"), ("system.slice/memory.max", "max")], None);
    }

    #[test]
    fn the_least_of_all_groups_above_holds_too() {
        let own = "0::/system.slice/holdfast.service\n";
        let unit = ("system.slice/holdfast.service/memory.max", "1000");
        check(own, &[unit, ("system.slice/memory.max", "700")], Some(700));
        check(own, &[unit, ("system.slice/memory.max", "max"), ("memory.max", "900")], Some(900));
        // That of somebody else does not.
        check(own, &[unit, ("system.slice/other.service/memory.max", "5")], Some(1000));
    }

    #[test]
    fn a_container_may_hold_what_its_root_allows_however_its_group_is_called_outside() {
        for own in ["0::/\n", "0::/../../kubepods/pod7\n", "0::/docker/7f3a\n", ""] {
            check(own, &[("memory.max", "800")], Some(800));
        }
    }

    #[test]
    fn version_1_names_the_group_of_the_memory_and_says_a_great_number_for_everything() {
        let own = "9:cpu,cpuacct:/other\n5:memory:/user.slice\n0::/\n";
        let (slice, root) = (
            "memory/user.slice/memory.limit_in_bytes",
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
        );
        check(own, &[(slice, "600"), root], Some(600));
        check(own, &[(slice, "9223372036854771712"), root], None);
    }
}
