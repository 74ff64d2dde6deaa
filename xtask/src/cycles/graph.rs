//! Cycles of a graph.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The nodes that each node has an edge to.
type Successors = BTreeMap<usize, BTreeSet<usize>>;

/// Shortest cycles that together contain every edge that is in a cycle, the shortest ones first. Each
/// starts with its lowest node, which is not repeated at the end.
pub(super) fn all_cycles(edges: impl IntoIterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
    let mut shortest = shortest_cycles(&successors(edges));
    let mut shown = BTreeSet::new();
    // One that shows no further edge is left out.
    shortest.retain(|cycle| edges_of(cycle).filter(|edge| shown.insert(*edge)).count() > 0);
    shortest
}

/// Cycles that have no edge in common, the shortest ones first. Without their edges there is no cycle.
pub(super) fn separate_cycles(edges: impl IntoIterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
    let mut successors = successors(edges);
    let mut separate = Vec::new();
    while let Some(shortest) = shortest_cycles(&successors).into_iter().next() {
        for (from, to) in edges_of(&shortest) {
            if let Some(own) = successors.get_mut(&from) {
                own.remove(&to);
            }
        }
        separate.push(shortest);
    }
    separate
}

/// The edges of a cycle, in its order.
pub(super) fn edges_of(cycle: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let next = cycle.iter().cycle().skip(1);
    cycle.iter().zip(next).map(|(from, to)| (*from, *to))
}

fn successors(edges: impl IntoIterator<Item = (usize, usize)>) -> Successors {
    let mut successors = Successors::new();
    for (from, to) in edges {
        successors.entry(from).or_default().insert(to);
    }
    successors
}

/// A shortest cycle through each edge that is in one, the shortest ones first.
fn shortest_cycles(successors: &Successors) -> Vec<Vec<usize>> {
    let all = successors.iter().flat_map(|(from, to)| to.iter().map(|to| (*from, *to)));
    let mut shortest: Vec<Vec<usize>> =
        all.filter_map(|(from, to)| way(successors, to, from)).map(from_lowest).collect();
    shortest.sort_by_key(|cycle| (cycle.len(), cycle.clone()));
    shortest
}

/// The nodes of a shortest way from one node to another.
fn way(successors: &Successors, from: usize, to: usize) -> Option<Vec<usize>> {
    let mut before = BTreeMap::from([(from, from)]);
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        if node == to {
            let mut nodes = vec![node];
            let mut last = node;
            while last != from {
                last = *before.get(&last)?;
                nodes.push(last);
            }
            nodes.reverse();
            return Some(nodes);
        }
        for next in successors.get(&node).into_iter().flatten() {
            before.entry(*next).or_insert_with(|| {
                queue.push_back(*next);
                node
            });
        }
    }
    None
}

fn from_lowest(mut cycle: Vec<usize>) -> Vec<usize> {
    let lowest = cycle.iter().enumerate().min_by_key(|(_, node)| **node);
    let at = lowest.map_or(0, |(at, _)| at);
    cycle.rotate_left(at);
    cycle
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, the edges, and the cycles; those that are separate are the first ones.
    type Row = (&'static str, &'static [(usize, usize)], usize, &'static [&'static [usize]]);

    #[test]
    fn cycles_are_the_shortest_ones() {
        let rows: [Row; 6] = [
            ("no edge", &[], 0, &[]),
            ("a chain", &[(0, 1), (1, 2), (0, 2)], 0, &[]),
            ("two", &[(1, 0), (0, 1), (1, 2)], 1, &[&[0, 1]]),
            ("three", &[(2, 0), (0, 1), (1, 2)], 1, &[&[0, 1, 2]]),
            ("two apart", &[(0, 1), (1, 0), (2, 3), (3, 2)], 2, &[&[0, 1], &[2, 3]]),
            (
                "with an edge in common",
                &[(0, 1), (1, 0), (1, 2), (2, 0)],
                1,
                &[&[0, 1], &[0, 1, 2]],
            ),
        ];
        for (name, edges, separate, expected) in rows {
            assert_eq!(all_cycles(edges.iter().copied()), expected, "{name}");
            let found = separate_cycles(edges.iter().copied());
            assert_eq!(found, expected.get(..separate).unwrap(), "{name}");
        }
    }
}
