//! The numbers of persons, as far as a node remembers them without asking: where it has nobody to ask, whoever threw their place away
//! must not get another.

use std::collections::HashMap;

/// Persons of one generation. Two are kept; each person takes some forty bytes.
const GENERATION_MAX: usize = 500_000;

/// Whoever has not been asked for while a whole generation came is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Persons {
    young: HashMap<u128, u64>,
    old: HashMap<u128, u64>,
}

impl Persons {
    pub(crate) fn number_of(&mut self, person: u128) -> Option<u64> {
        if let Some(number) = self.young.get(&person) {
            return Some(*number);
        }
        let number = self.old.remove(&person)?;
        self.remember(person, number);
        Some(number)
    }

    pub(crate) fn remember(&mut self, person: u128, number: u64) {
        self.remember_among(GENERATION_MAX, person, number);
    }

    fn remember_among(&mut self, generation_max: usize, person: u128, number: u64) {
        if self.young.len() >= generation_max && !self.young.contains_key(&person) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(person, number);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_forgotten_for_as_long_as_a_generation_takes_to_come() {
        let mut persons = Persons::default();
        for number in 0..25_u64 {
            persons.remember_among(10, number.into(), number);
            let last = number.saturating_sub(9)..=number;
            assert!(last.clone().all(|one| persons.number_of(one.into()) == Some(one)), "{last:?}");
        }
        assert!(persons.len() <= 25);
        assert_eq!(persons.number_of(99), None);
    }
}
