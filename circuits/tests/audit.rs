//! Checks that the page for auditors, docs/circuits.md, describes the current circuits.
#![allow(clippy::unwrap_used, clippy::panic)]

use quotapass_circuits::{
    badge::Badge,
    constraints::{Circuit, shape::Shape},
    moderation::{author::Author, record::Record},
    post::Post,
    slash::Slash,
};

const PAGE: &str = include_str!("../../docs/circuits.md");

/// Returns the expected table of a circuit.
fn section<C: Circuit>() -> String {
    let shape = Shape::of(C::STANDARD).unwrap();
    let mut rows: Vec<(&str, usize, usize)> = Vec::new();
    for clause in &shape.clauses {
        let (constraints, variables) = (clause.constraints.len(), clause.variables.len());
        match rows.iter_mut().find(|row| row.0 == clause.clause) {
            Some(row) => (row.1, row.2) = (row.1 + constraints, row.2 + variables),
            None => rows.push((clause.clause, constraints, variables)),
        }
    }
    assert_eq!(rows.iter().map(|row| row.1).sum::<usize>(), shape.constraints());
    assert_eq!(rows.iter().map(|row| row.2).sum::<usize>() + shape.public, shape.variables);
    let rows =
        rows.iter().map(|(clause, constraints, variables)| format!("| {clause} | {constraints} | {variables} |\n"));
    rows.collect()
}

#[track_caller]
fn stands_there<C: Circuit>() {
    let table = section::<C>();
    let (_, page) = PAGE.split_once(&format!("\n## {}\n", C::KIND)).unwrap();
    let page = page.split("\n## ").next().unwrap();
    assert!(page.contains(&table), "the table of `{}` should be\n{table}", C::KIND);

    let shape = Shape::of(C::STANDARD).unwrap();
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let number = |number: usize| match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    };
    let own = &C::public_names()[..C::public_names().len() - C::SHARED_INPUTS];
    let mut inputs = own.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if C::SHARED_INPUTS > 0 {
        inputs += &format!(", then `x_j`, `y_j`, `nullifier_j` for j from 1 to {}", C::SHARED_INPUTS / 3);
    }
    let beginning = format!(
        "Public inputs: {inputs}. {} constraints, {} variables",
        number(shape.constraints()),
        number(shape.variables)
    );
    assert!(words.contains(&beginning), "{beginning}");
    assert!(words.contains(&format!("domain {}.", number(shape.domain()))));
    assert!(PAGE.contains(&format!("| `{}` | `{}` |", C::KIND, shape.hash())), "{}", shape.hash());
}

#[test]
fn clauses_counts_and_hashes_stand_on_the_page() {
    stands_there::<Post>();
    stands_there::<Badge>();
    stands_there::<Slash>();
    stands_there::<Author>();
    stands_there::<Record<16>>();
    stands_there::<Record<128>>();
}
